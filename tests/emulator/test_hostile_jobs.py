"""Any job ends with a specific reason, and the server shows no stack trace."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cdk_braket_local.braket import container
from cdk_braket_local.braket.environments import Environment
from cdk_braket_local.control.instance import LOG_FILE, LocalAws
from tests.emulator.jobs import Jobs, Json

FINE = "def main(): pass"
# It writes to the pipe that its container, its parent, speaks to the server on.
GARBAGE = (
    "import os\n"
    "def main():\n"
    "    said = (b'\\xff\\x00', b'[]', b'1', b'{', b'[' * 100_000, b'{\"event\": []}',\n"
    "            b'{\"event\": \"NONE\"}', b'{\"outcome\": {}}', b'{\"log\": 1}', b'no end')\n"
    "    with open(f'/proc/{os.getppid()}/fd/1', 'wb') as pipe:\n"
    "        pipe.write(b'\\n'.join(said))\n"
    "    raise ValueError('after the garbage')\n"
)
FOLDERS = "import os, shutil\nresults = os.environ['AMZN_BRAKET_JOB_RESULTS_DIR']\n"
FAILURE = f"{FOLDERS}failure = os.path.join(os.path.dirname(results), 'output', 'failure')\n"
CHECKPOINTS = "import os\nfolder = os.fsencode(os.environ['AMZN_BRAKET_CHECKPOINT_DIR'])\n"


@dataclass(frozen=True)
class Hostile:
    """A malicious job.

    Attributes:
        reason: The beginning of its failure reason; `{bucket}` is its bucket.
        script: Its script, or its whole archive.
        objects: Keys in the bucket, below `in/`, when it begins.
        channel: The name of its input channel, if it has one.
        changes: Other changes of the usual request.
    """

    reason: str
    script: str | bytes = FINE
    objects: tuple[str, ...] = ()
    channel: str | None = None
    changes: Mapping[str, Json] = field(default_factory=dict)


HOSTILE = {
    "an entry point longer than a process takes": Hostile(
        "ClientError: [Errno 7]", changes={"entry_point": "a" * 200_000}
    ),
    "an entry point of nothing": Hostile("AlgorithmError: ", changes={"entry_point": ":"}),
    "a channel that is the folder of all": Hostile(
        "ClientError: [Errno 17]", objects=("a",), channel=".."
    ),
    "a key that leads out of the folder": Hostile(
        "ClientError: s3://{bucket}/in/../../a would lie outside",
        objects=("../../a",),
        channel="a",
    ),
    "a key that is no file's name": Hostile(
        "ClientError: the key 'in/a\\x00b' in {bucket}", objects=("a\x00b",), channel="a"
    ),
    "a key longer than a file's name": Hostile(
        "ClientError: [Errno 36]", objects=("a" * 300,), channel="a"
    ),
    "a key that is a file and a folder": Hostile(
        "ClientError: [Errno ", objects=("a", "a/b"), channel="a"
    ),
    "results that go where nothing is": Hostile(
        "ClientError: ",
        f"{FOLDERS}def main(): open(results + '/a', 'w')",
        changes={"outputDataConfig": {"s3Path": "s3://amazon-braket-there-is-none/a"}},
    ),
    "an archive that is none": Hostile("AlgorithmError: source.tar.gz", b"\x1f\x8b\xff" * 9),
    "a checkpoint whose name is no text": Hostile(
        "ClientError: '", f"{CHECKPOINTS}def main(): open(folder + b'/a\\xff', 'w')"
    ),
    "results that are a pipe": Hostile(
        "ClientError: [Errno 20]", f"{FOLDERS}def main(): os.rmdir(results); os.mkfifo(results)"
    ),
    "a reason that is a pipe": Hostile(
        "AlgorithmError: , exit code: 3", f"{FAILURE}def main(): os.mkfifo(failure); os._exit(3)"
    ),
    "a reason that is a link": Hostile(
        "AlgorithmError: , exit code: 3",
        f"{FAILURE}def main(): os.symlink('/etc/passwd', failure); os._exit(3)",
    ),
    "a reason without end": Hostile(
        "AlgorithmError: " + "\0" * 1000,
        f"{FAILURE}def main(): open(failure, 'w').truncate(2**33); os._exit(3)",
    ),
    "garbage on the container's output": Hostile(
        "AlgorithmError: ValueError: after the garbage, exit code: 1", GARBAGE
    ),
    "a container that is killed": Hostile(
        "InternalServiceException: the job's container was lost",
        "import os, time\ndef main(): os.kill(os.getppid(), 9); time.sleep(600)",
    ),
}


@pytest.fixture(scope="module")
def started(local_aws: LocalAws) -> Iterator[Mapping[str, tuple[Jobs, str]]]:
    """All of them, side by side, with their ARNs."""
    log = local_aws.state_directory / LOG_FILE
    before = len(log.read_bytes())
    jobs = {name: Jobs(local_aws) for name in HOSTILE}
    yield {name: (jobs[name], _started(jobs[name], hostile)) for name, hostile in HOSTILE.items()}
    assert "Traceback" not in log.read_bytes()[before:].decode(errors="replace")


def _started(jobs: Jobs, hostile: Hostile) -> str:
    changes = {**hostile.changes, "stoppingCondition": {"maxRuntimeInSeconds": 3600}}
    for key in hostile.objects:
        jobs.s3.put_object(Bucket=jobs.bucket, Key=f"in/{key}", Body=b"x")
    if hostile.channel:
        source = {"s3DataSource": {"s3Uri": f"s3://{jobs.bucket}/in/"}}
        changes["inputDataConfig"] = [{"channelName": hostile.channel, "dataSource": source}]
    if isinstance(hostile.script, str):
        return jobs.start(hostile.script, **changes)
    request = jobs.request_for_archive(hostile.script, **changes)
    return jobs.braket.create_job(**request)["jobArn"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_job_fails_with_a_reason_of_ours(
    started: Mapping[str, tuple[Jobs, str]], name: str
) -> None:
    jobs, arn = started[name]
    job = jobs.over(arn)
    assert job["status"] == "FAILED"
    reason = HOSTILE[name].reason.replace("{bucket}", jobs.bucket)
    assert job["failureReason"].startswith(reason), job["failureReason"]


def test_a_failed_creation_of_an_environment_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.txt").touch()

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, [sys.executable])

    monkeypatch.setattr("venv.create", fail)
    made = container._Container.__new__(container._Container)
    made._plan = SimpleNamespace(code=tmp_path, workspace=tmp_path)  # type: ignore[assignment]
    made._environment = Environment(tmp_path, "")
    with pytest.raises(container._SetUpError, match="no environment for its requirements"):
        made._python_with_requirements()


def test_an_unexpected_error_is_reported_by_its_type_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("canary-2a90")

    monkeypatch.setattr(container, "_Container", fail)
    outcome = container._outcome(SimpleNamespace())  # type: ignore[arg-type]
    assert outcome == {"failure": "InternalServiceException: the job could not be run: KeyError"}
