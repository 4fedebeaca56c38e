"""The local AWS is for local programs alone, and is gone when it is stopped."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LOG_FILE, ClientSettings, LocalAws, LocalAwsError
from tests import length
from tests.emulator.jobs import Jobs
from tests.emulator.recording_server import ISSUED
from tests.emulator.stacks import Stack, recorder
from tests.emulator.users import user_who_may
from tests.patience import PATIENCE

LOOPBACK = "0100007F"
LISTENS = "0A"


def _group(leader: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == leader:
            found.append(int(folder.name))
    return found


def _mentioning(folder: Path) -> set[int]:
    """Return the running processes that use a folder, in any process group."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            known = [(process / name).read_bytes() for name in ("cmdline", "environ")]
            here = os.fsencode((process / "cwd").readlink())
            if any(os.fsencode(folder) in text for text in (*known, here)):
                found.add(int(process.name))
    return found - {os.getpid()}


def _sockets(process: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _listening(processes: list[int]) -> set[str]:
    """Return the addresses, in hex, on which processes listen or receive datagrams."""
    inodes = {inode for process in processes for inode in _sockets(process)}
    addresses = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == LISTENS or table.startswith("udp")):
                addresses.add(fields[1])
    return addresses


def test_it_listens_on_one_port_of_the_loopback_interface_and_nowhere_else(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    stack = Stack(local_aws, tmp_path / "record")  # a function runs, too
    assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
    port = int(local_aws.endpoint_url.rpartition(":")[2])
    processes = _group(local_aws.process_group)
    assert len(processes) > 1
    assert _listening(processes) == {f"{LOOPBACK}:{port:04X}"}


def test_with_optional_packages_of_ministack_no_further_port_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With these it would serve MQTT and SFTP on all interfaces; that they are found is enough.
    packages = tmp_path / "packages"
    for package in ("cryptography", "asyncssh"):
        (packages / package).mkdir(parents=True)
        note = "import pathlib; pathlib.Path(__file__).with_name('used').touch()"
        (packages / package / "__init__.py").write_text(note)
    path = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    with LocalAws.start(tmp_path / "aws") as aws:
        boto3.client("transfer", **aws.client_settings).create_server()
        port = int(aws.endpoint_url.rpartition(":")[2])
        assert _listening(_group(aws.process_group)) == {f"{LOOPBACK}:{port:04X}"}
    assert not (packages / "asyncssh" / "used").exists(), "SFTP would be served"


def test_two_at_once_know_nothing_of_each_other(local_aws: LocalAws, tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "other") as other:
        boto3.client("s3", **other.client_settings).create_bucket(Bucket="only-there")
        buckets = boto3.client("s3", **local_aws.client_settings).list_buckets()["Buckets"]
        assert "only-there" not in {bucket["Name"] for bucket in buckets}
        mixed = ClientSettings(**{**other.client_settings, "endpoint_url": local_aws.endpoint_url})
        with pytest.raises(ClientError):
            boto3.client("s3", **mixed).list_buckets()


@pytest.mark.parametrize("end", length.first(1, ["stop", "server is killed", "parent is killed"]))
def test_it_leaves_no_process(tmp_path: Path, end: str) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from cdk_braket_local.control.instance import LocalAws\n"
        "from tests.emulator.jobs import Jobs\n"
        "from tests.emulator.stacks import Stack, recorder\n"
        "aws = LocalAws.start(Path(sys.argv[1]))\n"
        "plan = {'Create': 'leave a process'}\n"
        "Stack(aws, Path(sys.argv[1]) / 'record').create({'Resource': recorder(plan)})\n"
        "jobs = Jobs(aws)\n"
        "script = 'import time\\ndef main(): print(\"here\", flush=True); time.sleep(600)'\n"
        "jobs.running(jobs.start(script), 'here')\n"
        "print(aws.process_group, flush=True)\n"
        "sys.stdin.read()\n"
        "aws.stop()\n"
    )
    folder = tmp_path / "aws"
    parent = subprocess.Popen(
        [sys.executable, "-c", program, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with parent:
        assert parent.stdout is not None
        leader = int(parent.stdout.readline())
        group = set(_group(leader))
        jobs = _mentioning(folder) - group - {parent.pid}
        assert len(group) > 2, "a function, and what it left behind"
        assert jobs
        if end == "stop":
            parent.communicate("", timeout=PATIENCE)
        elif end == "parent is killed":
            parent.kill()
        else:
            os.kill(leader, signal.SIGKILL)
            parent.communicate("", timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while (left := _mentioning(folder) | set(_group(leader))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == set()


def test_a_port_in_use_is_reported_in_one_line(local_aws: LocalAws, tmp_path: Path) -> None:
    port = int(local_aws.endpoint_url.rpartition(":")[2])
    with pytest.raises(LocalAwsError, match=f"^port {port} of 127.0.0.1 is in use$"):
        LocalAws.start(tmp_path / "other", port=port)


def test_another_ministack_is_one_line_at_start(tmp_path: Path) -> None:
    program = (
        "import functools, sys\n"
        "from cdk_braket_local import server\n"
        "from cdk_braket_local.ministack_adapter import names\n"
        "names.check = functools.partial(names.check, version='0.0.1')\n"
        "sys.exit(server.main(sys.argv[1:]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, f"--state-directory={tmp_path}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        process_group=0,
    )
    assert ended.returncode == 1
    (line,) = ended.stdout.splitlines()
    assert line.startswith("MiniStack 0.0.1 is needed")
    assert "Traceback" not in ended.stderr


def _answer(aws: LocalAws, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(
        aws.endpoint_url.removeprefix("http://"), timeout=PATIENCE
    )
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def _signed(aws: LocalAws) -> dict[str, str]:
    key = aws.client_settings["aws_access_key_id"]
    scope = f"{key}/20261123/us-east-1/s3/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"
    }


def _assert_refused(aws: LocalAws, path: str, headers: Mapping[str, str]) -> None:
    status, text = _answer(aws, path, headers)
    assert status == 403
    assert text.startswith("cdk-braket-local: "), "the emulator was asked"


def test_a_request_with_its_key_is_accepted(local_aws: LocalAws) -> None:
    assert _answer(local_aws, "/", _signed(local_aws))[0] == 200


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Host": "example.com"}, "loopback"),
        ({"Host": "127.0.0.1.example.com"}, "loopback"),
        ({"Origin": "http://127.0.0.1"}, "web pages"),
        ({"Origin": "null"}, "web pages"),
        ({"Sec-Fetch-Site": "cross-site"}, "web pages"),
    ],
)
def test_a_web_page_is_kept_out(local_aws: LocalAws, headers: dict[str, str], why: str) -> None:
    status, text = _answer(local_aws, "/", {**_signed(local_aws), **headers})
    assert status == 403
    assert why in text


def test_a_bucket_named_in_the_host_is_reached(local_aws: LocalAws) -> None:
    s3 = boto3.client("s3", **local_aws.client_settings)
    s3.create_bucket(Bucket="amazon-braket-in-host")
    s3.put_object(Bucket="amazon-braket-in-host", Key="in/side", Body=b"found")
    port = local_aws.endpoint_url.rpartition(":")[2]
    for below in ("localhost", "s3.localhost", "s3.us-east-1.localhost"):
        headers = {**_signed(local_aws), "Host": f"amazon-braket-in-host.{below}:{port}"}
        assert _answer(local_aws, "/in/side", headers) == (200, "found")


def test_a_request_with_two_hosts_is_refused(local_aws: LocalAws) -> None:
    port = int(local_aws.endpoint_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        hosts = "Host: localhost\r\nHost: example.com\r\n"
        connection.sendall(f"GET /_ministack/health HTTP/1.1\r\n{hosts}\r\n".encode())
        assert connection.recv(4096).split()[1] in {b"400", b"403"}


@pytest.mark.parametrize("key", ["", "test", "000000000000", "222222222222"])
def test_the_keys_that_everybody_knows_are_refused(local_aws: LocalAws, key: str) -> None:
    own = local_aws.client_settings["aws_access_key_id"]
    headers = {name: text.replace(own, key) for name, text in _signed(local_aws).items()}
    _assert_refused(local_aws, "/", headers)


@pytest.mark.parametrize("query", ["X-Amz-Credential=test/20261123", "AWSAccessKeyId=222222222222"])
def test_nor_are_they_let_in_beside_its_own(local_aws: LocalAws, query: str) -> None:
    _assert_refused(local_aws, f"/?{query}", _signed(local_aws))


def test_a_presigned_url_is_let_in(local_aws: LocalAws) -> None:
    s3 = boto3.client("s3", **local_aws.client_settings)
    s3.create_bucket(Bucket="presigned")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "presigned"})
    assert _answer(local_aws, url.removeprefix(local_aws.endpoint_url), {})[0] == 200


CODE = "/_ministack/lambda-code/000000000000/us-east-1/function"
LAYER = "/_ministack/lambda-layers/000000000000/us-east-1/layer/1/content"


@pytest.mark.parametrize("path", ["/", "/_ministack/reset", "/_localstack/health", CODE, LAYER])
def test_a_request_without_a_key_is_refused(local_aws: LocalAws, path: str) -> None:
    _assert_refused(local_aws, path, {})


@pytest.mark.parametrize("path", ["/_ministack/config", "/_localstack/health", CODE, LAYER])
def test_the_emulators_own_paths_are_closed_to_every_key(local_aws: LocalAws, path: str) -> None:
    _assert_refused(local_aws, path, _signed(local_aws))


def test_policies_are_enforced(local_aws: LocalAws) -> None:
    boto3.client("s3", **local_aws.client_settings).create_bucket(Bucket="enforced")
    reader = boto3.client("s3", **user_who_may(local_aws, ["s3:ListBucket"]))
    reader.list_objects_v2(Bucket="enforced")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket="enforced", Key="a", Body=b"")


def test_its_files_are_for_its_user_alone_and_hold_no_key_of_its_root_user(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    folder.mkdir(mode=0o755)
    with LocalAws.start(folder) as aws:
        assert folder.stat().st_mode & 0o777 == 0o700
        Jobs(aws).run("def main(): pass")
        settings = aws.client_settings
        keys = {settings["aws_access_key_id"], settings["aws_secret_access_key"]}
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != ISSUED]
        assert files
        assert [
            (path, key) for path in files for key in keys if key.encode() in path.read_bytes()
        ] == []


ANCESTRY = (
    "import os\nfrom pathlib import Path\n"
    "def main():\n"
    "    process = os.getpid()\n"
    "    while process > 1:\n"
    "        folder = Path(f'/proc/{process}')\n"
    "        try:\n"
    "            known = (folder / 'environ').read_text()\n"
    "        except PermissionError:\n"
    "            known = 'closed'\n"
    "        print('process', process, 'canary-5d1e' in known)\n"
    "        process = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])\n"
)


def test_a_job_finds_no_secret_of_the_users_in_the_processes_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "canary-5d1e")
    with LocalAws.start(tmp_path / "aws") as aws:
        jobs = Jobs(aws)
        lines = [line.split() for line in jobs.log(jobs.run(ANCESTRY)).splitlines()]
        seen = {int(process): found for _, process, found in lines}
        assert len(seen) > 3, "the script, its container, the server, and us"
        assert {aws.process_group, os.getpid()} <= seen.keys()
        assert set(seen.values()) == {"False"}


def test_neither_response_urls_nor_credentials_reach_its_log(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "aws") as aws:
        stack = Stack(aws, tmp_path / "record")
        # Its error names the URL, and what a function's errors say is on its standard error.
        assert stack.create({"Resource": recorder({"Create": "raise once"})}) == "CREATE_COMPLETE"
        urls = {request["ResponseURL"] for request in stack.requests()}
        _fail(aws, stack.physical_id("Function"), "https://example.com/canary-91c4")
        jobs = Jobs(aws)
        script = "import os\ndef main(secret): print(os.environ['AWS_SESSION_TOKEN'])"
        job = jobs.run(script, hyperParameters={"secret": "canary-7f3a"})
        token = jobs.log(job).strip()
        client = aws.client_settings
    log = (aws.state_directory / LOG_FILE).read_text()
    assert len(token) > 20
    secrets = {token, "canary-7f3a", "canary-91c4"}
    secrets |= {client["aws_access_key_id"], client["aws_secret_access_key"]}
    secrets |= {url.rpartition("=")[2] for url in urls}
    assert [secret for secret in secrets if secret in log] == []


def _fail(aws: LocalAws, function: str, url: str) -> None:
    """Call a recorder's function as users do, and have it raise an error that names a URL."""
    properties = {"Plan": json.dumps({"Create": "raise"})}
    event = {"RequestType": "Create", "ResourceProperties": properties, "ResponseURL": url}
    called = boto3.client("lambda", **aws.client_settings).invoke(
        FunctionName=function, Payload=json.dumps(event)
    )
    assert url in called["Payload"].read().decode()


def test_a_signal_stops_it(tmp_path: Path) -> None:
    aws = LocalAws.start(tmp_path / "aws")
    try:
        os.kill(aws.process_group, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while aws.is_running() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not aws.is_running()
    finally:
        aws.stop()
