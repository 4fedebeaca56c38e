"""State machines and schedules that run jobs, deployed: to the end, to a failure, to a stop."""

import contextlib
import functools
import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments, outcomes
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import JobSummaryTypeDef


@pytest.fixture(scope="module")
def app(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> CdkApp:
    return CdkApp(
        ROOT / "tests/deploy/apps/running",
        tmp_path_factory.mktemp("running"),
        environments.of_command(bootstrapped_aws),
    )


@pytest.fixture(scope="module")
def outputs(app: CdkApp) -> Iterator[Mapping[str, str]]:
    (outputs,) = app.deploy().values()
    yield outputs
    app.delete_stacks()


class _Machine:
    """A deployed state machine."""

    def __init__(self, aws: LocalAws, arn: str) -> None:
        self._aws = aws
        self._states: Any = boto3.client("stepfunctions", **aws.client_settings)
        self._arn = arn

    def start(self, **given: object) -> str:
        """Start an execution."""
        answer = self._states.start_execution(stateMachineArn=self._arn, input=json.dumps(given))
        execution: str = answer["executionArn"]
        return execution

    def run(self, **given: object) -> Mapping[str, Any]:
        """Have an execution run to its end."""
        return self.ended(self.start(**given))

    def ended(self, execution: str, seconds: float = PATIENCE) -> Mapping[str, Any]:
        """Return the execution after its end."""
        deadline = time.monotonic() + seconds
        while (found := self._states.describe_execution(executionArn=execution))[
            "status"
        ] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.3)
        description: Mapping[str, Any] = found
        return description

    def stop(self, execution: str) -> None:
        """Stop an execution."""
        self._states.stop_execution(executionArn=execution)


@pytest.fixture(scope="module")
def event_driven(bootstrapped_aws: LocalAws, outputs: Mapping[str, str]) -> _Machine:
    """Checks its job every five minutes, so that only events end the wait in time."""
    return _Machine(bootstrapped_aws, outputs["ToldArn"])


@pytest.fixture(scope="module")
def looking(bootstrapped_aws: LocalAws, outputs: Mapping[str, str]) -> _Machine:
    """Checks its job every three seconds."""
    return _Machine(bootstrapped_aws, outputs["LookingArn"])


@pytest.fixture(scope="module")
def impatient(bootstrapped_aws: LocalAws, outputs: Mapping[str, str]) -> _Machine:
    """Checks its job every three seconds, and times out after six."""
    return _Machine(bootstrapped_aws, outputs["ImpatientArn"])


def _jobs(aws: LocalAws) -> list["JobSummaryTypeDef"]:
    pages = boto3.client("braket", **aws.client_settings).get_paginator("search_jobs")
    return [job for page in pages.paginate(filters=[]) for job in page["jobs"]]


def _new_job(aws: LocalAws, before: set[str]) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        new = {job["jobArn"] for job in _jobs(aws)} - before
        if new:
            [arn] = new
            return arn
        time.sleep(0.2)
    raise AssertionError("no job was started")


def test_a_run_ends_with_its_results(bootstrapped_aws: LocalAws, event_driven: _Machine) -> None:
    ended = event_driven.run(does="finish", seed=11)
    assert ended["status"] == "SUCCEEDED"
    run = json.loads(ended["output"])
    assert run["JobStatus"] == "COMPLETED"
    saved = outcomes.results(bootstrapped_aws, run["ResultsS3Uri"])
    assert saved == {"seed": 11, "noted": True}
    job = outcomes.finished(bootstrapped_aws, run["JobArn"])
    assert job["tags"]["purpose"] == "tests"


# The schedule of the brief run starts a job beside those of executions.
@pytest.mark.long
def test_each_execution_starts_a_separate_job(event_driven: _Machine) -> None:
    runs = [json.loads(event_driven.run(does="finish", seed=1)["output"]) for _ in range(2)]
    assert runs[0]["JobArn"] != runs[1]["JobArn"]


def test_a_job_that_fails_fails_its_execution_with_its_reason(event_driven: _Machine) -> None:
    ended = event_driven.run(does="fail", seed=1)
    assert (ended["status"], ended["error"]) == ("FAILED", "HybridJob.Failed")
    assert "no minimum was found" in ended["cause"]


def test_a_job_that_braket_refuses_fails_its_execution_with_the_rule(
    event_driven: _Machine,
) -> None:
    ended = event_driven.run(does="x" * 3000, seed=1)
    # Its error would be `HybridJobError`: MiniStack calls whatever a function raises the same.
    assert ended["status"] == "FAILED"
    assert "hyperParameters.does: expected" in ended["cause"]
    assert "2500" in ended["cause"]


def test_a_stopped_execution_cancels_its_job(
    bootstrapped_aws: LocalAws, event_driven: _Machine
) -> None:
    before = {job["jobArn"] for job in _jobs(bootstrapped_aws)}
    execution = event_driven.start(does="wait", seed=1)
    arn = _new_job(bootstrapped_aws, before)
    event_driven.stop(execution)
    assert event_driven.ended(execution)["status"] == "ABORTED"
    assert outcomes.finished(bootstrapped_aws, arn)["status"] == "CANCELLED"


def test_a_job_that_is_not_over_in_time_is_cancelled(
    bootstrapped_aws: LocalAws, impatient: _Machine
) -> None:
    before = {job["jobArn"] for job in _jobs(bootstrapped_aws)}
    ended = impatient.run(does="wait", seed=1)
    assert (ended["status"], ended["error"]) == ("FAILED", "HybridJob.Timeout")
    arn = _new_job(bootstrapped_aws, before)
    assert outcomes.finished(bootstrapped_aws, arn)["status"] == "CANCELLED"


def test_a_schedule_runs_the_job_once(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    assert outputs
    deadline = time.monotonic() + PATIENCE
    while not (scheduled := _scheduled(bootstrapped_aws)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    [arn] = scheduled
    job = outcomes.finished(bootstrapped_aws, arn)
    assert job["status"] == "COMPLETED"


def _scheduled(aws: LocalAws) -> list[str]:
    """This stack's jobs with no seed: an execution gives one."""
    braket = boto3.client("braket", **aws.client_settings)
    jobs = [job for job in _jobs(aws) if job["jobName"].startswith("Running-Vqe-")]
    arns = [job["jobArn"] for job in jobs]
    return [
        arn for arn in arns if "seed" not in braket.get_job(jobArn=arn).get("hyperParameters", {})
    ]


# Below, a poll replaces an answer that does not come.
@pytest.mark.long
def test_without_the_permission_to_answer_an_execution_waits_until_it_is_there(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str], looking: _Machine
) -> None:
    before = {job["jobArn"] for job in _jobs(bootstrapped_aws)}
    with _without(bootstrapped_aws, outputs["HandlerRole"], "states:"):
        execution = looking.start(does="finish", seed=2)
        arn = _new_job(bootstrapped_aws, before)
        assert outcomes.finished(bootstrapped_aws, arn)["status"] == "COMPLETED"
        with pytest.raises(AssertionError):
            looking.ended(execution, seconds=5)
    assert looking.ended(execution)["status"] == "SUCCEEDED"


@contextlib.contextmanager
def _without(aws: LocalAws, role: str, prefix: str) -> Iterator[None]:
    """Remove a role's statements about one service for a while."""
    iam = boto3.client("iam", **aws.client_settings)
    [attached] = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    arn = attached["PolicyArn"]
    whole = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=whole)["PolicyVersion"]
    document: Any = version["Document"]
    kept = [each for each in document["Statement"] if not each["Action"][0].startswith(prefix)]
    assert len(kept) == len(document["Statement"]) - 1
    reduced = {**document, "Statement": kept}
    new_version = functools.partial(iam.create_policy_version, PolicyArn=arn, SetAsDefault=True)
    new_version(PolicyDocument=json.dumps(reduced))
    try:
        yield
    finally:
        new_version(PolicyDocument=json.dumps(document))


# The last one: it takes the event away.
def test_a_poll_replaces_a_lost_event(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str], looking: _Machine
) -> None:
    assert outputs
    events = boto3.client("events", **bootstrapped_aws.client_settings)
    [rule] = [
        rule["Name"]
        for rule in events.list_rules()["Rules"]
        if "aws.braket" in rule.get("EventPattern", "")
    ]
    events.disable_rule(Name=rule)
    try:
        ended = looking.run(does="finish", seed=3)
    finally:
        events.enable_rule(Name=rule)
    assert ended["status"] == "SUCCEEDED"
