"""Local hybrid jobs run as the container on AWS would run them."""

import json
import select
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from braket.aws import AwsQuantumJob, AwsSession

from cdk_braket_local.braket import runner
from cdk_braket_local.braket.job import Job, Status
from cdk_braket_local.braket.platform import Caller
from cdk_braket_local.control.instance import LocalAws
from tests import length
from tests.emulator.jobs import TRUST, Jobs, Json
from tests.emulator.killing import kill
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SLEEP = "import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(600)\n"


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


def _state(process: int) -> str | None:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def _lives(process: int) -> bool:
    return _state(process) not in {None, "Z"}


def _gone(process: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while _lives(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _lives(process)


def test_results_of_the_sdk_are_stored_and_read_by_the_sdk(
    local_aws: LocalAws,
    jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = (
        "from braket.jobs import save_job_result\n"
        "from braket.jobs.metrics import log_metric\n"
        "def main(times: int, label, flag: float = 0.5):\n"
        "    for n in range(times):\n"
        "        log_metric(metric_name='value', value=n * flag, iteration_number=n)\n"
        "    save_job_result({'label': label, 'times': times})\n"
    )
    job = jobs.run(script, hyperParameters={"times": "3", "label": "a b", "flag": "2"})
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert json.loads(jobs.results(job)["results.json"])["dataDictionary"] == {
        "label": "a b",
        "times": 3,
    }
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # it downloads to where it is
    session = AwsSession(boto3.Session(region_name=local_aws.region))
    seen = AwsQuantumJob(job["jobArn"], aws_session=session)
    assert seen.state() == "COMPLETED"
    assert seen.result() == {"label": "a b", "times": 3}
    seen.logs()
    assert "Metrics - timestamp=" in capsys.readouterr().out
    metrics = seen.metrics()
    assert (metrics["iteration_number"], metrics["value"]) == ([0, 1, 2], [0, 2, 4])


def test_hyperparameters_that_do_not_all_fit_are_none_of_them_passed(jobs: Jobs) -> None:
    script = "def main(known='default'):\n    print('known is', known)\n"
    job = jobs.run(script, hyperParameters={"known": "given", "other": "1"})
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert "known is default" in jobs.log(job)


def test_an_entry_point_may_be_a_module_that_is_run(jobs: Jobs) -> None:
    job = jobs.run({"pack/algo.py": "print('run as', __name__)"}, entry_point="pack.algo")
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert "run as __main__" in jobs.log(job)


def test_input_channels_are_folders(jobs: Jobs) -> None:
    neighbours = ("inner.txt", "other/c.txt", "other/c#1.txt")
    for key in ("in/a.txt", "in/deep/b.txt", "other/c#1?.txt", *neighbours):
        jobs.s3.put_object(Bucket=jobs.bucket, Key=key, Body=key.encode())
    channels = [
        {
            "channelName": name,
            "dataSource": {"s3DataSource": {"s3Uri": f"s3://{jobs.bucket}/{prefix}"}},
        }
        for name, prefix in (("first", "in/"), ("second", "other/c#1?.txt"))
    ]
    script = (
        "import os\nfrom pathlib import Path\n"
        "def main():\n"
        "    root = Path(os.environ['AMZN_BRAKET_INPUT_DIR'])\n"
        "    for path in sorted(p for p in root.rglob('*') if p.is_file()):\n"
        "        print(path.relative_to(root), '=', path.read_text())\n"
    )
    job = jobs.run(script, inputDataConfig=channels)
    assert jobs.log(job).splitlines() == [
        "first/a.txt = in/a.txt",
        "first/deep/b.txt = in/deep/b.txt",
        "second/c#1?.txt = other/c#1?.txt",
    ]


def test_an_input_channel_that_is_empty_fails_the_job(jobs: Jobs) -> None:
    source = {"s3DataSource": {"s3Uri": f"s3://{jobs.bucket}/nothing/"}}
    channels = [{"channelName": "none", "dataSource": source}]
    job = jobs.run("def main(): pass", inputDataConfig=channels)
    assert job["status"] == "FAILED"
    assert "input channel none" in job["failureReason"]


def test_checkpoints_reach_s3_while_the_job_runs_and_the_next_job_goes_on(jobs: Jobs) -> None:
    script = (
        "import os, time\nfrom pathlib import Path\n"
        "def main():\n"
        "    kept = Path(os.environ['AMZN_BRAKET_CHECKPOINT_DIR'], 'kept.txt')\n"
        "    print('found', kept.read_text() if kept.exists() else 'nothing', flush=True)\n"
        "    kept.write_text('first')\n"
        "    time.sleep(600)\n"
    )
    arn = jobs.start(script)
    job = jobs.when(arn, lambda job: jobs.checkpoint(job, "kept.txt") == b"first", PATIENCE)
    assert job["status"] == "RUNNING"
    assert "found nothing" in jobs.log(job)
    jobs.braket.cancel_job(jobArn=arn)
    assert jobs.over(arn)["status"] == "CANCELLED"
    again = jobs.start(script, checkpointConfig=job["checkpointConfig"])
    assert "found first" in jobs.log(jobs.running(again, "found"))
    jobs.braket.cancel_job(jobArn=again)


def test_requirements_are_installed_in_an_environment_of_the_jobs_own(jobs: Jobs) -> None:
    project = {
        "algo.py": "import only_here\ndef main():\n    print(only_here.WHERE)\n",
        "requirements.txt": "./only_here\n",
        "only_here/pyproject.toml": (
            "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
            "[project]\nname = 'only_here'\nversion = '1'\n"
        ),
        "only_here/backend.py": _BACKEND,
    }
    job = jobs.run(project)
    assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
    where = Path(jobs.log(job).splitlines()[-1])
    assert "environment" in where.parts
    assert not where.exists(), "it is gone with the job"
    with pytest.raises(ImportError):
        __import__("only_here")


# Builds a wheel of one module, so that nothing has to come from a registry.
_BACKEND = """
import os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "only_here-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("only_here.py", "WHERE = __file__")
        wheel.writestr("only_here-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: only_here\\nVersion: 1\\n")
        wheel.writestr("only_here-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("only_here-1.dist-info/RECORD", "only_here.py,,\\n")
    return name
"""  # noqa: E501 - a program


@pytest.mark.parametrize(
    ("script", "reason"),
    length.first(
        4,
        [
            ("def main(): raise ValueError('no good')", "ValueError: no good"),
            ("def main(): raise ValueError", "ValueError"),
            ("def other(): pass", "AttributeError: module 'algo' has no attribute 'main'"),
            ("import not_there_at_all", "ModuleNotFoundError"),
            ("def main(:", "SyntaxError"),
            ("def main(): raise ValueError('odd \\udcff')", "ValueError: odd \\udcff"),
            ("import os\ndef main(): os._exit(7)", "exit code: 7"),
            (
                "import os, signal\ndef main(): os.kill(os.getpid(), signal.SIGKILL)",
                "exit code: 137",
            ),
        ],
    ),
)
def test_a_failed_script_has_a_failure_reason(jobs: Jobs, script: str, reason: str) -> None:
    job = jobs.run(script)
    assert job["status"] == "FAILED"
    assert job["failureReason"].startswith("AlgorithmError: ")
    assert reason in job["failureReason"]


# test_braket_output.py and test_job_failure.py have failed jobs.
@pytest.mark.long
def test_the_results_of_a_failed_script_are_stored(jobs: Jobs) -> None:
    script = (
        "from braket.jobs import save_job_result\n"
        "def main():\n    save_job_result({'so': 'far'})\n    raise ValueError('later')\n"
    )
    job = jobs.run(script)
    assert job["status"] == "FAILED"
    assert json.loads(jobs.results(job)["results.json"])["dataDictionary"] == {"so": "far"}


def test_the_maximum_run_time_ends_a_job(jobs: Jobs) -> None:
    job = jobs.run(SLEEP, stoppingCondition={"maxRuntimeInSeconds": 2})
    assert job["status"] == "FAILED"
    assert "maximum run time of 2 s" in job["failureReason"]
    assert "MAX_RUNTIME_EXCEEDED" in [event["eventType"] for event in job["events"]]


def test_cancel_ends_all_that_a_script_started(jobs: Jobs) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "def main():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    print('processes', os.getpid(), child.pid, 'there', flush=True)\n"
        "    time.sleep(600)\n"
    )
    arn = jobs.start(script)
    line = jobs.log(jobs.running(arn, "there")).split()
    processes = [int(line[line.index("processes") + 1]), int(line[line.index("processes") + 2])]
    assert all(_lives(process) for process in processes)
    assert jobs.braket.cancel_job(jobArn=arn)["cancellationStatus"] == "CANCELLING"
    assert jobs.over(arn)["status"] == "CANCELLED"
    assert all(_gone(process) for process in processes)


def test_the_script_sees_the_roles_credentials_and_no_others(
    local_aws: LocalAws, jobs: Jobs
) -> None:
    script = (
        "import boto3, os\n"
        "def main():\n"
        "    print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "    print(dict(os.environ))\n"
        "    print('names', *sorted(os.environ))\n"
        "    container = open(f'/proc/{os.getppid()}/environ').read().split('\\0')\n"
        "    print('container', *(entry.partition('=')[0] for entry in container))\n"
        "    boto3.client('iam').list_users()\n"
    )
    job = jobs.run(script)
    log = jobs.log(job)
    assert f":assumed-role/{jobs.name}/" in log
    assert "AccessDenied" in job["failureReason"]
    printed = {line.split()[0]: set(line.split()[1:]) for line in log.splitlines() if line}
    jobs_own = {
        name for name in printed["names"] if name.startswith(("AWS_", "AMZN_BRAKET_", "SM_"))
    }
    programs_own = {"CDK_BRAKET_LOCAL_JOB", "HOME", "LANG", "LC_CTYPE", "PATH"}
    assert printed["names"] - jobs_own <= programs_own | {"TMPDIR"}
    assert printed["container"] <= programs_own
    assert local_aws.client_settings["aws_access_key_id"] not in log
    assert local_aws.client_settings["aws_secret_access_key"] not in log


def test_a_job_has_only_the_permissions_of_its_role(local_aws: LocalAws) -> None:
    blind = Jobs(local_aws, actions=["logs:*"])
    job = blind.run("def main(): pass")
    assert job["status"] == "FAILED"
    assert job["failureReason"].startswith("ClientError: ")
    assert "AccessDenied" in job["failureReason"]


def test_a_role_that_braket_may_not_assume_fails_the_job(local_aws: LocalAws) -> None:
    refusing = Jobs(local_aws, trust={**TRUST, "Principal": {"Service": "lambda.amazonaws.com"}})
    job = refusing.run("def main(): pass")
    assert job["status"] == "FAILED"
    assert "sts:AssumeRole" in job["failureReason"]


def test_a_job_whose_log_may_not_be_written_runs_all_the_same(local_aws: LocalAws) -> None:
    silent = Jobs(local_aws, actions=["s3:*"])
    assert silent.run("def main(): print('unheard')")["status"] == "COMPLETED"


@pytest.fixture
def events(local_aws: LocalAws) -> Iterator[tuple["SQSClient", str]]:
    """A queue that gets the jobs' events."""
    settings = local_aws.client_settings
    sqs = boto3.client("sqs", **settings)
    bridge = boto3.client("events", **settings)
    name = f"events-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn["QueueArn"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    pattern = {"source": ["aws.braket"], "detail-type": ["Braket Job State Change"]}
    bridge.put_rule(Name=name, EventPattern=json.dumps(pattern))
    bridge.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    yield sqs, url
    bridge.remove_targets(Rule=name, Ids=["queue"])
    bridge.delete_rule(Name=name)


def test_state_changes_are_events(jobs: Jobs, events: tuple["SQSClient", str]) -> None:
    done = jobs.run("def main(): pass")
    assert _statuses(done, events) == ["QUEUED", "RUNNING", "COMPLETED"]
    arn = jobs.start(SLEEP)
    jobs.running(arn, "begun")
    for _ in range(2):
        assert jobs.braket.cancel_job(jobArn=arn)["cancellationStatus"] == "CANCELLING"
    cancelled = jobs.over(arn)
    assert _statuses(cancelled, events) == ["QUEUED", "RUNNING", "CANCELLING", "CANCELLED"]


def _statuses(job: Json, events: tuple["SQSClient", str]) -> list[str]:
    """Return the messages of a queue about an ended job."""
    sqs, url = events
    statuses: list[str] = []
    deadline = time.monotonic() + PATIENCE
    while job["status"] not in statuses and time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            event = json.loads(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if event["detail"]["jobArn"] == job["jobArn"]:
                assert event["resources"] == [job["jobArn"]]
                statuses.append(event["detail"]["status"])
    return statuses


# test_quotas.py has the queue of a QPU, and jobs beyond a quota.
@pytest.mark.long
def test_more_jobs_than_there_is_room_for_wait_their_turn(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "aws") as aws:
        jobs = Jobs(aws)
        arns = [jobs.start(SLEEP) for _ in range(5)]
        for arn in arns[:3]:
            jobs.running(arn, "begun")
        waiting = [_described(jobs, arn) for arn in arns[3:]]
        assert [job["status"] for job in waiting] == ["QUEUED", "QUEUED"]
        assert [job["queueInfo"]["position"] for job in waiting] == ["1", "2"]
        assert jobs.braket.cancel_job(jobArn=arns[3])["cancellationStatus"] == "CANCELLED"
        jobs.braket.cancel_job(jobArn=arns[0])
        assert jobs.running(arns[4], "begun")["status"] == "RUNNING"


def _described(jobs: Jobs, arn: str) -> Json:
    return jobs.braket.get_job(jobArn=arn, additionalAttributeNames=["QueueInfo"])


@pytest.mark.parametrize("end", length.first(1, ["stop", "kill"]))
def test_with_its_local_aws_a_job_ends_and_leaves_nothing(tmp_path: Path, end: str) -> None:
    script = (
        "import os, time\n"
        "def main():\n"
        "    print('process', os.getpid(), 'folder', os.environ['TMPDIR'], flush=True)\n"
        "    time.sleep(600)\n"
    )
    aws = LocalAws.start(tmp_path / "aws")
    try:
        jobs = Jobs(aws)
        words = jobs.log(jobs.running(jobs.start(script), "folder")).split()
        process, folder = int(words[words.index("process") + 1]), Path(words[-1])
        assert _lives(process)
        assert folder.is_relative_to(tmp_path / "aws")
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        if end == "kill":
            kill(aws)
    finally:
        aws.stop()
    assert _gone(process)
    assert end == "kill" or not folder.exists()


# A process in a session of its own, whose parent has ended.
DAEMON = (
    "import os, subprocess, sys, time\n"
    "def main():\n"
    "    daemon = 'echo daemon $$; touch said; sleep 600'\n"
    "    subprocess.Popen(['setsid', '--fork', 'sh', '-c', daemon]).wait()\n"
    "    while not os.path.exists('said'):\n"
    "        time.sleep(0.05)\n"
    "    print('begun', flush=True)\n"
)


def _daemon(jobs: Jobs, job: Json) -> int:
    words = jobs.log(job).split()
    return int(words[words.index("daemon") + 1])


def test_a_daemon_of_the_scripts_ends_with_the_script(jobs: Jobs) -> None:
    job = jobs.run(DAEMON)
    assert job["status"] == "COMPLETED"
    assert _gone(_daemon(jobs, job))


def test_a_daemon_of_the_scripts_ends_when_the_job_is_cancelled(jobs: Jobs) -> None:
    arn = jobs.start(DAEMON + "    time.sleep(600)\n")
    daemon = _daemon(jobs, jobs.running(arn, "begun"))
    jobs.braket.cancel_job(jobArn=arn)
    assert jobs.over(arn)["status"] == "CANCELLED"
    assert _gone(daemon)


# What a script can do to the container, its parent, that would end its processes.
TURNS = (
    "import os, subprocess, time\n"
    "from pathlib import Path\n"
    "def main():\n"
    "    subprocess.Popen(['setsid', '--fork', 'sh', '-c', 'echo $$ > daemon; sleep 600'])\n"
    "    while not Path('daemon').exists() or not Path('daemon').read_text().endswith('\\n'):\n"
    "        time.sleep(0.02)\n"
    "    known = f'{{os.getppid()}} {{os.getpid()}} ' + Path('daemon').read_text()\n"
    "    Path('{note}.new').write_text(known)\n"
    "    Path('{note}.new').rename('{note}')\n"
    "    os.kill(os.getppid(), {signum})\n"
    "    time.sleep(600)\n"
)


def _turned(jobs: Jobs, note: Path, signum: signal.Signals) -> tuple[str, list[int]]:
    """Return the ARN of a job with that script, and its container, script and daemon."""
    arn = jobs.start(TURNS.format(note=note, signum=int(signum)))
    jobs.when(arn, lambda _: note.exists(), PATIENCE)
    processes = [int(word) for word in note.read_text().split()]
    deadline = time.monotonic() + PATIENCE
    while signum is signal.SIGSTOP and _state(processes[0]) != "T":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return arn, processes


def test_a_job_that_kills_its_container_leaves_nothing(jobs: Jobs, tmp_path: Path) -> None:
    arn, processes = _turned(jobs, tmp_path / "note", signal.SIGKILL)
    assert jobs.over(arn)["status"] == "FAILED"
    assert all(_gone(process) for process in processes)


def test_a_job_that_halts_its_container_is_cancelled_all_the_same(
    jobs: Jobs, tmp_path: Path
) -> None:
    arn, processes = _turned(jobs, tmp_path / "note", signal.SIGSTOP)
    jobs.braket.cancel_job(jobArn=arn)
    assert jobs.over(arn)["status"] == "CANCELLED"
    assert all(_gone(process) for process in processes)


def test_a_halted_container_goes_on_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not left to the kill that comes at last."""
    monkeypatch.setattr(runner, "STOP_SECONDS", 100_000.0)
    command = [sys.executable, "-c", "import sys; print(sys.stdin.readline(), flush=True)"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        try:
            process.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + PATIENCE
            while _state(process.pid) != "T":
                assert time.monotonic() < deadline, "it does not halt"
                time.sleep(0.05)
            request = {"jobName": "a"}
            run = runner._Run(Job.created(Caller("1" * 12, "us-east-1", "key"), request))
            run.process = process
            ours = runner.Runner.__new__(runner.Runner)
            monkeypatch.setattr(ours, "_lock", threading.RLock(), raising=False)
            ours._stop(run, Status.CANCELLED, None)
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
            assert readable, "it is halted still"
            assert process.stdout.readline() == "stop\n"
        finally:
            process.kill()


@pytest.mark.parametrize("signum", length.first(1, [signal.SIGKILL, signal.SIGSTOP]))
@pytest.mark.parametrize("end", length.first(1, ["kill", "stop"]))
def test_such_a_job_leaves_nothing_when_the_local_aws_ends(
    tmp_path: Path, signum: signal.Signals, end: str
) -> None:
    aws = LocalAws.start(tmp_path / "aws")
    try:
        _, processes = _turned(Jobs(aws), tmp_path / "note", signum)
        if end == "kill":
            kill(aws)
        if end == "kill" and signum is signal.SIGSTOP:
            # Without anybody's help.
            assert all(_gone(process) for process in processes)
    finally:
        aws.stop()
    assert all(_gone(process) for process in processes)


# Below, another job ends with a killed local AWS.
@pytest.mark.long
def test_a_daemon_of_the_scripts_ends_with_a_killed_local_aws(tmp_path: Path) -> None:
    aws = LocalAws.start(tmp_path / "aws")
    try:
        jobs = Jobs(aws)
        daemon = _daemon(jobs, jobs.running(jobs.start(f"{DAEMON}    time.sleep(600)\n"), "begun"))
        kill(aws)
        assert _gone(daemon)
    finally:
        aws.stop()
