"""The entry point: every event gets a response, in time, in size, and without secrets."""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import Property, RunProperty
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.cloudformation import Answer, body_of
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError, explain
from cdk_braket._lambda.braket_jobs.handler.invocation import NOTHING_STARTED
from tests.unit.handler.worlds import Context, FakeJob, Killed, Stack, World, properties, request

CANARY = "canary-5f2c"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return Stack(world)


def raising(error: BaseException, method: str) -> World:
    def check(name: str, _number: int) -> None:
        if name == method:
            raise error

    return World(before=check)


# --- Every event is answered. ---


@pytest.mark.parametrize("method", ["write_record", "copy_asset", "create_job"])
def test_an_unexpected_exception_is_reported_without_its_message(method: str) -> None:
    world = raising(RuntimeError(CANARY), method)
    answer = Stack(world).create(properties())
    assert answer["Status"] == "FAILED"
    assert "RuntimeError" in str(answer["Reason"])
    assert CANARY not in str(answer)


def test_an_unexpected_exception_is_reported_with_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = Stack(raising(RuntimeError(CANARY), "create_job")).create(properties())
    found = re.search(r"RuntimeError at (test_index\.py:\d+)\)", str(answer["Reason"]))
    assert found
    assert f'"at": "{found[1]}"' in capsys.readouterr().out


def test_a_reason_that_fits_is_not_shortened() -> None:
    reason = "Gerät é" * 400
    event = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "l"}
    assert json.loads(body_of(event, Answer("id", reason)))["Reason"] == reason


@pytest.mark.parametrize("odd", [[], {}, ["Create"], None, 1, True])
def test_an_odd_value_where_text_belongs_is_refused_by_its_name(
    world: World, stack: Stack, odd: object
) -> None:
    answer = stack.send({**stack.event("Create", properties()), "RequestType": odd})
    assert answer["Reason"] == "The event's RequestType is none of Create, Update, Delete."
    answer = stack.create({**properties(), Property.ON_DELETE: odd})
    assert answer["Reason"] == "The property OnDelete is none of CANCEL_JOB, RETAIN_JOB."
    index.handler({RunProperty.ACTION: odd}, Context(world))
    assert world.jobs == {}


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize(
    "missing", ["RequestId", "StackId", "LogicalResourceId", "ResourceProperties", "RequestType"]
)
def test_an_event_that_lacks_something_is_answered(
    world: World, stack: Stack, kind: str, missing: str
) -> None:
    event = stack.event(kind, properties(), "some-id", properties("B"))
    del event[missing]
    answer = stack.send(event)
    expected = "SUCCESS" if (kind, missing) == ("Delete", "ResourceProperties") else "FAILED"
    assert answer["Status"] == expected
    assert world.jobs == {}


# Any string will do for the token, and the digest is for people.
_READ = [
    name for name in Property if name not in {Property.RERUN_TOKEN, Property.DEFINITION_DIGEST}
]


@pytest.mark.parametrize("name", _READ)
@pytest.mark.parametrize("value", [None, 7, "not json", "[7]", "{", "s3:/x", "[" * 100_000])
def test_a_malformed_property_fails_create_and_lets_delete_pass(
    world: World, stack: Stack, name: Property, value: object
) -> None:
    broken = {**properties(), name: value}
    answer = stack.create(broken)
    assert answer["Status"] == "FAILED"
    assert name in str(answer["Reason"]) or "s3:/" in str(answer["Reason"])
    deleted = stack.delete(str(answer["PhysicalResourceId"]), broken)
    assert deleted["Status"] == "SUCCESS"
    assert world.jobs == {}


def test_a_rerun_token_that_is_no_text_is_refused(world: World, stack: Stack) -> None:
    answer = stack.create({**properties(), Property.RERUN_TOKEN: ["1"]})
    assert answer["Status"] == "FAILED"
    assert Property.RERUN_TOKEN in str(answer["Reason"])
    assert world.jobs == {}


@pytest.mark.parametrize(
    "event",
    [None, 7, "text", [], {}, {"ResponseURL": 7}, {"ResponseURL": "ftp://x/"},
     {"ResponseURL": "https://"}, {"ResponseURL": "http://[::1"}, {"ResponseURL": "file:///etc"}],
)  # fmt: skip
def test_an_event_that_names_nowhere_to_answer_ends_quietly(world: World, event: object) -> None:
    index.respond_to(event, Context(world), world)
    assert world.calls == []


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"ResponseURL": st.just("https://answer/here")},
        optional={
            "RequestType": st.sampled_from(["Create", "Update", "Delete"]) | hostile,
            "RequestId": hostile,
            "StackId": hostile | st.just("arn:aws:cloudformation:r:a:stack/n/u"),
            "LogicalResourceId": hostile | st.just("Job"),
            "PhysicalResourceId": hostile,
            "ResourceProperties": hostile
            | st.dictionaries(st.sampled_from(list(Property)), hostile | st.just("{}")),
            "OldResourceProperties": hostile,
        },
    )
)
def test_any_event_with_an_address_is_answered(event: dict[str, object]) -> None:
    world = World()
    index.respond_to(event, Context(world), world)
    [answer] = world.answers
    assert answer["Status"] in {"SUCCESS", "FAILED"}
    assert answer["PhysicalResourceId"]
    assert world.jobs == {}


@pytest.mark.parametrize("size", [10, 4096, 100_000])
@pytest.mark.parametrize("text", ["x", "\N{ATOM SYMBOL}", '"', "\n", "\\", "\ud800", "\x00"])
def test_a_long_reason_is_shortened_to_the_limit_of_cloudformation(size: int, text: str) -> None:
    world = raising(ServiceError("CreateJob", "X", text * size, Kind.PERMANENT), "create_job")
    answer = Stack(world).create(properties())  # the world refuses an oversize body
    assert answer["Status"] == "FAILED"
    assert str(answer["Reason"]).startswith("CreateJob: X: ")


@pytest.mark.parametrize("physical_id", ["", "x" * 1025, "\N{ATOM SYMBOL}" * 400])
def test_an_invalid_physical_id_is_never_answered(stack: Stack, physical_id: str) -> None:
    answer = stack.delete(physical_id, properties())
    assert answer["PhysicalResourceId"] == NOTHING_STARTED


def test_absurdly_long_names_are_answered_all_the_same(world: World, stack: Stack) -> None:
    event = stack.event("Create", properties())
    for name in ("RequestId", "StackId", "LogicalResourceId"):
        event[name] = "\N{ATOM SYMBOL}" * 5000
    assert stack.send(event)["Status"] == "FAILED"
    assert world.jobs == {}


def longest(shape: str) -> int:
    most = model_rules.bounds(shape).maximum
    assert most is not None
    return most


def with_paths_of(length: int, letter: str) -> dict[str, object]:
    def path(tail: str) -> str:
        start = "s3://amazon-braket-results/"
        return start + letter * (length - len(start) - len(tail)) + tail

    run = contract.RUN_ID_PLACEHOLDER
    changed = request(
        outputDataConfig={"s3Path": path(f"/{run}")},
        checkpointConfig={"s3Uri": path(f"/{run}/c")},
        jobName=("j" * longest("CreateJobRequestJobNameString"))[: -len(run)] + run,
    )
    return {**properties(), Property.REQUEST: json.dumps(changed)}


def test_the_longest_paths_of_braket_fit_into_the_response(stack: Stack) -> None:
    event = stack.event("Create", with_paths_of(longest("S3Path"), "p"))
    event["LogicalResourceId"] = "L" * 255
    event["StackId"] = "arn:aws:cloudformation:us-east-1:123456789012:stack/" + "s" * 128 + "/u"
    assert stack.send(event)["Status"] == "SUCCESS"


def test_paths_that_do_not_fit_are_refused_before_a_job_is_created(
    world: World, stack: Stack
) -> None:
    answer = stack.create(with_paths_of(longest("S3Path"), "\N{ATOM SYMBOL}"))
    assert answer["Status"] == "FAILED"
    assert "too long" in str(answer["Reason"])
    assert world.jobs == {}


# --- In time. ---


def test_a_call_that_never_returns_is_answered_in_time() -> None:
    release = threading.Event()

    def hang(name: str, _number: int) -> None:
        if name == "create_job":
            release.wait(30)

    class RealClock(World):
        def now(self) -> float:
            return time.time()

    clock = RealClock(before=hang)
    event = Stack(clock, dated=False).event("Create", properties())
    context = Context(clock)
    context._ends = clock.time + 2.0  # as the world counts, from its own start
    try:
        index.respond_to(event, context, clock)
    finally:
        release.set()
    [answer] = clock.answers
    assert answer["Status"] == "FAILED"
    assert "in time" in str(answer["Reason"])


def test_a_killed_function_is_not_swallowed() -> None:
    world = raising(Killed(), "create_job")
    with pytest.raises(Killed):
        Stack(world).create(properties())


# --- Delivery of the answer. ---


def test_an_answer_is_sent_again_after_a_server_error(world: World, stack: Stack) -> None:
    world.answer_statuses = [500, 503, 429]
    assert stack.create(properties())["Status"] == "SUCCESS"
    assert world.calls.count("put_answer") == 4


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 403, 404, 408, 409, 429, 500, 503])
def test_an_answer_that_is_no_success_is_sent_again(
    world: World, stack: Stack, status: int
) -> None:
    world.answer_statuses = [status]
    assert stack.create(properties())["Status"] == "SUCCESS"
    assert world.calls.count("put_answer") == 2


@pytest.mark.parametrize("status", [302, 403, 409, 500])
def test_an_answer_that_is_never_received_ends_in_an_error_so_that_lambda_retries(
    world: World, stack: Stack, status: int
) -> None:
    world.answer_statuses = [status] * 20
    with pytest.raises(ServiceError):
        index.respond_to(stack.event("Create", properties()), Context(world), world)
    assert world.calls.count("put_answer") == index.ANSWER_ATTEMPTS


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_that_is_received_is_not_sent_again(
    world: World, stack: Stack, status: int
) -> None:
    world.answer_statuses = [status]
    index.respond_to(stack.event("Create", properties()), Context(world), world)
    assert world.calls.count("put_answer") == 1


def test_a_lost_connection_is_tried_again(world: World, stack: Stack) -> None:
    lost = [ServiceError("PutAnswer", "ConnectionResetError", "", Kind.TRANSIENT)] * 3

    def check(name: str, _number: int) -> None:
        if name == "put_answer" and lost:
            raise lost.pop()

    world.before = check
    assert stack.create(properties())["Status"] == "SUCCESS"


def test_an_answer_that_cannot_be_delivered_ends_in_an_error_so_that_lambda_retries() -> None:
    world = raising(ServiceError("PutAnswer", "OSError", "", Kind.TRANSIENT), "put_answer")
    event = Stack(world).event("Create", properties())
    with pytest.raises(ServiceError):
        index.respond_to(event, Context(world), world)
    world.before = lambda _name, _number: None
    index.respond_to(event, Context(world), world)
    assert world.answers[-1]["PhysicalResourceId"] == world.only_job().arn


# --- Nothing secret is written. ---


def everything_written(capsys: pytest.CaptureFixture[str], world: World) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err + json.dumps(world.answers)


@pytest.mark.parametrize(
    "error",
    [
        ServiceError("CreateJob", "ValidationException", f"value {CANARY} is bad", Kind.PERMANENT),
        ServiceError("CreateJob", "ThrottlingException", f"{CANARY}", Kind.TRANSIENT),
        RuntimeError(CANARY),
    ],
)
def test_hyperparameters_and_the_response_url_are_never_written(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    world = raising(error, "create_job")
    stack = Stack(world)
    secret = request(hyperParameters={"password": CANARY})
    stack.create({**properties(), Property.REQUEST: json.dumps(secret)})
    stack.create({**properties(), Property.REQUEST: json.dumps({**secret, "jobName": "a_b"})})
    written = everything_written(capsys, world)
    assert CANARY not in written
    assert "X-Amz-Signature" not in written
    assert "cfn-response" not in written


# What a service may make of a value where it repeats the request.
QUOTES: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "json": json.dumps,
    "json, not escaped": lambda value: json.dumps(value, ensure_ascii=False),
    "repr": repr,
}
VALUES = {
    "long": "".join(f"{number:04x}-" for number in range(480)),
    "quotes": "pass\"word'0123456789-\"abcdef'",
    "backslash": "pass\\word\\0123456789\\abcdef",
    "not ASCII": 'päss"wörd-0123456789-çaçbçc-\N{ATOM SYMBOL}',
    "new line": "line1-0123456789\nline2-0123456789",
}
WINDOW = 12


def leaked(value: str, written: str) -> list[str]:
    """Return the parts of a value that a string contains, in any encoding."""
    forms = {quote(value) for quote in QUOTES.values()}
    ends = ((form, end) for form in forms for end in range(WINDOW, len(form) + 1))
    return [part for form, end in ends if (part := form[end - WINDOW : end]) in written]


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES.keys())
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_hyperparameters_are_redacted_in_every_quoting_of_the_service(
    value: str, quote: Callable[[str], str]
) -> None:
    message = f"Value {quote(value)} at 'hyperParameters.key' failed. {'More. ' * 300}"
    error = ServiceError("CreateJob", "ValidationException", message, Kind.PERMANENT, "r-1")
    told = str(explain(error, request(hyperParameters={"key": value}), "us-east-1"))
    assert leaked(value, told) == []
    assert "at 'hyperParameters.key' failed. More. " in told
    assert "(request r-1). The service refuses the request" in told
    assert len(told) < 1500


@pytest.mark.parametrize("quote", QUOTES.values(), ids=QUOTES.keys())
@pytest.mark.parametrize("value", [v for v in VALUES.values() if "\n" not in v])
@pytest.mark.parametrize("kind", [Kind.PERMANENT, Kind.TRANSIENT])
def test_hyperparameters_are_in_no_response_log_or_record(
    value: str, quote: Callable[[str], str], kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    message = f"Value {quote(value)} at 'hyperParameters.key' failed"
    world = raising(ServiceError("CreateJob", "ValidationException", message, kind), "create_job")
    secret = json.dumps(request(hyperParameters={"key": value}))
    answer = Stack(world).create({**properties(), Property.REQUEST: secret})
    assert "at 'hyperParameters.key' failed" in str(answer["Reason"])
    assert leaked(value, str(answer["Reason"])) == []
    assert leaked(value, capsys.readouterr().out) == []
    assert leaked(value, "".join(text for text, _ in world.objects.values())) == []


def test_an_earlier_error_of_a_service_is_recorded_without_hyperparameters() -> None:
    """A retried deployment finds the job of the first; then the time ends, before it is tagged."""
    value = VALUES["long"]
    world, secret = World(), json.dumps(request(hyperParameters={"key": value}))
    stack = Stack(world)

    def kill(name: str, _number: int) -> None:
        if name == "create_job":
            raise Killed

    def check(name: str, _number: int) -> None:
        if name == "get_job":
            raise ServiceError("GetJob", "InternalServerException", value, Kind.TRANSIENT)

    world.after = kill
    with pytest.raises(Killed):
        stack.create({**properties(), Property.REQUEST: secret})
    world.time += 600
    world.before = check
    answer = stack.create({**properties(tags={"team": "other"}), Property.REQUEST: secret})
    assert "The time for the response has ended" in str(answer["Reason"])
    assert "The time for the response has ended" in str(world.record()["runs"])
    assert leaked(value, str(answer["Reason"])) == []
    assert leaked(value, str(world.record())) == []


def test_the_record_holds_no_hyperparameters_and_no_url(world: World, stack: Stack) -> None:
    secret = request(hyperParameters={"password": CANARY})
    stack.create({**properties(), Property.REQUEST: json.dumps(secret)})
    [(text, _version)] = world.objects.values()
    assert CANARY not in text
    assert "Signature" not in text


def test_each_log_line_is_one_json_object_that_names_its_decision(
    world: World, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.create(properties("A"))
    stack.update(properties("A", tags={"new": "tag"}))
    stack.replace_with(properties("B"))
    stack.delete()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decisions = [line["decision"] for line in lines]
    assert decisions == [
        "started", "answered", "retagged", "kept", "answered", "started", "answered",
        "ended", "deleted", "answered", "ended", "deleted", "answered",
    ]  # fmt: skip
    started = lines[0]
    assert started["jobArn"] in world.jobs
    assert started["runId"] == contract.run_id(world.jobs[str(started["jobArn"])].token)
    assert set(started) == {
        "decision", "jobArn", "definition", "runId", "attempt", "logicalId", "type",
    }  # fmt: skip


# --- Events of jobs, for an alarm. ---

_JOB = "arn:aws:braket:us-east-1:123456789012:job/1"


def _lines(
    capsys: pytest.CaptureFixture[str], world: World, event: object
) -> list[dict[str, object]]:
    index.respond_to(event, Context(world), world)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _state_change(status: object = "FAILED", arn: object = _JOB) -> dict[str, object]:
    detail = {"jobArn": arn, "status": status}
    return {"source": "aws.braket", "detail-type": contract.JOB_STATE_CHANGE, "detail": detail}


def _world_with_job(status: str) -> World:
    world = World()
    world.jobs[_JOB] = FakeJob(_JOB, "token", request(), world.time, status)
    return world


def test_a_job_that_failed_is_a_metric_with_its_arn(capsys: pytest.CaptureFixture[str]) -> None:
    world = _world_with_job("FAILED")
    [line] = _lines(capsys, world, _state_change())
    assert line[contract.FAILED_JOBS] == 1
    assert line[contract.JOB_ARN_DIMENSION] == _JOB
    metadata = line["_aws"]
    assert isinstance(metadata, dict)
    [directive] = metadata["CloudWatchMetrics"]
    assert directive["Namespace"] == contract.METRICS_NAMESPACE
    assert directive["Dimensions"] == [[contract.JOB_ARN_DIMENSION]]
    assert directive["Metrics"] == [{"Name": contract.FAILED_JOBS, "Unit": "Count"}]
    assert world.calls == ["get_job"]


@pytest.mark.parametrize("status", ["RUNNING", "COMPLETED", "CANCELLED"])
def test_a_failure_that_the_service_does_not_confirm_is_not_counted(
    capsys: pytest.CaptureFixture[str], status: str
) -> None:
    assert _lines(capsys, _world_with_job(status), _state_change()) == []


def test_a_failure_of_an_unknown_job_is_not_counted(
    capsys: pytest.CaptureFixture[str], world: World
) -> None:
    assert _lines(capsys, world, _state_change()) == []


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.PERMANENT])
def test_a_failure_that_cannot_be_looked_up_is_tried_again_by_lambda(kind: Kind) -> None:
    world = raising(ServiceError("GetJob", "SomeError", CANARY, kind), "get_job")
    with pytest.raises(ServiceError):
        index.respond_to(_state_change(), Context(world), world)


@pytest.mark.parametrize(
    "event",
    [
        _state_change("COMPLETED"),
        _state_change(["FAILED"]),
        _state_change(arn=""),
        _state_change(arn=CANARY),
        {**_state_change(), "detail": CANARY},
        {**_state_change(), "detail-type": CANARY},
    ],
)
def test_other_events_are_no_metric(
    capsys: pytest.CaptureFixture[str], world: World, event: dict[str, object]
) -> None:
    lines = _lines(capsys, world, event)
    assert not any("_aws" in line for line in lines)
    assert CANARY not in json.dumps(lines)
    assert world.calls == []
