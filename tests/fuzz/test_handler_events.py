"""For any event, the handler responds if there is a URL, and raises no error."""

import json
import time
from collections.abc import Mapping
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import (
    CATCH_UP_SOURCE,
    CATCH_UP_TYPE,
    JOB_ARNS,
    RESOURCE_TYPE,
    RUN_ID,
    RUN_WAITS_UNTIL,
    Attribute,
    CatchUpProperty,
    Property,
    RunAction,
    RunProperty,
)
from cdk_braket._lambda.braket_jobs.dashboard import index as dashboard
from cdk_braket._lambda.braket_jobs.handler import cloudformation, index
from cdk_braket._lambda.braket_jobs.handler.aws_gateway import AwsGateway
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.fuzz.profile import fuzzed
from tests.fuzz.values import HOSTILE_TEXTS, json_values, scalars, texts
from tests.unit.handler.worlds import Context, Stack, World, properties, request

CANARY = "canary-e1f4"
LARGEST_EVENT = 256 * 1024  # bytes; Lambda's limit for asynchronous invocation


class StrictWorld(World):
    """A world whose service refuses values that the handler accepts, such as unknown enums."""

    def create_job(self, request: Mapping[str, object]) -> str:
        if model_rules.check("CreateJobRequest", request):
            raise ServiceError("CreateJob", "ValidationException", "", Kind.PERMANENT)
        return super().create_job(request)


def answers_to(event: object) -> list[dict[str, object]]:
    """Return the response of Lambda's entry point to an event."""
    world = StrictWorld()
    # What hangs on a wait is invoked again, a few times.
    with mock.patch.object(index, "_aws", world):
        index.handler(event, Context(world))
        for _ in range(3):
            if world.invoked:
                index.handler(world.invoked.pop(), Context(world))
    return world.answers


def assert_is_ours(answer: Mapping[str, object]) -> None:
    assert answer["Status"] in {"SUCCESS", "FAILED"}
    assert isinstance(answer["PhysicalResourceId"], str)
    assert 1 <= len(answer["PhysicalResourceId"].encode()) <= 1024
    reason = str(answer.get("Reason", ""))
    assert "unexpectedly" not in reason, reason
    assert "Traceback" not in reason


@fuzzed(150)
@given(json_values)
def test_an_input_that_is_not_an_event_ends_without_an_error(event: object) -> None:
    assert answers_to(event) == []


kinds = st.sampled_from(["Create", "Update", "Delete"])
address = st.just("https://answer/here?X-Amz-Signature=s")
whole = properties()
parts: Mapping[str, st.SearchStrategy[object]] = {
    # Mostly what the constructs write, so that what comes after it is reached.
    name: st.just(whole.get(name)) | json_values | json_values.map(json.dumps)
    for name in Property
}
maps = st.fixed_dictionaries({}, optional=dict(parts)) | json_values
events = st.fixed_dictionaries(
    {
        "ResponseURL": address
        | st.builds("https://answer/?X-Amz-Date={}&X-Amz-Expires={}".format, texts, texts),
        "RequestType": kinds | json_values,
        "RequestId": st.just("r") | texts,
        "StackId": st.just("arn:aws:cloudformation:us-east-1:1:stack/n/u") | texts,
        "LogicalResourceId": st.just("Job") | texts,
        "ResourceProperties": maps,
    },
    optional={
        "ResourceType": st.sampled_from([RESOURCE_TYPE, CATCH_UP_TYPE]) | json_values,
        "PhysicalResourceId": texts | json_values,
        "OldResourceProperties": maps,
        index.WAITS_UNTIL: scalars,
    },
)


@fuzzed(300)
@given(events)
def test_an_event_with_an_address_gets_one_answer_of_ours(event: dict[str, object]) -> None:
    if cloudformation.response_url(event) is None:
        assert answers_to(event) == []
        return
    [answer] = answers_to(event)
    assert_is_ours(answer)


job = "arn:aws:braket:us-east-1:123456789012:job/00000000-0000-0000-0000-000000000000"
catch_up: Mapping[str, st.SearchStrategy[object]] = {
    CatchUpProperty.JOB_ARN: st.just(job) | json_values,
    CatchUpProperty.EVENT_SOURCE: st.just(f"{CATCH_UP_SOURCE}rule") | json_values,
}
catch_ups = st.fixed_dictionaries(
    {
        "ResponseURL": address,
        "ResourceType": st.just(CATCH_UP_TYPE),
        "RequestType": kinds | json_values,
        "RequestId": st.just("r"),
        "StackId": st.just("arn:aws:cloudformation:us-east-1:1:stack/n/u"),
        "LogicalResourceId": st.just("Rule") | texts,
        "ResourceProperties": st.fixed_dictionaries({}, optional=dict(catch_up)) | json_values,
    },
    optional={"PhysicalResourceId": json_values, "OldResourceProperties": json_values},
)


@fuzzed(150)
@given(catch_ups)
def test_any_request_of_a_rule_gets_one_handled_response(event: dict[str, object]) -> None:
    [answer] = answers_to(event)
    assert_is_ours(answer)


ODD: list[object] = [[], ["text"], {}, [{}], None, 10**400, float("nan"), True, "\ud800"]
odd_values = pytest.mark.parametrize("odd", ODD, ids=[f"odd {n}" for n in range(len(ODD))])


@pytest.mark.parametrize("name", catch_up)
@odd_values
def test_one_odd_property_of_a_rule_is_answered(name: str, odd: object) -> None:
    usual: dict[str, object] = {
        CatchUpProperty.JOB_ARN: job,
        CatchUpProperty.EVENT_SOURCE: f"{CATCH_UP_SOURCE}rule",
    }
    event = Stack(World()).event("Create", {**usual, name: odd})
    [answer] = answers_to({**event, "ResourceType": CATCH_UP_TYPE})
    assert_is_ours(answer)


# --- What state machines, schedules, rules and dashboards send. ---

asked: Mapping[str, object] = {
    RunProperty.EXECUTION: "arn:aws:states:us-east-1:123456789012:execution:Nightly:1",
    RunProperty.RUN_ID: "run",
    RunProperty.PROPERTIES: {**whole, Property.REQUEST: request()},
    RunProperty.HYPERPARAMETERS: {"shots": 10},
    RunProperty.TIMEOUT_SECONDS: 5,
    RunProperty.TASK_TOKEN: "token",
    RunProperty.RUN: {Attribute.JOB_ARN: job, RUN_ID: "run", RUN_WAITS_UNTIL: 1},
    RunProperty.RECORDS: whole[Property.RECORDS],
    RunProperty.JOB_ARN: job,
}
asked_anyhow: Mapping[str, st.SearchStrategy[object]] = {
    name: st.just(value) | json_values | st.dictionaries(texts, json_values, max_size=3)
    for name, value in asked.items()
}
actions = st.sampled_from([str(action) for action in RunAction])
wishes = st.fixed_dictionaries({RunProperty.ACTION: actions | json_values, **asked_anyhow})
poor_wishes = st.fixed_dictionaries({RunProperty.ACTION: actions}, optional=dict(asked_anyhow))


def assert_ends_in_our_terms(event: object) -> None:
    assert "unexpectedly" not in refusal_of(event), event


def refusal_of(event: object) -> str:
    """Return the error of Lambda's entry point; empty if it succeeds."""
    world = StrictWorld()
    try:
        with mock.patch.object(index, "_aws", world):
            index.handler(event, Context(world))
    except index.HybridJobError as error:
        return str(error)
    return ""


@fuzzed(300)
@given(wishes | poor_wishes)
def test_a_wish_of_any_form_is_done_or_refused_in_our_terms(event: dict[str, object]) -> None:
    assert_ends_in_our_terms(event)


@pytest.mark.parametrize("action", RunAction)
@pytest.mark.parametrize("name", asked)
@odd_values
def test_one_odd_member_of_a_wish_is_no_unforeseen_error(
    action: RunAction, name: str, odd: object
) -> None:
    assert_ends_in_our_terms({RunProperty.ACTION: action, **asked, name: odd})


class NoJobs:
    """A service that knows no job."""

    def get_job(self, *, jobArn: str) -> Mapping[str, object]:  # noqa: N803 - boto3's name
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, f"GetJob {jobArn}")


@fuzzed(150)
@given(
    json_values
    | st.fixed_dictionaries({JOB_ARNS: json_values | st.lists(st.just(job) | json_values)})
)
def test_a_dashboard_shows_a_table_for_any_event(event: object) -> None:
    shown = dashboard.render(event, NoJobs)
    assert shown == "<p>No hybrid jobs.</p>" or shown.startswith("<table>")


# --- What a request may hold, in each place of it. ---

REQUEST = request()


def places(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of everything in a request."""
    if not isinstance(value, Mapping):
        return [path]
    return [path, *(each for name, part in value.items() for each in places(part, (*path, name)))]


def with_value(value: object, path: tuple[str, ...], new: object) -> object:
    if not path:
        return new
    assert isinstance(value, Mapping)
    return {**value, path[0]: with_value(value[path[0]], path[1:], new)}


@fuzzed(300)
@given(st.sampled_from(places(REQUEST)), json_values)
def test_a_request_with_anything_anywhere_is_created_or_refused(
    path: tuple[str, ...], value: object
) -> None:
    text = json.dumps(with_value(REQUEST, path, value))
    world = StrictWorld()
    answer = Stack(world).create({**properties(), Property.REQUEST: text})
    assert_is_ours(answer)
    assert (answer["Status"] == "SUCCESS") == bool(world.jobs)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_any_hyperparameter_arrives_unchanged_or_is_refused_without_its_value(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world = StrictWorld()
    secret = f"{CANARY}{text}"[:3000]
    changed = request(hyperParameters={"p": secret, f"n{text}": CANARY})
    answer = Stack(world).create({**properties(), Property.REQUEST: json.dumps(changed)})
    if answer["Status"] == "SUCCESS":
        assert world.only_job().request["hyperParameters"] == changed["hyperParameters"]
    assert CANARY not in "".join([str(answer), *capfd.readouterr()])


@fuzzed(100)
@given(st.dictionaries(texts, texts, max_size=5))
def test_any_tags_arrive_unchanged_or_are_refused(tags: dict[str, str]) -> None:
    world = StrictWorld()
    answer = Stack(world).create(properties(tags=tags))
    assert_is_ours(answer)
    if answer["Status"] == "SUCCESS":
        assert tags.items() <= world.only_job().tags.items()


# --- As large as they come. ---

LARGE = {
    "one long text": "x" * LARGEST_EVENT,
    "deep": "[" * LARGEST_EVENT,
    "many hyperparameters": json.dumps(
        request(hyperParameters={f"p{n}": "v" * 20 for n in range(6000)})
    ),
    "many channels": json.dumps(request(inputDataConfig=[{"channelName": "c"}] * 8000)),
    "many strange members": json.dumps({**request(), **{f"m{n}": n for n in range(16_000)}}),
    "a long number": "9" * LARGEST_EVENT,
    "quotes": json.dumps(request(hyperParameters={"q": '"' * (LARGEST_EVENT // 5)})),
    "slow for patterns": json.dumps(
        request(outputDataConfig={"s3Path": "s3://" + "a." * (LARGEST_EVENT // 3) + "!"})
    ),
}


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("name", Property)
@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_large_properties_are_answered_in_time(kind: str, name: Property, text: str) -> None:
    event = Stack(World()).event(kind, {**whole, name: text}, "some-id", {**whole, name: text})
    began = time.monotonic()
    [answer] = answers_to(event)
    assert time.monotonic() - began < 30
    assert_is_ours(answer)


def test_a_map_of_many_properties_is_answered() -> None:
    many = {f"Property{n}": "x" * 10 for n in range(10_000)}
    [answer] = answers_to(Stack(World()).event("Create", {**properties(), **many}))
    assert answer["Status"] == "SUCCESS"


# --- Through the gateway that speaks to AWS. ---


@fuzzed(100)
@given(
    st.sampled_from(["http", "https"]),
    texts.map(lambda text: text.replace("#", "")),
    st.sampled_from(["", ":0", ":1", ":65536", ":x", "@127.0.0.1:1"]),
)
def test_an_address_of_any_form_is_no_unforeseen_error(scheme: str, path: str, port: str) -> None:
    url = f"{scheme}://127.0.0.1:1{port}/{CANARY}{path}"
    event = {"ResponseURL": url}
    if cloudformation.response_url(event) is None:
        return
    with pytest.raises(ServiceError) as raised:
        AwsGateway().put_answer(url, b"{}")
    assert CANARY not in repr(raised.value)
