"""Points of a sweep: one job for each, also after refusals, stops and redrives."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from cdk_braket._lambda.braket_jobs.api.sweep_table import numbers_in
from cdk_braket._lambda.braket_jobs.contract import (
    SWEEP_POINT_TAG,
    SWEEP_TAG,
    RunAction,
    RunProperty,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.sweep_points import point_name
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

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Sweep"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Sweep:1"
OTHER = f"{EXECUTION}2"
TEXTS = {k: str(v) for k, v in properties().items() if k != "ServiceToken"}
DEFINITION = {k: json.loads(v) if v.startswith("{") else v for k, v in TEXTS.items()}
POINT = {"theta": 0.5, "seed": 1}
CANARY = "canary-77c1"


@pytest.fixture
def world() -> World:
    return World()


def _did(world: World, action: RunAction, **members: object) -> Mapping[str, object]:
    event = {RunProperty.ACTION: action, RunProperty.RECORDS: RECORDS, **members}
    return index.run_for(json.loads(json.dumps(event)), Context(world), world)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _run(
    world: World,
    point: Mapping[str, object] | None = None,
    execution: str = EXECUTION,
    *,
    number: int = 0,
    child: str = "",
    began: float = 1_800_000_000.0,
    redriven: tuple[int, float] | None = None,
    token: str = "mine",  # noqa: S107 - a task token
    given: Mapping[str, object] | None = None,
    **more: object,
) -> None:
    context: dict[str, object] = {
        "Id": child or f"{execution}/Points:{number}",
        "StartTime": _iso(began),
    }
    if redriven:
        context |= {"RedriveCount": redriven[0], "RedriveTime": _iso(redriven[1])}
    members = {
        RunProperty.POINT: {
            "Execution": execution,
            "StateMachine": MACHINE,
            "Input": given or {},
            "Index": number,
            "Parameters": POINT if point is None else point,
        },
        RunProperty.CHILD: context,
        RunProperty.TASK_TOKEN: token,
        RunProperty.PROPERTIES: DEFINITION,
        **more,
    }
    _did(world, RunAction.RUN_POINT, **members)


def _stop(world: World, execution: str = EXECUTION, at: float | None = None) -> None:
    members = {
        RunProperty.EXECUTION: execution,
        RunProperty.STOPPED_AT: 1000 * (world.time if at is None else at),
    }
    _did(world, RunAction.EXECUTION_ENDED, **members)


def _ended(world: World, arn: str) -> None:
    _did(world, RunAction.JOB_ENDED, **{RunProperty.JOB_ARN: arn})


def _refused(code: str, kind: Kind = Kind.TRANSIENT) -> ServiceError:
    return ServiceError("CreateJob", code, "not now", kind)


def _refuse(world: World, *errors: ServiceError) -> None:
    """Refuse the next calls of CreateJob."""
    left = list(errors)

    def before(name: str, _number: int) -> None:
        if name == "create_job" and left:
            raise left.pop(0)

    world.before = before


# --- Starting. ---


def test_a_point_has_its_parameters_its_name_and_its_tags(world: World) -> None:
    _run(world, number=7)
    job = world.only_job()
    values = job.request["hyperParameters"]
    assert isinstance(values, dict)
    assert values == {"definition": "A", "theta": "0.5", "seed": "1"}
    assert str(job.request["jobName"]).startswith("vqe-seed-1-theta-0-5-")
    assert job.tags[SWEEP_TAG] == "Sweep"
    assert job.tags[SWEEP_POINT_TAG] == "7"
    assert job.tags["team"] == "quantum"


def test_names_of_points_fit_the_service_and_keep_the_id_of_the_run() -> None:
    long = point_name("a" * 37 + "-RUNID0000000", {"an-angle_in.radians": 1.25, "b": True})
    assert len(long) <= 50
    assert long.endswith("-RUNID0000000")
    assert point_name("mine", {}) == "mine"
    assert point_name("mine", {"é": "…"}) == "mine"


def test_a_point_that_is_repeated_is_one_job(world: World) -> None:
    _run(world)
    _run(world, token="another")
    job = world.only_job()
    world.finish(job.arn, COMPLETED)
    _ended(world, job.arn)
    [(token, ended, row)] = world.tasks
    assert (token, ended) == ("another", "SUCCESS")
    assert isinstance(row, dict)
    assert row["JobArn"] == job.arn
    assert row["Parameters"] == POINT


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_point_whose_start_is_killed_anywhere_is_one_job(side: str) -> None:
    world = World()
    _run(world)
    calls = len(world.calls)
    assert calls > 5
    for number in range(calls):
        world = World()
        with killed_at(world, number, side):
            _run(world)
        world.time += 120
        _run(world)
        assert len(world.jobs) == 1, number
        world.time += 10
        _stop(world)
        world.time += 60
        assert world.alive() == [], number


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_point_whose_start_is_killed_and_whose_sweep_is_stopped_leaves_no_job(side: str) -> None:
    world = World()
    _run(world)
    for number in range(len(world.calls)):
        world = World()
        with killed_at(world, number, side):
            _run(world)
        world.time += 120
        _stop(world)
        world.time += 60
        assert world.alive() == [], number


def test_an_item_that_is_no_mapping_is_refused_with_its_number(world: World) -> None:
    with pytest.raises(index.HybridJobError, match=r"Point 3: expected an object"):
        _did(
            world,
            RunAction.RUN_POINT,
            **{
                RunProperty.POINT: {
                    "Execution": EXECUTION,
                    "StateMachine": MACHINE,
                    "Input": {},
                    "Index": 3,
                    "Parameters": [1],
                },
                RunProperty.CHILD: {"Id": "1", "StartTime": _iso(world.time)},
                RunProperty.TASK_TOKEN: "mine",
                RunProperty.PROPERTIES: DEFINITION,
            },
        )
    assert world.jobs == {}


def test_a_refused_value_is_not_in_the_error(world: World) -> None:
    with pytest.raises(index.HybridJobError) as error:
        _run(world, {"theta": CANARY * 500})
    assert "hyperParameters.theta" in str(error.value)
    assert CANARY not in str(error.value)


# --- Refusals for now. ---


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (_refused("ThrottlingException"), index.HybridJobThrottlingError),
        (_refused("ServiceQuotaExceededException", Kind.PERMANENT), index.HybridJobQuotaError),
    ],
)
def test_a_start_that_is_refused_for_now_is_repeated_without_a_wait_or_a_search(
    world: World, refusal: ServiceError, error: type[Exception]
) -> None:
    _refuse(world, refusal, refusal)
    for _ in range(2):
        began = world.time
        with pytest.raises(error):
            _run(world)
        assert world.time - began < 5  # the state machine waits, and not the function
    _run(world)
    assert "find_jobs" not in world.calls
    assert world.calls.count("create_job") == 3
    assert len(world.jobs) == 1


def test_a_call_that_may_have_had_an_effect_is_searched_for_after_a_refusal(world: World) -> None:
    lost = ServiceError("CreateJob", "InternalServiceException", "", Kind.TRANSIENT)
    answers: list[ServiceError] = [_refused("ThrottlingException")]

    def after(name: str, _number: int) -> None:
        if name == "create_job" and len(world.jobs) == 1 and lost not in seen:
            seen.append(lost)
            raise lost

    def before(name: str, _number: int) -> None:
        if name == "create_job" and seen and answers:
            raise answers.pop()

    seen: list[ServiceError] = []
    world.after, world.before = after, before
    world.appears_after = 30
    with pytest.raises(index.HybridJobThrottlingError):
        _run(world)
    world.time += 120
    _run(world)
    assert len(world.jobs) == 1


def test_other_refusals_fail_the_point(world: World) -> None:
    _refuse(world, _refused("DeviceRetiredException", Kind.PERMANENT))
    with pytest.raises(index.HybridJobError, match="CreateJob"):
        _run(world)


# --- The end. ---


def test_a_point_that_fails_has_its_job_in_the_cause(world: World) -> None:
    _run(world)
    job = world.only_job()
    world.finish(job.arn, FAILED)
    job.failure_reason = "no minimum was found"
    _ended(world, job.arn)
    [(_, error, cause)] = world.tasks
    row = json.loads(str(cause))
    assert error == "HybridJob.Failed"
    assert row["JobArn"] == job.arn
    assert row["FailureReason"] == "no minimum was found"
    assert "Parameters" not in row  # they could exceed the length of a cause


def test_a_lost_event_is_replaced_by_the_next_poll(world: World) -> None:
    _run(world)
    world.finish(world.only_job().arn, COMPLETED)
    _run(world, token="later")
    [(token, ended, _)] = world.tasks
    assert (token, ended) == ("later", "SUCCESS")


def test_a_point_that_is_not_over_in_time_is_cancelled(world: World) -> None:
    _run(world, timeoutSeconds=60)
    world.time += 61
    _run(world, token="later", timeoutSeconds=60)
    [(_, error, cause)] = world.tasks
    assert error == "HybridJob.Timeout"
    assert json.loads(str(cause))["JobArn"] == world.only_job().arn
    assert world.only_job().status == CANCELLED


def test_the_row_has_the_metrics_the_time_and_the_cost(world: World) -> None:
    _run(world)
    job = world.only_job()
    job.started, job.instances = world.time, 4
    world.time += 900
    job.ended = world.time
    world.metrics[job.arn] = {"energy": -1.137}
    world.finish(job.arn, COMPLETED)
    _ended(world, job.arn)
    [(_, _, row)] = world.tasks
    assert isinstance(row, dict)
    assert row["Seconds"] == 900
    assert row["InstanceHours"] == 1
    assert row["Metrics"] == {"energy": -1.137}


def test_a_result_that_a_state_cannot_output_does_not_fail_the_point(world: World) -> None:
    _run(world)
    job = world.only_job()
    world.metrics[job.arn] = {f"{number:014b}": number for number in range(2**14)}
    world.finish(job.arn, COMPLETED)
    _ended(world, job.arn)
    [(_, ended, row)] = world.tasks
    assert ended == "SUCCESS"
    assert len(json.dumps(row)) < 256 * 1024


def test_numbers_that_json_does_not_have_are_no_metrics() -> None:
    saved = json.loads('{"dataDictionary": {"a": NaN, "b": -Infinity, "c": 1.5, "d": 2}}')
    assert numbers_in(saved) == {"c": 1.5, "d": 2}


def test_results_that_cannot_be_read_do_not_fail_the_point(world: World) -> None:
    _run(world)
    job = world.only_job()
    world.finish(job.arn, COMPLETED)

    def before(name: str, _number: int) -> None:
        if name == "read_metrics":
            raise ServiceError("GetObject", "NoSuchKey", "", Kind.NOT_FOUND)

    world.before = before
    _ended(world, job.arn)
    [(_, ended, row)] = world.tasks
    assert ended == "SUCCESS"
    assert isinstance(row, dict)
    assert row["Metrics"] == {}


# --- Other executions, stops and redrives. ---


def test_another_execution_skips_completed_points_and_runs_failed_ones(world: World) -> None:
    _run(world, {"theta": 1})
    _run(world, {"theta": 2}, number=1)
    first, second = world.jobs
    world.finish(first, COMPLETED)
    world.finish(second, FAILED)
    _ended(world, first)
    _ended(world, second)
    world.time += 60
    # The points have changed places.
    _run(world, {"theta": 2}, OTHER, number=0, began=world.time, token="again")
    _run(world, {"theta": 1}, OTHER, number=1, began=world.time, token="skipped")
    assert len(world.jobs) == 3
    assert world.tasks[-1][0:2] == ("skipped", "SUCCESS")


def test_another_run_starts_everything_again(world: World) -> None:
    _run(world, given={"run": "monday"})
    world.finish(world.only_job().arn, COMPLETED)
    _run(world, execution=OTHER, given={"run": "tuesday"}, began=world.time)
    assert len(world.jobs) == 2


def test_a_stop_cancels_running_points_and_refuses_later_ones(world: World) -> None:
    for number in range(5):
        _run(world, {"theta": number}, number=number, began=world.time)
    done = next(iter(world.jobs))
    world.finish(done, COMPLETED)
    _ended(world, done)
    world.time += 10
    _stop(world)
    statuses = sorted(job.status for job in world.jobs.values())
    assert statuses == [*[CANCELLED] * 4, COMPLETED]
    with pytest.raises(index.HybridJobError, match="stopped"):
        _run(world, {"theta": 9}, number=9, began=world.time - 20)
    assert len(world.jobs) == 5


def test_a_point_whose_objects_cannot_be_read_does_not_keep_others_from_being_cancelled(
    world: World,
) -> None:
    for number in range(3):
        _run(world, {"theta": number}, number=number, began=world.time)
    world.time += 10
    reads: list[str] = []

    def before(name: str, _number: int) -> None:
        if "list_keys" in world.calls[stopped:] and name == "read_record":
            reads.append(name)
            if len(reads) in refused:
                raise ServiceError("GetObject", "AccessDenied", "explicit deny", Kind.PERMANENT)

    stopped, refused = len(world.calls), {1}
    world.before = before
    with pytest.raises(index.HybridJobError, match="AccessDenied"):
        _stop(world)
    assert len(world.alive()) == 1
    reads.clear()
    stopped, refused = len(world.calls), {2}
    with pytest.raises(index.HybridJobError, match="AccessDenied"):
        _stop(world)
    assert world.alive() == []


def test_jobs_that_are_cancelled_end_side_by_side(world: World) -> None:
    world.cancel_takes = 30.0
    for number in range(10):
        _run(world, {"theta": number}, number=number, began=world.time)
    world.time += 10
    began = world.time
    _stop(world)
    assert world.alive() == []
    assert world.time - began < 10 * 30.0 / 2


def test_a_redrive_goes_on_where_the_stop_was(world: World) -> None:
    for number in range(3):
        _run(world, {"theta": number}, number=number, began=world.time)
    done = next(iter(world.jobs))
    world.finish(done, COMPLETED)
    _ended(world, done)
    world.time += 10
    _stop(world)
    world.time += 60
    for number in range(3):
        again = (1, world.time)
        _run(world, {"theta": number}, number=number, began=world.time - 70, redriven=again)
    assert [job.status for job in world.jobs.values()] == [
        COMPLETED,
        CANCELLED,
        CANCELLED,
        "QUEUED",
        "QUEUED",
    ]


def test_a_stop_leaves_a_job_that_another_execution_waits_for(world: World) -> None:
    _run(world)
    world.time += 20
    _run(world, execution=OTHER, began=world.time, token="theirs")
    world.time += 20
    _run(world, token="a poll of the first")
    _stop(world)
    assert len(world.alive()) == 1
    world.time += 20
    _stop(world, OTHER)
    assert world.alive() == []


@pytest.mark.parametrize("polls", [False, True])
def test_a_stop_of_the_last_execution_leaves_the_job_of_an_earlier_one(
    world: World, polls: bool
) -> None:
    """The second execution found the job of the first, and was the last one to request it."""
    _run(world)
    world.time += 20
    _run(world, execution=OTHER, began=world.time, token="theirs")
    world.time += 20
    _stop(world, OTHER)
    [job] = world.alive()
    if polls:
        _run(world, token="a poll of the first")
        world.finish(job.arn, COMPLETED)
        _run(world, token="the last poll of the first")
        assert world.tasks[-1][:2] == ("the last poll of the first", "SUCCESS")
    else:
        world.time += 20
        _stop(world)
        assert world.alive() == []


@pytest.mark.parametrize("order", [(EXECUTION, OTHER), (OTHER, EXECUTION)])
def test_stops_of_all_executions_that_share_a_job_cancel_it(
    world: World, order: tuple[str, str]
) -> None:
    _run(world)
    world.time += 20
    _run(world, execution=OTHER, began=world.time, token="theirs")
    world.time += 20
    for each in order:
        assert len(world.alive()) == 1
        _stop(world, each)
    assert world.alive() == []
    for each in order:
        _stop(world, each)  # delivered again
        with pytest.raises(index.HybridJobError, match="stopped"):
            _run(world, execution=each, began=world.time - 90, child=f"late child of {each}")
    assert len(world.jobs) == 1


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_killed_start_finds_the_job_that_another_execution_started_meanwhile(side: str) -> None:
    """The repeated start is earlier than the other execution, and is not too late."""
    world = World()
    _run(world)
    for number in range(len(world.calls)):
        world = World()
        with killed_at(world, number, side):
            _run(world, began=world.time)
        world.time += 120
        _run(world, execution=OTHER, began=world.time, token="theirs")
        _run(world, began=world.time - 120)
        assert len(world.jobs) == 1, number
        world.time += 10
        _stop(world, OTHER)
        assert len(world.alive()) == 1, number
        _stop(world)
        assert world.alive() == [], number


def test_a_point_out_of_time_leaves_the_job_to_another_execution(world: World) -> None:
    _run(world, timeoutSeconds=60)
    _run(world, execution=OTHER, began=world.time, token="theirs")
    world.time += 61
    _run(world, token="a poll of the first", timeoutSeconds=60)
    assert world.tasks[-1][:2] == ("a poll of the first", "HybridJob.Timeout")
    assert len(world.alive()) == 1


def test_a_redriven_point_out_of_time_is_cancelled(world: World) -> None:
    """The attempt before the redrive does not count as another execution."""
    _run(world, began=world.time, timeoutSeconds=60)
    _run(world, began=world.time, redriven=(1, world.time), token="redriven", timeoutSeconds=60)
    world.time += 61
    _run(world, began=world.time, redriven=(1, world.time - 61), token="a poll", timeoutSeconds=60)
    assert world.alive() == []


def test_both_executions_that_share_a_job_receive_its_end(world: World) -> None:
    _run(world)
    _run(world, execution=OTHER, began=world.time, token="theirs")
    _run(world, token="a poll of the first")
    arn = world.only_job().arn
    world.finish(arn, COMPLETED)
    _ended(world, arn)
    _run(world, token="the next poll of the first")
    ended = [(token, result) for token, result, _ in world.tasks]
    assert ended == [("theirs", "SUCCESS"), ("the next poll of the first", "SUCCESS")]


def test_a_stop_that_is_delivered_after_a_redrive_leaves_its_jobs(world: World) -> None:
    _run(world, began=world.time)
    world.time += 10
    stopped = world.time
    _stop(world, at=stopped)
    world.time += 60
    _run(world, began=world.time - 70, redriven=(1, world.time))
    _stop(world, at=stopped)
    assert len(world.alive()) == 1
    world.time += 10
    _stop(world)
    assert world.alive() == []


def test_a_stop_whose_handler_is_killed_is_finished_by_its_repetition(world: World) -> None:
    for number in range(3):
        _run(world, {"theta": number}, number=number, began=world.time)
    world.time += 10
    before = len(world.calls)
    stopped = world.time
    with killed_at(world, before + 12):
        _stop(world, at=stopped)
    world.time += 60
    _stop(world, at=stopped)
    assert world.alive() == []


# --- The table. ---


def _collect(world: World) -> tuple[Mapping[str, object], list[dict[str, str]]]:
    summary = _did(
        world,
        RunAction.COLLECT_POINTS,
        **{
            RunProperty.EXECUTION: EXECUTION,
            RunProperty.MANIFEST: {"Bucket": "results", "Key": "sweeps/S/run/manifest.json"},
        },
    )
    text = world.tables["results", "sweeps/S/run/table.csv"]
    return summary, list(csv.DictReader(io.StringIO(text)))


def _write_results(world: World, **files: list[Mapping[str, object]]) -> None:
    names = {status: f"sweeps/S/run/{status}_0.jsonl" for status in files}
    manifest = {"ResultFiles": {s: [{"Key": name, "Size": 1}] for s, name in names.items()}}
    world.objects["results", "sweeps/S/run/manifest.json"] = (json.dumps(manifest), "1")
    for status, rows in files.items():
        text = "\n".join(json.dumps(row) for row in rows)
        world.objects["results", names[status]] = (text, "1")


def _input(index: int, **parameters: object) -> str:
    return json.dumps({"Index": index, "Parameters": parameters, "Execution": EXECUTION})


def test_the_table_has_a_row_for_each_point(world: World) -> None:
    completed = {"JobStatus": COMPLETED, "JobArn": "arn:1", "Metrics": {"energy": -1.1}}
    failed = {"JobStatus": FAILED, "JobArn": "arn:2", "FailureReason": "no minimum"}
    refused = {"errorMessage": "it was refused", "errorType": "HybridJobError"}
    _write_results(
        world,
        SUCCEEDED=[{"Input": _input(1, theta=2), "Output": json.dumps(completed)}],
        FAILED=[
            {"Input": _input(0, theta=1), "Error": "HybridJob.Failed", "Cause": json.dumps(failed)},
            {"Input": _input(3, theta=4, status="x"), "Cause": json.dumps(refused)},
        ],
        PENDING=[{"Input": _input(2, theta=3)}],
    )
    summary, rows = _collect(world)
    assert [row["index"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["parameter.theta"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["status"] for row in rows] == [FAILED, COMPLETED, "NOT_STARTED", "NOT_STARTED"]
    assert rows[3]["parameter.status"] == "x"
    assert rows[1]["metric.energy"] == "-1.1"
    assert rows[0]["failure_reason"] == "no minimum"
    assert rows[3]["failure_reason"] == "it was refused"
    assert (summary["Points"], summary["Completed"]) == (4, 1)
    assert summary["TableS3Uri"] == "s3://results/sweeps/S/run/table.csv"


def test_a_point_of_a_stopped_sweep_may_have_started(world: World) -> None:
    _write_results(world, FAILED=[{"Input": _input(0, theta=1), "Status": "ABORTED"}])
    _, rows = _collect(world)
    assert [row["status"] for row in rows] == ["ABORTED"]


def test_only_a_line_feed_ends_a_row(world: World) -> None:
    """Step Functions escapes no line separator in a string."""
    text = "a\u2028b\x85c"
    given = json.dumps({"Index": 0, "Parameters": {"note": text}}, ensure_ascii=False)
    row = json.dumps({"Input": given}, ensure_ascii=False)
    _write_results(world, PENDING=[])
    world.objects["results", "sweeps/S/run/PENDING_0.jsonl"] = (f"{row}\n", "1")
    _, rows = _collect(world)
    assert [each["parameter.note"] for each in rows] == [text]


def test_a_job_that_no_state_waits_for_is_cancelled_before_the_table(world: World) -> None:
    _run(world)
    _write_results(world, SUCCEEDED=[])
    world.time += 10
    _collect(world)
    assert world.only_job().status == CANCELLED
