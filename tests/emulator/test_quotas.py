"""Hybrid jobs beyond the quotas of an account are refused, and those of a QPU wait in its queue."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket_local import cli, settings
from cdk_braket_local.braket.job import Job
from cdk_braket_local.braket.job_quotas import JobQuotas
from cdk_braket_local.braket.platform import Caller, Platform
from cdk_braket_local.braket.protocol import BraketError
from cdk_braket_local.braket.runner import Runner
from cdk_braket_local.control.instance import LocalAws
from cdk_braket_local.quotas import NEW_ACCOUNT, QuotaError, Quotas
from tests.emulator.jobs import Jobs, Json

HERE = Caller("1" * 12, "us-east-1", "key")
THERE = Caller("1" * 12, "us-west-2", "key")
QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
OTHER_QPU = "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3"


def test_the_quotas_of_a_new_account_are_the_published_ones() -> None:
    quotas = Quotas.read(NEW_ACCOUNT)
    assert quotas is not None
    assert (quotas.jobs, quotas.rate, quotas.burst) == (3, 1, 5)
    assert quotas.instances["ml.m5.large"] == 5
    assert quotas.instances["ml.c5.9xlarge"] == 1
    assert "ml.p3.2xlarge" not in quotas.instances
    known = model_rules.enum_values(model_rules.shape_of("InstanceConfig", "instanceType"))
    assert set(quotas.instances) <= set(known)


def test_a_setting_changes_single_quotas() -> None:
    quotas = Quotas.read("jobs=10, rate=2,burst=0,ml.p3.2xlarge=1")
    assert quotas is not None
    assert (quotas.jobs, quotas.rate, quotas.burst) == (10, 2, 0)
    assert (quotas.instances["ml.p3.2xlarge"], quotas.instances["ml.m5.large"]) == (1, 5)
    assert Quotas.read("") is None
    assert Quotas.read("0") is None


@pytest.mark.parametrize(
    "text", ["jobs", "jobs=", "jobs=-1", "jobs=many", "rate=0", "other=1", ","]
)
def test_a_setting_that_names_no_quota_is_refused(text: str) -> None:
    with pytest.raises(QuotaError, match="expected "):
        Quotas.read(text)
    with pytest.raises(settings.SettingError, match=f"^{settings.QUOTAS}: expected .*unset it"):
        settings.Settings.read({settings.QUOTAS: text})


@pytest.mark.parametrize("command", [["up"], ["run", "true"], ["run-job", "a", "--entry-point=a"]])
def test_the_option_sets_the_variable(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.QUOTAS, "")
    options = cli.parser().parse_args([command[0], "--quotas", "jobs=7", *command[1:]])
    cli._apply_settings(options)
    assert settings.Settings.read(os.environ).quotas == Quotas(jobs=7)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_calls_beyond_rate_and_burst_are_throttled_by_account_and_region() -> None:
    clock = Clock()
    quotas = JobQuotas(Quotas(rate=2, burst=3), clock)

    def allowed(caller: Caller) -> int:
        answers: list[str] = []
        for _ in range(50):
            try:
                quotas.count_call(caller)
            except BraketError as error:
                answers.append(error.code)
        assert set(answers) == {"ThrottlingException"}
        return 50 - len(answers)

    assert allowed(HERE) == 5
    assert allowed(THERE) == 5
    clock.seconds = 1.0
    assert allowed(HERE) == 2
    clock.seconds = 100.0
    assert allowed(HERE) == 5


def _request(kind: str = "ml.m5.large", device: str = "local:braket/default") -> Json:
    return {
        "jobName": "a",
        "deviceConfig": {"device": device},
        "instanceConfig": {"instanceType": kind, "instanceCount": 1},
    }


def test_instances_are_counted_by_type_account_and_region() -> None:
    quotas = JobQuotas(Quotas(jobs=100).changed("ml.m5.large", 1))
    jobs = [Job.created(HERE, _request())]
    quotas.check(THERE, _request(), jobs)
    quotas.check(HERE, _request("ml.m5.xlarge"), jobs)
    for kind in ("ml.m5.large", "ml.p3.2xlarge"):
        with pytest.raises(BraketError, match=f"type {kind}") as refusal:
            quotas.check(HERE, _request(kind), jobs)
        assert refusal.value.code == "ServiceQuotaExceededException"
    jobs[0].ended(jobs[0].status.COMPLETED)
    quotas.check(HERE, _request(), jobs)


def test_without_the_setting_nothing_is_counted() -> None:
    quotas = JobQuotas(None)
    for _ in range(50):
        quotas.count_call(HERE)
    quotas.check(HERE, _request("ml.p3.2xlarge"), [Job.created(HERE, _request())] * 50)


class Waiting(Runner):
    """A runner whose jobs run until the test ends them."""

    def __init__(self) -> None:
        super().__init__(cast("Platform", None), Path(), 3, threading.RLock(), lambda _: None)
        self.began: list[str] = []

    def _run(self, run: Json) -> None:
        with self._lock:
            self.began.append(run.job.arn)

    def end(self, job: Job) -> None:
        del self._runs[job.arn]
        self._fill()
        for thread in self._threads:
            thread.join()


def test_a_qpu_serves_one_job_at_a_time_and_has_its_own_queue() -> None:
    runner = Waiting()
    devices = [QPU, QPU, QPU, OTHER_QPU, "local:braket/default", OTHER_QPU]
    jobs = [Job.created(HERE, _request(device=device)) for device in devices]
    for job in jobs:
        runner.submit(job)
    assert [runner.position(job) for job in jobs] == [None, 1, 2, None, None, 1]
    runner.end(jobs[0])
    assert [runner.position(job) for job in jobs] == [None, None, 1, None, None, 1]
    runner.end(jobs[4])
    assert runner.position(jobs[5]) == 1, "its QPU is busy, although there is room"
    assert set(runner.began) == {jobs[index].arn for index in (0, 1, 3, 4)}


@pytest.fixture(scope="module")
def limited_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.QUOTAS, "jobs=1,burst=1000")
        aws = LocalAws.start(tmp_path_factory.mktemp("limited-aws"))
    with aws:
        yield aws


def test_the_service_refuses_a_job_beyond_the_quota_until_another_ends(
    limited_aws: LocalAws,
) -> None:
    jobs = Jobs(limited_aws)
    first = jobs.request("import time\ndef main(): time.sleep(600)")
    arn = jobs.braket.create_job(**first)["jobArn"]
    assert jobs.braket.create_job(**first)["jobArn"] == arn, "the same token is the same job"
    with pytest.raises(ClientError, match="quota of 1 concurrent hybrid jobs") as refusal:
        jobs.start("def main(): pass")
    assert refusal.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402
    jobs.braket.cancel_job(jobArn=arn)
    jobs.over(arn)
    assert jobs.run("def main(): pass")["status"] == "COMPLETED"
