"""Jobs of state machines: one for each run, even with retries, lost events and stops."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cdk_braket._lambda.braket_jobs.contract import (
    RUN_WAITS_UNTIL,
    Attribute,
    RunAction,
    RunProperty,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.worlds import (
    CANCELLED,
    COMPLETED,
    FAILED,
    RECORDS,
    Context,
    World,
    killed_at,
    properties,
)

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Nightly:1"
RUN_ID = "4a3c0d32-6a55-4f2b-8a14-6c1f6f4d1f10"
TEXTS = {k: str(v) for k, v in properties().items() if k != "ServiceToken"}
DEFINITION = {k: json.loads(v) if v.startswith("{") else v for k, v in TEXTS.items()}
OTHER = f"{EXECUTION}2"
CANARY = "canary-41d7"


@pytest.fixture
def world() -> World:
    return World()


def _did(world: World, action: RunAction, **members: object) -> Mapping[str, object]:
    event = {RunProperty.ACTION: action, RunProperty.RECORDS: RECORDS, **members}
    return index.run_for(json.loads(json.dumps(event)), Context(world), world)


def _start(
    world: World, execution: str = EXECUTION, *, run_id: str = RUN_ID, **more: object
) -> Mapping[str, object]:
    given: dict[str, object] = {
        RunProperty.EXECUTION: execution,
        RunProperty.RUN_ID: run_id,
        RunProperty.PROPERTIES: DEFINITION,
        **more,
    }
    return _did(world, RunAction.START, **given)


def _wait(world: World, run: Mapping[str, object], task: str = "mine") -> None:
    members = {RunProperty.TASK_TOKEN: task, RunProperty.RUN: run}
    _did(world, RunAction.WAIT, **{RunProperty.EXECUTION: EXECUTION, **members})


def _ended(world: World, arn: object) -> None:
    _did(world, RunAction.JOB_ENDED, **{RunProperty.JOB_ARN: arn})


def _stop(world: World, execution: str = EXECUTION) -> None:
    _did(world, RunAction.EXECUTION_ENDED, **{RunProperty.EXECUTION: execution})


def _cancel(world: World) -> None:
    members = {RunProperty.EXECUTION: EXECUTION, RunProperty.RUN_ID: RUN_ID}
    _did(world, RunAction.CANCEL, **members)


# --- Starting. ---


def test_a_start_answers_with_the_jobs_attributes(world: World) -> None:
    run = _start(world)
    job = world.only_job()
    assert run[Attribute.JOB_ARN] == job.arn
    assert str(run[Attribute.RESULTS_S3_URI]).endswith("/output/model.tar.gz")
    assert RUN_WAITS_UNTIL not in run


def test_a_start_that_is_repeated_is_one_job(world: World) -> None:
    assert _start(world) == _start(world)
    assert len(world.jobs) == 1


@pytest.mark.parametrize("forgets", [True, False])
def test_a_start_that_is_killed_anywhere_and_repeated_is_one_job(forgets: bool) -> None:
    calls = len(_calls_of_a_start())
    assert calls > 5
    for number in range(calls):
        for side in ("before", "after"):
            world = World(remembers_tokens=0.0 if forgets else 1e12)
            with killed_at(world, number, side):
                _start(world)
            world.time += 120
            _start(world)
            assert len(world.alive()) == 1, (number, side)
            _cancel(world)
            world.time += 60
            assert world.alive() == [], (number, side)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_start_that_is_killed_and_then_stopped_leaves_nothing_running(side: str) -> None:
    for number in range(len(_calls_of_a_start())):
        world = World()
        with killed_at(world, number, side):
            _start(world)
        world.time += 120
        _stop(world)
        world.time += 60
        assert world.alive() == [], number


def _calls_of_a_start() -> list[str]:
    world = World()
    _start(world)
    return world.calls


def test_other_executions_and_other_runs_are_other_jobs(world: World) -> None:
    _start(world)
    _start(world, OTHER)
    _start(world, run_id="another")
    assert len(world.jobs) == 3


def test_hyperparameters_of_the_execution_join_those_of_the_definition(world: World) -> None:
    given = {"definition": "B", "seed": 7, "exact": True}
    _start(world, hyperparameters=given)
    asked = world.only_job().request["hyperParameters"]
    assert asked == {"definition": "B", "seed": "7", "exact": "True"}


@pytest.mark.parametrize(
    "given", [{"seed": [1]}, {"seed": None}, {"seed": ""}, {"x" * 300: "1"}, [1], {"": "1"}]
)
def test_hyperparameters_that_braket_would_refuse_start_nothing(
    world: World, given: object
) -> None:
    with pytest.raises(index.HybridJobError):
        _start(world, hyperparameters=given)
    assert world.jobs == {}


def test_a_start_that_runs_out_of_time_has_the_error_of_every_other_failed_start(
    world: World,
) -> None:
    """Only a sweep retries under the name of another error."""

    def throttled(name: str, _number: int) -> None:
        if name == "create_job":
            raise ServiceError(name, "ThrottlingException", "slow down", Kind.TRANSIENT)

    world.before = throttled
    with pytest.raises(index.HybridJobError, match="time for the response has ended"):
        _start(world)


def test_a_timeout_is_in_the_response(world: World) -> None:
    run = _start(world, timeoutSeconds=600)
    until = run[RUN_WAITS_UNTIL]
    assert isinstance(until, float)
    assert 0 <= world.time + 600 - until < 60


# --- Waiting. ---


@pytest.mark.parametrize("first", ["event", "wait"])
def test_a_waiting_state_receives_the_completion_in_either_order(world: World, first: str) -> None:
    run = _start(world)
    if first == "wait":
        _wait(world, run)
        assert world.tasks == []
    world.finish(world.only_job().arn, COMPLETED)
    _ended(world, world.only_job().arn)
    if first == "event":
        _wait(world, run)
    [(token, result, output)] = world.tasks
    assert (token, result) == ("mine", "SUCCESS")
    assert isinstance(output, dict)
    assert output["JobStatus"] == COMPLETED
    assert output[Attribute.RESULTS_S3_URI] == run[Attribute.RESULTS_S3_URI]


@pytest.mark.parametrize(
    ("status", "error"), [(FAILED, "HybridJob.Failed"), (CANCELLED, "HybridJob.Cancelled")]
)
def test_a_state_fails_with_the_jobs_reason(world: World, status: str, error: str) -> None:
    run = _start(world)
    _wait(world, run)
    job = world.only_job()
    job.failure_reason = "no minimum was found" if status == FAILED else ""
    world.finish(job.arn, status)
    _ended(world, job.arn)
    [(_, told, cause)] = world.tasks
    assert told == error
    assert cause == (job.failure_reason or "The job is CANCELLED.")


def test_the_next_check_replaces_a_lost_event(world: World) -> None:
    run = _start(world)
    _wait(world, run)
    world.finish(world.only_job().arn, COMPLETED)
    _wait(world, run, "token of the next look")
    assert [token for token, *_ in world.tasks] == ["token of the next look"]


def test_the_last_token_is_the_one_that_is_given_back(world: World) -> None:
    run = _start(world)
    for token in ("first", "second"):
        _wait(world, run, token)
    world.finish(world.only_job().arn, COMPLETED)
    _ended(world, world.only_job().arn)
    assert [token for token, *_ in world.tasks] == ["second"]


def test_only_a_job_beyond_its_timeout_is_cancelled(world: World) -> None:
    run = _start(world, timeoutSeconds=600)
    other = _start(world, run_id="another")
    world.time += 601
    _wait(world, run)
    world.time += 60
    assert [job.arn for job in world.alive()] == [other[Attribute.JOB_ARN]]


def test_a_job_that_is_not_over_in_time_is_cancelled(world: World) -> None:
    run = _start(world, timeoutSeconds=600)
    world.time += 601
    _wait(world, run)
    [(_, error, cause)] = world.tasks
    assert error == "HybridJob.Timeout"
    assert "did not end in time" in str(cause)
    assert world.alive() == []


def test_events_of_other_jobs_and_executions_are_none_of_ours(world: World) -> None:
    run = _start(world)
    _wait(world, run)
    _ended(world, f"{run[Attribute.JOB_ARN]}0")
    _stop(world, OTHER)
    assert world.tasks == []
    assert len(world.alive()) == 1


def test_an_event_that_is_early_or_wrong_is_not_believed(world: World) -> None:
    run = _start(world)
    _wait(world, run)
    _ended(world, run[Attribute.JOB_ARN])
    assert world.tasks == []


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_state_that_waits_no_more_is_no_error(world: World, code: str) -> None:
    run = _start(world)

    def gone(name: str, _number: int) -> None:
        if name == "send_task_success":
            raise ServiceError("SendTaskSuccess", code, "", Kind.PERMANENT)

    world.before = gone
    world.finish(world.only_job().arn, COMPLETED)
    _wait(world, run)


# --- Devices that are chosen for each run. ---

SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
CHOSEN: dict[str, Any] = {RunProperty.ALLOWED_DEVICES.value: [SV1, "local:braket/default"]}


def test_a_run_uses_the_device_that_it_names(world: World) -> None:
    _start(world, **{**CHOSEN, "device": SV1})
    request = world.only_job().request
    assert request["deviceConfig"] == {"device": SV1}
    _start(world, run_id="another")
    devices = [job.request["deviceConfig"] for job in world.alive()]
    assert devices[1] == json.loads(TEXTS["Request"])["deviceConfig"]


@pytest.mark.parametrize(
    "event",
    [
        {**CHOSEN, "device": f"{SV1}2"},
        {**CHOSEN, "device": ""},
        {**CHOSEN, "device": [SV1]},
        {**CHOSEN, "device": None},
        {"device": SV1},
        {"device": SV1, RunProperty.ALLOWED_DEVICES.value: SV1},
    ],
)
def test_a_device_that_is_not_allowed_starts_nothing(world: World, event: dict[str, Any]) -> None:
    with pytest.raises(index.HybridJobError, match=r"device: expected one of .*, got "):
        _start(world, **event)
    assert world.alive() == []
    assert world.objects == {}


# --- Stopping. ---


def test_an_execution_that_is_stopped_cancels_its_jobs_and_no_others(world: World) -> None:
    _start(world)
    _start(world, run_id="another")
    others = _start(world, OTHER)
    _stop(world)
    world.time += 60
    assert [job.arn for job in world.alive()] == [others[Attribute.JOB_ARN]]


def test_an_execution_without_runs_leaves_one_object(world: World) -> None:
    _stop(world)
    _stop(world)
    assert len(world.objects) == 1


def test_a_run_that_is_given_up_is_cancelled_alone(world: World) -> None:
    _start(world)
    other = _start(world, run_id="another")
    _cancel(world)
    world.time += 60
    assert [job.arn for job in world.alive()] == [other[Attribute.JOB_ARN]]


def test_a_run_that_was_not_begun_needs_no_cancel(world: World) -> None:
    _cancel(world)
    assert world.jobs == {}


def test_an_ended_job_is_not_cancelled(world: World) -> None:
    _start(world)
    world.finish(world.only_job().arn, COMPLETED)
    _stop(world)
    assert (world.only_job().status, world.cancels) == (COMPLETED, 0)


def test_a_start_that_comes_after_the_stop_starts_nothing(world: World) -> None:
    _start(world)
    _stop(world)
    world.time += 60
    with pytest.raises(index.HybridJobError):
        _start(world)
    assert world.alive() == []


def test_a_cancel_that_cannot_be_confirmed_is_an_error(world: World) -> None:
    world.cancel_takes = 1e9
    _start(world)
    with pytest.raises(index.HybridJobError, match="may still run"):
        _stop(world)


# --- What is asked in a wrong way, and what is written. ---


@pytest.mark.parametrize("action", list(RunAction))
@pytest.mark.parametrize("value", [None, [], "", {"a": CANARY}, 7])
def test_an_unknown_event_is_an_error_without_its_content(
    world: World, action: RunAction, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    event: dict[str, object] = {str(name): value for name in RunProperty}
    event[RunProperty.ACTION] = action
    with pytest.raises(index.HybridJobError) as caught:
        index.run_for(event, Context(world), world)
    assert CANARY not in str(caught.value) + capsys.readouterr().out
    assert world.jobs == {}


def test_neither_hyperparameters_nor_tokens_are_written_to_the_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _start(world, hyperparameters={"secret": CANARY})
    _wait(world, run, "token-canary-51aa")
    world.finish(world.only_job().arn, COMPLETED)
    _ended(world, world.only_job().arn)
    _stop(world)
    written = capsys.readouterr().out
    assert "run_over" in written
    assert CANARY not in written
    assert "token-canary-51aa" not in written


def test_the_records_of_a_run_are_below_the_prefix_and_without_hyperparameters(
    world: World,
) -> None:
    run = _start(world, hyperparameters={"secret": CANARY})
    _wait(world, run)
    prefix = RECORDS.removeprefix("s3://").partition("/")[2]
    assert len(world.objects) == 3
    assert all(key.startswith(f"{prefix}/") for _, key in world.objects)
    assert CANARY not in json.dumps([text for text, _ in world.objects.values()])


@pytest.mark.parametrize("odd", [-1, 10**20, float("nan"), float("inf"), True, "5", [], {}])
def test_a_timeout_that_is_none_starts_nothing(world: World, odd: object) -> None:
    with pytest.raises(index.HybridJobError, match="timeoutSeconds is not a number of seconds"):
        _start(world, timeoutSeconds=odd)
    assert (world.jobs, world.objects) == ({}, {})


@pytest.mark.parametrize("longest", [0, 99_999_999])
def test_a_timeout_at_the_limit_is_accepted(world: World, longest: int) -> None:
    until = _start(world, timeoutSeconds=longest)["WaitsUntil"]
    assert isinstance(until, float)
    assert until >= world.time + longest - 10


@pytest.mark.parametrize("name", [RunProperty.EXECUTION, RunProperty.RUN_ID])
@pytest.mark.parametrize("odd", ["", "\ud800", [], {}, 1])
def test_a_name_that_is_no_text_starts_nothing(
    world: World, name: RunProperty, odd: object
) -> None:
    members = {RunProperty.PROPERTIES: DEFINITION, RunProperty.EXECUTION: EXECUTION}
    with pytest.raises(index.HybridJobError, match=f"{name} is missing or is not text"):
        _did(world, RunAction.START, **{**members, RunProperty.RUN_ID: RUN_ID, name: odd})
    assert (world.jobs, world.objects) == ({}, {})
