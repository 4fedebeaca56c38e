"""The resource of a sweep that its deployment starts: one execution for each definition."""

import json
from collections.abc import Mapping

import pytest

from cdk_braket._lambda.braket_jobs.contract import SWEEP_TYPE
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.test_sweep_points import MACHINE, _run
from tests.unit.handler.worlds import CANCELLED, RECORDS, Stack, World


class _SweepStack(Stack):
    """A stack whose resource is a sweep."""

    def event(
        self,
        kind: str,
        props: Mapping[str, object],
        physical_id: str | None = None,
        old: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        return super().event(kind, props, physical_id, old) | {"ResourceType": SWEEP_TYPE}


def _properties(points: str = "s3://assets/points.json") -> dict[str, object]:
    return {
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:handler",
        "StateMachineArn": MACHINE,
        "Points": points,
        "Records": RECORDS,
        "Request": {"JobName": "vqe"},
    }


@pytest.fixture
def world() -> World:
    return World()


def test_a_create_starts_one_execution_also_if_it_is_repeated(world: World) -> None:
    stack = _SweepStack(world)
    event = stack.event("Create", _properties())
    answers = [stack.send(event) for _ in range(2)]
    [execution] = world.executions
    assert [answer["PhysicalResourceId"] for answer in answers] == [execution] * 2
    assert answers[0]["Data"] == {"ExecutionArn": execution}
    assert execution.startswith(MACHINE.replace("stateMachine", "execution"))


def test_other_points_are_another_execution_and_a_rollback_finds_the_first(world: World) -> None:
    stack = _SweepStack(world)
    stack.create(_properties())
    first = stack.physical_id
    stack.replace_with(_properties("s3://assets/others.json"))
    assert stack.physical_id != first
    assert world.executions[first] == "ABORTED"
    # The first one was stopped, so another execution of the same definition follows.
    stack.replace_with(_properties())
    assert stack.physical_id.endswith("-2")
    assert sorted(world.executions.values()) == ["ABORTED", "ABORTED", "RUNNING"]


def test_an_unchanged_sweep_stays_as_it_is(world: World) -> None:
    stack = _SweepStack(world)
    stack.create(_properties())
    first = stack.physical_id
    world.executions[first] = "SUCCEEDED"
    stack.update(_properties())
    assert stack.physical_id == first
    assert len(world.executions) == 1


def test_a_delete_stops_the_sweep_and_cancels_its_jobs(world: World) -> None:
    stack = _SweepStack(world)
    stack.create(_properties())
    _run(world, execution=stack.physical_id, began=world.time)
    world.time += 10
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.executions[stack.physical_id] == "ABORTED"
    assert world.only_job().status == CANCELLED
    assert stack.delete()["Status"] == "SUCCESS"


def test_a_create_that_is_repeated_after_its_delete_starts_nothing(world: World) -> None:
    stack = _SweepStack(world)
    event = stack.event("Create", _properties())
    execution = str(stack.send(event)["PhysicalResourceId"])
    world.time += 10
    assert stack.delete(execution, _properties())["Status"] == "SUCCESS"
    world.time += 60
    assert stack.send(event)["Status"] == "FAILED"
    assert world.executions == {execution: "ABORTED"}


def test_a_start_without_a_response_is_stopped_by_the_delete_that_follows(world: World) -> None:
    def lost(name: str, _number: int) -> None:
        if name == "start_execution":
            raise ServiceError("StartExecution", "ReadTimeoutError", "", Kind.TRANSIENT)

    stack = _SweepStack(world)
    world.after = lost
    answer = stack.create(_properties())
    assert answer["Status"] == "FAILED"
    world.after = lambda _name, _number: None
    assert world.executions != {}
    assert stack.delete(str(answer["PhysicalResourceId"]), _properties())["Status"] == "SUCCESS"
    assert set(world.executions.values()) == {"ABORTED"}


def test_a_delete_of_a_sweep_that_never_started_does_nothing(world: World) -> None:
    assert (
        _SweepStack(world).delete("no-execution-was-started", _properties())["Status"] == "SUCCESS"
    )
    assert json.dumps(world.executions) == "{}"
