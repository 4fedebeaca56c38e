"""Calls of `cdk-braket` in this process."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cdk_braket_cli.main import main
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs, Json

HANGS = "import time\ndef main(): print('begun', flush=True); time.sleep(600)"


@dataclass(frozen=True)
class Done:
    """A call that has ended: its exit code and output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """The JSON on the standard output."""
        return json.loads(self.out)

    def lines(self) -> list[Json]:
        """The JSON of each line of the standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Calls the command line without a terminal."""

    def call(*arguments: str) -> Done:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def on_local_aws(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The local AWS, with the variables of `cdk-braket-local env` in this process."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    return local_aws


@pytest.fixture
def running_job(local_aws: LocalAws) -> Iterator[str]:
    """The name of a job that runs until it is cancelled."""
    jobs = Jobs(local_aws)
    job = jobs.running(jobs.start(HANGS), "begun")
    yield job["jobName"]
    if jobs.braket.get_job(jobArn=job["jobArn"])["status"] == "RUNNING":
        jobs.braket.cancel_job(jobArn=job["jobArn"])
    jobs.over(job["jobArn"])
