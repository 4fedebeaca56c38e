"""A rule receives the state of its job, although the job ended before the rule existed."""

from collections.abc import Mapping

import pytest

from cdk_braket._lambda.braket_jobs.contract import (
    CATCH_UP_SOURCE,
    CATCH_UP_TYPE,
    JOB_STATE_CHANGE,
    CatchUpProperty,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.missed_events import SETTLES_SECONDS
from tests.unit.handler.worlds import LOGICAL, Context, FakeJob, Stack, World

JOB = "arn:aws:braket:us-east-1:123456789012:job/1"
OTHER = "arn:aws:braket:us-east-1:123456789012:job/2"
SOURCE = f"{CATCH_UP_SOURCE}c8rule"


@pytest.fixture
def world() -> World:
    world = World()
    for arn in (JOB, OTHER):
        world.jobs[arn] = FakeJob(arn, "token", _request(), world.time, "RUNNING")
    return world


def _request() -> Mapping[str, object]:
    return {
        "jobName": "vqe",
        "outputDataConfig": {"s3Path": "s3://amazon-braket-results/jobs"},
        "checkpointConfig": {"s3Uri": "s3://amazon-braket-results/checkpoints"},
    }


def _properties(job: str = JOB, source: str = SOURCE) -> dict[str, object]:
    return {
        CatchUpProperty.JOB_ARN: job,
        CatchUpProperty.EVENT_SOURCE: source,
        CatchUpProperty.STATUSES: "FAILED",
    }


def _event(world: World, kind: str, props: Mapping[str, object]) -> dict[str, object]:
    event = Stack(world).event(kind, props, None if kind == "Create" else LOGICAL)
    return event | {"ResourceType": CATCH_UP_TYPE}


def _sent(world: World, kind: str, props: Mapping[str, object]) -> dict[str, object]:
    index.respond_to(_event(world, kind, props), Context(world), world)
    [answer] = world.answers
    return answer


def _replayed(world: World) -> list[str]:
    return [detail["status"] for _, _, _, detail, _ in world.events]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_rule_receives_the_end_of_an_earlier_job(world: World, kind: str) -> None:
    world.finish(JOB, "FAILED")
    answer = _sent(world, kind, _properties())
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", LOGICAL)
    _, source, detail_type, detail, resource = world.events[0]
    assert (source, detail_type) == (SOURCE, JOB_STATE_CHANGE)
    assert (detail, resource) == ({"jobArn": JOB, "status": "FAILED"}, JOB)


def test_the_event_is_replayed_again_when_the_rule_matches(world: World) -> None:
    world.finish(JOB, "FAILED")
    _sent(world, "Create", _properties())
    first, second = (at for at, *_ in world.events)
    assert second - first >= SETTLES_SECONDS
    assert _replayed(world) == ["FAILED", "FAILED"]


def test_the_end_of_a_job_is_replayed_before_the_rule_matches(world: World) -> None:
    world.jobs[JOB].ends_at = world.time + SETTLES_SECONDS / 2
    _sent(world, "Create", _properties())
    assert _replayed(world) == ["RUNNING", "COMPLETED"]


def test_a_job_that_runs_on_is_left_to_the_service(world: World) -> None:
    _sent(world, "Create", _properties())
    assert _replayed(world) == ["RUNNING"]


def test_the_deployment_does_not_wait_for_the_second_look(world: World) -> None:
    began = world.time
    _sent(world, "Create", _properties())
    assert world.calls.index("put_answer") == world.calls.index("put_event") + 1
    assert world.time - began >= SETTLES_SECONDS


def test_only_its_own_job_counts(world: World) -> None:
    world.finish(OTHER, "FAILED")
    _sent(world, "Create", _properties())
    assert _replayed(world) == ["RUNNING"]


def test_a_deleted_rule_receives_nothing(world: World) -> None:
    world.finish(JOB, "FAILED")
    assert _sent(world, "Delete", _properties())["Status"] == "SUCCESS"
    assert (world.events, world.calls) == ([], ["put_answer"])


def test_nothing_is_replayed_for_an_unknown_job(world: World) -> None:
    del world.jobs[JOB]
    assert _sent(world, "Create", _properties())["Status"] == "SUCCESS"
    assert world.events == []


def test_a_call_with_a_transient_error_is_retried(world: World) -> None:
    faults = [ServiceError("PutEvents", "ThrottlingException", "", Kind.TRANSIENT)] * 3

    def fail(name: str, _number: int) -> None:
        if name == "put_event" and faults:
            raise faults.pop()

    world.before = fail
    assert _sent(world, "Create", _properties())["Status"] == "SUCCESS"
    assert _replayed(world) == ["RUNNING"]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("put_event", "needs events:PutEvents: an environment of another app has allow_events()"),
        ("get_job", "could not be looked up"),
    ],
)
def test_a_denied_call_fails_the_deployment_with_a_reason(
    world: World, call: str, reason: str
) -> None:
    def deny(name: str, _number: int) -> None:
        if name == call:
            raise ServiceError("Call", "AccessDeniedException", "not allowed", Kind.PERMANENT)

    world.before = deny
    answer = _sent(world, "Create", _properties())
    assert answer["Status"] == "FAILED"
    assert reason in str(answer["Reason"])
    assert world.calls[-1] == "put_answer"


def test_a_second_look_that_fails_changes_no_answer(world: World) -> None:
    def deny_later(name: str, _number: int) -> None:
        if name == "get_job" and world.answers:
            raise ServiceError("GetJob", "AccessDeniedException", "", Kind.PERMANENT)

    world.before = deny_later
    assert _sent(world, "Create", _properties())["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    "props",
    [
        {},
        {CatchUpProperty.JOB_ARN: JOB},
        _properties(job=""),
        _properties(source="aws.braket"),
        {CatchUpProperty.JOB_ARN: [JOB], CatchUpProperty.EVENT_SOURCE: SOURCE},
    ],
)
def test_properties_that_are_not_the_constructs_are_refused(
    world: World, props: Mapping[str, object]
) -> None:
    assert _sent(world, "Create", props)["Status"] == "FAILED"
    assert world.events == []
