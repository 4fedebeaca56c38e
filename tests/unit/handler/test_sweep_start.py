"""The resource of a sweep that its deployment starts: one execution for each definition."""

import json
from collections.abc import Mapping

import pytest

from cdk_braket._lambda.braket_jobs.contract import SWEEP_TYPE
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.simulator.cloudformation import MADE_UP, Answer, CloudFormation, FaultsOf, Mailbox
from tests.simulator.lambda_service import Failing, Faults, KillAt
from tests.unit.handler.test_sweep_points import DEFINITION, MACHINE, _run
from tests.unit.handler.worlds import CANCELLED, RECORDS, Killed, Stack, World

DOWN = ServiceError("Any", "InternalError", "", Kind.TRANSIENT)


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
        "Request": DEFINITION["Request"],
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
    assert stack.physical_id not in {first, ""}
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


def test_a_start_without_a_response_is_found(world: World) -> None:
    def lost(name: str, _number: int) -> None:
        if name == "start_execution":
            raise ServiceError("StartExecution", "ReadTimeoutError", "", Kind.TRANSIENT)

    stack = _SweepStack(world)
    world.after = lost
    answer = stack.create(_properties())
    assert {answer["PhysicalResourceId"]: "RUNNING"} == world.executions


# --- Killed functions, lost responses and outages, as for jobs. ---

POINTS_B = "s3://assets/b.json"


def _deployed() -> CloudFormation:
    cfn = _sweeps()
    assert _ok(cfn.create(_properties()))
    return cfn


def _sweeps() -> CloudFormation:
    return CloudFormation(Mailbox(), index.respond_to, resource_type=SWEEP_TYPE)


def _ok(answer: Answer | None) -> bool:
    return answer is not None and answer.ok


def _running(cfn: CloudFormation) -> set[str]:
    return {arn for arn, status in cfn.world.executions.items() if status == "RUNNING"}


def _killed(call: int, side: str) -> FaultsOf:
    """Kill every invocation at the same call."""

    def faults(_attempt: int) -> Faults:
        kill = KillAt(call)
        return Faults(before=kill) if side == "before" else Faults(after=kill)

    return faults


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_create_that_is_killed_at_every_attempt_leaves_no_execution(side: str) -> None:
    for call in range(12):
        cfn = _sweeps()
        answer = cfn.create(_properties(), _killed(call, side))
        cfn.world.time += 700  # a search is final then
        held = MADE_UP if answer is None else answer.physical_id
        assert _ok(cfn.delete(held, _properties())), call
        assert _running(cfn) == set(), call


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("then", ["rollback", "update"])
def test_an_update_that_is_killed_at_every_attempt_leaves_no_execution(
    side: str, then: str
) -> None:
    """The rollback, or the next update, stops the execution of the update that was given up."""
    for call in range(16):
        cfn = _deployed()
        first, old, new = cfn.held, cfn.props, _properties(POINTS_B)
        answer = cfn.update(new, _killed(call, side))
        if then == "rollback" or _ok(answer):
            second = cfn.held
            assert _ok(cfn.roll_back(old, new)), call
            assert second == first or _ok(cfn.delete(second, new)), call
            assert (cfn.held, _running(cfn)) == (first, {first}), call
        else:
            assert _ok(cfn.update(_properties("s3://assets/c.json"))), call
            assert _ok(cfn.delete(first, old)), call
            assert _running(cfn) == {cfn.held}, call


def test_an_update_whose_start_lost_its_response_is_rolled_back() -> None:
    cfn = _deployed()
    first, old, new = cfn.held, cfn.props, _properties(POINTS_B)
    failing = Failing(DOWN, frozenset({"list_executions"}), 0, 10**9)

    def lost(name: str, _number: int) -> None:
        if name == "start_execution":
            raise DOWN

    answer = cfn.update(new, lambda _attempt: Faults(before=failing, after=lost))
    assert answer is not None
    assert not answer.ok
    assert len(_running(cfn)) == 2
    assert _ok(cfn.roll_back(old, new))
    assert _running(cfn) == {first}


def test_the_delete_of_a_failed_create_leaves_the_execution_of_a_later_one() -> None:
    cfn = _sweeps()

    def never_answers(name: str, _number: int) -> None:
        if name == "put_answer":
            raise Killed

    assert cfn.create(_properties(), lambda _attempt: Faults(before=never_answers)) is None
    assert len(_running(cfn)) == 1
    assert _ok(cfn.create(_properties()))
    assert _ok(cfn.delete(MADE_UP, _properties()))
    assert _running(cfn) == {cfn.held}


def test_a_sweep_that_cannot_be_stopped_is_not_deleted_with_success() -> None:
    cfn = _deployed()
    held = cfn.held
    failing = Failing(DOWN, frozenset({"stop_execution"}), 0, 10**9)
    assert not _ok(cfn.delete(held, cfn.props, lambda _attempt: Faults(before=failing)))
    assert _ok(cfn.delete(held, cfn.props))
    assert _running(cfn) == set()


def test_an_execution_that_ended_during_a_lost_start_is_used() -> None:
    cfn = _sweeps()
    world = cfn.world

    def ends(name: str, _number: int) -> None:
        if name == "start_execution":
            world.executions = dict.fromkeys(world.executions, "SUCCEEDED")
            raise DOWN

    failing = Failing(DOWN, frozenset({"list_executions"}), 0, 2)
    assert _ok(cfn.create(_properties(), lambda _attempt: Faults(before=failing, after=ends)))
    assert world.executions == {cfn.held: "SUCCEEDED"}


def _lost(cfn: CloudFormation) -> None:
    """Lose the first start: its execution runs, and no record has its ARN."""

    def killed(name: str, _number: int) -> None:
        if name == "start_execution":
            raise Killed

    cfn.function.invoke(cfn.event("Create", _properties()), Faults(after=killed))
    cfn.world.time += 700


def test_a_lost_execution_is_found_on_a_later_page() -> None:
    cfn = _sweeps()
    cfn.world.page_size = 2
    _lost(cfn)
    for number in range(5):  # started by hand since
        cfn.world.start_execution(MACHINE, f"by-hand-{number}", "{}")
    assert _ok(cfn.delete(MADE_UP, _properties()))
    assert len(_running(cfn)) == 5
    assert cfn.world.calls.count("list_executions") == 3


def test_a_search_ends_with_executions_from_before_the_start() -> None:
    cfn = _sweeps()
    cfn.world.page_size = 2
    for number in range(9):
        cfn.world.start_execution(MACHINE, f"by-hand-{number}", "{}")
    cfn.world.time += 7200
    _lost(cfn)
    assert _ok(cfn.delete(MADE_UP, _properties()))
    assert len(_running(cfn)) == 9
    assert cfn.world.calls.count("list_executions") == 1


def test_a_lost_execution_of_a_deleted_state_machine_is_no_reason_to_fail() -> None:
    cfn = _sweeps()
    _lost(cfn)
    gone = ServiceError("ListExecutions", "StateMachineDoesNotExist", "", Kind.NOT_FOUND)
    failing = Failing(gone, frozenset({"list_executions"}), 0, 10**9)
    assert _ok(cfn.delete(MADE_UP, _properties(), lambda _attempt: Faults(before=failing)))


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_later_deployment_starts_a_sweep_again_that_did_not_succeed(status: str) -> None:
    cfn = _deployed()
    first, old = cfn.held, cfn.props
    cfn.world.executions[first] = status
    assert _ok(cfn.update(_properties(POINTS_B)))
    second = cfn.held
    assert _ok(cfn.delete(first, old))
    assert _ok(cfn.update(_properties()))
    assert _ok(cfn.delete(second, _properties(POINTS_B)))
    assert cfn.held not in {first, second}
    assert _running(cfn) == {cfn.held}


def test_a_sweep_that_succeeded_is_not_started_again_by_its_definition() -> None:
    cfn = _deployed()
    first, old = cfn.held, cfn.props
    cfn.world.executions[first] = "SUCCEEDED"
    assert _ok(cfn.update(_properties(POINTS_B)))
    second = cfn.held
    assert _ok(cfn.delete(first, old))
    assert _ok(cfn.update(_properties()))
    assert cfn.held == first
    assert _ok(cfn.delete(second, _properties(POINTS_B)))
    assert _running(cfn) == set()


def test_a_lost_record_of_a_sweep_is_repaired() -> None:
    """The name of the execution is the token, which the definition proves."""
    cfn = _deployed()
    first, old = cfn.held, cfn.props
    cfn.world.objects.clear()
    assert _ok(cfn.update(_properties(POINTS_B)))
    second = cfn.held
    assert _ok(cfn.roll_back(old, _properties(POINTS_B)))
    assert cfn.held == first
    assert _ok(cfn.delete(second, _properties(POINTS_B)))
    assert _running(cfn) == {first}
    cfn.world.objects.clear()
    assert _ok(cfn.delete(first, old))
    assert _running(cfn) == set()


def test_a_delete_of_a_sweep_that_never_started_does_nothing(world: World) -> None:
    assert (
        _SweepStack(world).delete("no-execution-was-started", _properties())["Status"] == "SUCCESS"
    )
    assert json.dumps(world.executions) == "{}"
