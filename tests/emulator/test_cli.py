"""The command `cdk-braket-local`, called as its users call it."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from cdk_braket_local import files, processes
from cdk_braket_local.control import kept_instance
from cdk_braket_local.files import OwnedFolder
from tests.emulator import watched_command
from tests.patience import PATIENCE
from tests.tools import miniature

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "cdk_braket_local.cli"]

LIST_BUCKETS = "import boto3; print(len(boto3.client('s3').list_buckets()['Buckets']))"
MAKE_BUCKET = "import boto3; boto3.client('s3').create_bucket(Bucket='kept')"

APP = """
from aws_cdk import App, CfnOutput, Stack, aws_ssm
app = App()
stack = Stack(app, "Small")
parameter = aws_ssm.StringParameter(stack, "Parameter", string_value="seen")
CfnOutput(stack, "Name", value=parameter.parameter_name)
app.synth()
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A CDK project of somebody's: the CDK CLI in node_modules, and no local AWS running."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "node_modules").symlink_to(ROOT / "node_modules")
    yield project
    local(project, "down")
    assert miniature.living_processes(project) == []


def local(
    project: Path,
    *arguments: str,
    timeout: float = PATIENCE,
    command: Sequence[str] = COMMAND,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("cdk-braket-local: ")
    return line.removeprefix("cdk-braket-local: ")


def port_of(project: Path) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)", local(project, "status").stdout)
    assert found
    return int(found[1])


def keeper_of(project: Path) -> int:
    found = re.search(r"process (\d+)", local(project, "status").stdout)
    assert found
    return int(found[1])


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All that is in a folder: modes, and contents of files; links are not followed."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, _content(path))
        for path in folder.rglob("*")
    }


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return bytes(path.readlink())
    return path.read_bytes() if path.is_file() else b""


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- run ------------------------------------------------------------------------------------------


def test_run_bootstraps_and_the_real_cdk_deploys(project: Path) -> None:
    (project / "app.py").write_text(APP)
    app = f"{shlex.quote(sys.executable)} app.py"
    (project / "cdk.json").write_text(json.dumps({"app": app}))
    done = local(
        project,
        *("run", "--", "cdk", "deploy", "--all", "--require-approval=never", "--no-notices"),
        "--outputs-file=outputs.json",
        command=[*watched_command.COMMAND, "cdk_braket_local.cli"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((project / "outputs.json").read_text())["Small"]["Name"]


# test_bootstrap.py reads the settings, and the test above bootstraps.
@pytest.mark.long
def test_bootstrapping_reads_the_settings_of_the_app_and_does_not_run_it(project: Path) -> None:
    (project / "app.py").write_text("open('ran', 'a')")
    context = {"@aws-cdk/core:bootstrapQualifier": "fromfile"}
    app = f"{shlex.quote(sys.executable)} app.py"
    settings = {"app": app, "toolkitStackName": "OwnToolkit", "context": context}
    (project / "cdk.json").write_text(json.dumps(settings))
    names = (
        "import boto3; print(*[b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    )
    stacks = (
        "import boto3; c = boto3.client('cloudformation'); "
        "print([s['StackName'] for s in c.describe_stacks()['Stacks']])"
    )
    code = f"{names}; {stacks}"
    from_file = local(project, "run", *python(code))
    assert "cdk-fromfile-assets-" in from_file.stdout, from_file.stderr
    assert "['OwnToolkit']" in from_file.stdout
    given = "@aws-cdk/core:bootstrapQualifier=given"
    from_command = local(project, "run", *python(code), "-c", given)
    assert "cdk-given-assets-" in from_command.stdout, from_command.stderr
    assert {path.name for path in project.iterdir()} == {"node_modules", "app.py", "cdk.json"}


def test_run_passes_the_exit_code_and_the_arguments_on(project: Path) -> None:
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    done = local(project, "run", "--no-bootstrap", *python(code), "--port", "a b", "--")
    assert (done.returncode, done.stdout) == (7, "['--port', 'a b', '--']\n")
    assert done.stderr == ""


def test_a_profile_of_a_real_account_is_out_of_reach(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "config").write_text("[profile production]\nregion = eu-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project / "config"))
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    code = "import boto3; s = boto3.Session(); print(s.available_profiles, s.region_name)"
    done = local(project, "run", "--no-bootstrap", *python(code))
    assert done.stdout == "[] us-east-1\n"


# Each local AWS of the suite starts empty; test_state_directory.py has its files.
@pytest.mark.long
def test_each_run_is_fresh(project: Path) -> None:
    assert local(project, "run", "--no-bootstrap", *python(MAKE_BUCKET)).returncode == 0
    assert local(project, "run", "--no-bootstrap", *python(LIST_BUCKETS)).stdout == "0\n"


def test_run_leaves_nothing_in_the_project(project: Path) -> None:
    local(project, "run", "--no-bootstrap", "--", "true")
    assert [path.name for path in project.iterdir()] == ["node_modules"]


def test_a_signal_ends_run_its_command_and_its_local_aws(project: Path) -> None:
    script = 'echo "$AWS_ENDPOINT_URL"; exec sleep 60'
    with subprocess.Popen(
        [*COMMAND, "run", "--no-bootstrap", "--", "sh", "-c", script],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        port = int(run.stdout.readline().rpartition(":")[2])
        assert answers(port)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE)
    assert (run.returncode, said) == (130, "")
    assert not answers(port)


# Another test sends the signal to a command.
@pytest.mark.long
def test_a_signal_while_it_bootstraps_ends_it_too(project: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "--", "touch", "ran"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        assert "bootstrapping" in run.stderr.readline()
        time.sleep(0.3)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=PATIENCE)
    assert (run.returncode, said) == (128 + signal.SIGTERM, "")
    assert not (project / "ran").exists()


def test_a_program_that_is_not_there_is_one_line(project: Path) -> None:
    assert refusal(local(project, "run", "--", "no-such")) == "there is no program 'no-such' to run"


# Below, a bootstrap fails.
@pytest.mark.long
def test_without_the_cdk_cli_it_reports_that_nothing_is_bootstrapped(project: Path) -> None:
    (project / "node_modules").unlink()
    done = subprocess.run(
        [*COMMAND, "run", "--", "true"],
        cwd=project,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "is not bootstrapped" in done.stderr


def test_settings_that_cannot_be_read_are_one_line(project: Path) -> None:
    (project / "cdk.json").write_text("{")
    assert "cdk.json: expected JSON" in refusal(local(project, "run", "--", "touch", "ran"))
    assert not (project / "ran").exists()


def test_a_failed_bootstrap_shows_the_output_of_the_cdk_cli(project: Path) -> None:
    settings = {"context": {"@aws-cdk/core:bootstrapQualifier": "not-a-qualifier!"}}
    (project / "cdk.json").write_text(json.dumps(settings))
    done = local(project, "run", "--", "touch", "ran")
    assert done.returncode == 1
    # The words of the CDK CLI.
    assert "of at most 10 characters" in done.stderr
    assert "`cdk bootstrap` failed with exit code 1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (project / "ran").exists()


# --- up, status, env, down ------------------------------------------------------------------------


def test_state_is_kept_between_commands_until_down(project: Path) -> None:
    up = local(project, "up", "--no-bootstrap")
    assert up.returncode == 0, up.stderr
    script = textwrap.dedent(
        f"""
        eval "$({shlex.join(COMMAND)} env)"
        {shlex.join([sys.executable, "-c", MAKE_BUCKET])}
        {shlex.join([sys.executable, "-c", LIST_BUCKETS])}
        """
    )
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-e", "-c", script], cwd=project, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr

    port = port_of(project)
    down = local(project, "down")
    assert (down.returncode, down.stderr) == (0, "")
    assert not answers(port)
    assert [path.name for path in project.iterdir()] == ["node_modules"]


# The tests beside it keep the project as it was, without a bootstrap.
@pytest.mark.long
def test_up_and_down_leave_a_project_as_it_was_and_up_works_again(project: Path) -> None:
    (project / "app.py").write_text(APP)
    (project / "cdk.json").write_text(json.dumps({"app": f"{shlex.quote(sys.executable)} app.py"}))
    before = contents(project)
    for _ in range(2):
        up = local(project, "up")
        assert (up.returncode, "starting a new one" in up.stderr) == (0, False), up.stderr
        down = local(project, "down")
        assert (down.returncode, down.stderr) == (0, "")
        assert contents(project) == before


# test_state_directory.py has such folders without the command line.
@pytest.mark.long
def test_files_of_others_in_the_state_directory_stay_and_are_named(project: Path) -> None:
    state = project / ".cdk-braket-local"
    for _ in range(2):
        assert local(project, "up", "--no-bootstrap").returncode == 0
        (state / "notes.txt").write_text("mine")
        down = local(project, "down")
        assert down.stdout == "stopped; its state is removed\n"
        assert down.stderr.endswith("stay: notes.txt\n")
        assert {path.name for path in state.iterdir()} == {"notes.txt", files.MARKER}
    assert local(project, "down").stdout.startswith("no local AWS is kept in ")


# test_state_directory.py has such folders without the command line.
@pytest.mark.long
def test_a_state_directory_that_came_with_a_repository_is_refused(project: Path) -> None:
    """The one of another clone, with its marker, a link to the user's files and somebody's pid."""
    thesis = project / "thesis"
    (thesis / "tmp").mkdir(parents=True)
    (thesis / "tmp" / "chapter.txt").write_text("years of work")
    assert local(project, "up", "--no-bootstrap").returncode == 0
    state = project / ".cdk-braket-local"
    copy = project / "copy"
    shutil.copytree(state, copy, ignore=shutil.ignore_patterns("data"))
    (copy / "data").symlink_to(thesis)
    assert local(project, "down").returncode == 0
    copy.rename(state)
    before = contents(project)
    refused = refusal(local(project, "up", "--no-bootstrap"))
    assert "not a state directory of cdk-braket-local" in refused
    assert local(project, "down").stdout.startswith("no local AWS is kept in ")
    assert contents(project) == before


def test_a_state_directory_that_is_a_link_is_refused(project: Path) -> None:
    (project / "empty").mkdir()
    (project / ".cdk-braket-local").symlink_to("empty")
    assert "got a link" in refusal(local(project, "up", "--no-bootstrap"))
    assert list((project / "empty").iterdir()) == []


def test_down_leaves_a_process_alone_that_is_not_the_keeper(project: Path) -> None:
    state = project / ".cdk-braket-local"
    with (
        OwnedFolder.claim(state) as folder,
        subprocess.Popen(["sleep", "600"]) as bystander,
    ):
        assert folder.lock()
        born = processes.start_time(bystander.pid)
        description = kept_instance.Description(bystander.pid, born, 0.0, {})
        with folder.create("local-aws.json") as file:
            file.write(json.dumps(asdict(description)).encode())
        try:
            down = local(project, "down")
            assert down.returncode == 1
            assert "is left alone" in down.stderr.splitlines()[-1]
            assert bystander.poll() is None
        finally:
            bystander.kill()
    assert "ended already" in local(project, "down").stdout


# Above, `run` bootstraps; below, `up` keeps its state.
@pytest.mark.long
def test_up_is_bootstrapped_and_up_again_changes_nothing(project: Path) -> None:
    assert local(project, "up").returncode == 0
    keeper = keeper_of(project)
    again = local(project, "up")
    assert (again.returncode, again.stderr) == (0, "")
    assert keeper_of(project) == keeper
    environment = local(project, "env").stdout
    check = f"{environment}\n{shlex.join([sys.executable, '-c', LIST_BUCKETS])}"
    done = subprocess.run(["sh", "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n", "the bootstrap bucket"


# test_state_directory.py has many that claim a folder at once.
@pytest.mark.long
def test_two_ups_at_once_start_one(project: Path) -> None:
    runs = [
        subprocess.Popen(
            [*COMMAND, "up", "--no-bootstrap"], cwd=project, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=PATIENCE)[1] for run in runs]
    assert 0 in {run.returncode for run in runs}, said
    assert all("Traceback" not in text for text in said)
    assert local(project, "status").returncode == 0


def test_without_one_status_env_and_down_report_it(project: Path) -> None:
    status = local(project, "status")
    assert (status.returncode, status.stderr) == (1, "")
    assert status.stdout.startswith("no local AWS is running in ")
    assert refusal(local(project, "env")).endswith("`up` starts one")
    down = local(project, "down")
    assert (down.returncode, down.stderr) == (0, "")
    assert down.stdout.startswith("no local AWS is kept in ")


# test_state_directory.py has crashes without the command line.
@pytest.mark.long
def test_the_remains_of_a_crash_are_removed(project: Path) -> None:
    assert local(project, "up", "--no-bootstrap").returncode == 0
    port = port_of(project)
    os.kill(keeper_of(project), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while answers(port):
        assert time.monotonic() < deadline, "the local AWS outlives its keeper"
        time.sleep(0.1)
    assert local(project, "status").returncode == 1
    again = local(project, "up", "--no-bootstrap")
    assert again.returncode == 0
    assert "starting a new one" in again.stderr
    assert local(project, "status").returncode == 0


# test_state_directory.py has killed servers.
@pytest.mark.long
def test_a_killed_server_is_reported_and_its_processes_are_ended(project: Path) -> None:
    assert local(project, "up", "--no-bootstrap").returncode == 0
    keeper = keeper_of(project)
    [server] = [
        int(child)
        for child in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        if b"cdk_braket_local.server" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(server, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while (status := local(project, "status")).returncode == 0:
        assert time.monotonic() < deadline, status.stdout
    assert status.stdout.startswith("no local AWS is running in ")
    workspace = project / ".cdk-braket-local" / "data" / "braket" / "jobs" / "some-job"
    with subprocess.Popen(["sleep", "600"], env=processes.mark(workspace)) as left:
        try:
            assert "ended already" in local(project, "down").stdout
            assert left.wait(PATIENCE) == -signal.SIGKILL
        finally:
            left.kill()


# test_server.py has it without the command line.
@pytest.mark.long
def test_a_port_in_use_is_reported_in_one_line(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refusal(local(project, "up", "--port", port))
        assert port in refusal(local(project, "run", "--port", port, "--", "true"))
    assert [path.name for path in project.iterdir()] == ["node_modules"]


def test_another_port_than_the_running_ones_is_refused(project: Path) -> None:
    assert local(project, "up", "--no-bootstrap").returncode == 0
    port = port_of(project)
    assert local(project, "up", "--no-bootstrap", "--port", str(port)).returncode == 0
    assert "it already runs" in refusal(local(project, "up", "--port", str(port + 1)))


REFUSAL = """
import boto3
braket = boto3.client("braket")
try:
    braket.create_quantum_task(
        deviceArn="arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
        clientToken="token",
        shots=100,
        action="{}",
        outputS3Bucket="amazon-braket-missing",
        outputS3KeyPrefix="tasks",
    )
except braket.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
"""


# test_simulated_qpus.py has the devices.
@pytest.mark.long
def test_quantum_devices_are_simulated_on_demand(project: Path) -> None:
    done = local(project, "run", "--no-bootstrap", "--simulate-qpus", *python(REFUSAL))
    # The bucket is missing.
    assert done.stdout == "ValidationException\n", done.stderr
    done = local(project, "run", "--no-bootstrap", *python(REFUSAL))
    assert done.stdout == "DeviceOfflineException\n", done.stderr


# Another port than the running one is refused alike.
@pytest.mark.long
def test_other_settings_than_the_running_ones_are_refused(project: Path) -> None:
    assert local(project, "up", "--no-bootstrap", "--simulate-qpus").returncode == 0
    assert local(project, "up", "--no-bootstrap", "--simulate-qpus").returncode == 0
    assert refusal(local(project, "up", "--no-bootstrap")) == (
        "it already runs, with CDK_BRAKET_LOCAL_SIMULATE_QPUS=1, not with no settings; "
        "`down` stops it"
    )


def test_a_folder_of_the_user_is_not_used_for_state(project: Path) -> None:
    (project / "thesis").mkdir()
    (project / "thesis" / "chapter.txt").write_text("years of work")
    assert "not a state directory" in refusal(local(project, "up", "--state-directory", "thesis"))
    assert local(project, "down", "--state-directory", "thesis").returncode == 0
    assert (project / "thesis" / "chapter.txt").exists()


def test_a_state_directory_that_cannot_be_is_one_line(project: Path) -> None:
    (project / "file").touch()
    assert "cannot be the state directory" in refusal(
        local(project, "up", "--state-directory", "file")
    )


def test_its_state_is_private_and_ignored_by_the_project(project: Path) -> None:
    state = project / ".cdk-braket-local"
    state.mkdir()
    state.chmod(0o755)
    assert local(project, "up", "--no-bootstrap").returncode == 0
    assert state.stat().st_mode & 0o777 == 0o700
    for name in ("local-aws.json", "log", files.MARKER):
        assert (state / name).stat().st_mode & 0o777 == 0o600
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    listed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True
    )
    assert state.name not in listed.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["start"], ["run"], ["up", "--port", "0"], ["up", "--port", "65536"], ["down", "--all"]],
)
def test_a_wrong_call_shows_how_to_call_it(project: Path, arguments: list[str]) -> None:
    done = local(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: cdk-braket-local")
