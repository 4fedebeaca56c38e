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


def test_an_execution_whose_answer_is_lost_is_stopped_by_the_rollback(world: World) -> None:
    def lose(name: str, _number: int) -> None:
        if name == "start_execution":
            raise ServiceError("StartExecution", "Lost", "", Kind.PERMANENT)

    world.after = lose
    stack = _SweepStack(world)
    answer = stack.send(stack.event("Create", _properties()))
    assert answer["Status"] == "FAILED"
    [execution] = world.executions
    assert answer["PhysicalResourceId"] == execution
    assert stack.delete(execution, _properties())["Status"] == "SUCCESS"
    assert world.executions[execution] == "ABORTED"


def test_a_delete_of_a_sweep_that_never_started_does_nothing(world: World) -> None:
    assert (
        _SweepStack(world).delete("no-execution-was-started", _properties())["Status"] == "SUCCESS"
    )
    assert json.dumps(world.executions) == "{}"
