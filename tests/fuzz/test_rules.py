"""The rules report the problems of any value, in time, and never the value."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model
from cdk_braket._lambda.braket_jobs.api.service_rules import (
    device_region,
    is_device,
    is_prefix,
    problems_of_container,
    problems_of_service,
)
from tests.fuzz.profile import fuzzed
from tests.fuzz.values import HOSTILE_TEXTS, json_values, texts
from tests.unit.handler.worlds import request

INPUTS = sorted(
    service_model.operation(name).input_shape for name in service_model.operation_names()
)
LARGE = 256 * 1024


def shaped(name: str) -> st.SearchStrategy[object]:
    """Values in the form of a shape, with some hostile ones."""
    shape = service_model.shape(name)
    if shape.type == "structure":
        members: dict[str, st.SearchStrategy[object]] = {
            member: shaped(of) for member, of in shape.members.items()
        }
        form: st.SearchStrategy[object] = st.fixed_dictionaries({}, optional=members)
    elif shape.type == "list" and shape.element:
        form = st.lists(shaped(shape.element), max_size=3)
    elif shape.type == "map" and shape.element:
        form = st.dictionaries(texts, shaped(shape.element), max_size=3)
    else:
        form = texts
    return form | json_values


@fuzzed(150)
@given(st.sampled_from(INPUTS).flatmap(lambda name: st.tuples(st.just(name), shaped(name))))
def test_any_value_of_any_request_is_judged(given_: tuple[str, object]) -> None:
    name, value = given_
    for problem in model_rules.check(name, value):
        assert problem.message
        assert len(problem.message) < 1000
        assert "\n" not in problem.message


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_no_message_shows_a_hyperparameter(text: str) -> None:
    secret = f"canary-90d2{text}"
    value = {"hyperParameters": {"p": secret, "q": [secret], "r": {"s": secret}}, "jobName": secret}
    problems = model_rules.check("CreateJobRequest", value)
    assert problems
    assert all("canary-90d2" not in f"{problem!r}{problem.message}" for problem in problems)


@fuzzed(200)
@given(texts, json_values)
def test_rules_beyond_the_model_are_checked(text: str, value: object) -> None:
    assert isinstance(is_device(text), bool)
    assert isinstance(is_prefix(text), bool)
    device_region(text)
    for request_ in (
        request(deviceConfig=value),
        request(deviceConfig={"device": text}),
        request(algorithmSpecification=value),
    ):
        assert isinstance(problems_of_service(request_, text), list)
        assert isinstance(problems_of_container(request_), list)


# What makes a pattern with two ways through the same text slow.
SLOW = {
    "one letter": "a" * LARGE,
    "dots": "a." * (LARGE // 2),
    "slashes": "/" * LARGE,
    "colons": ":" * LARGE,
    "a URI": "s3://" + "a-" * (LARGE // 2) + "\n",
    "an ARN": "arn:aws:braket:" + "a" * LARGE + "\x00",
    "an image": "1.dkr.ecr.us-east-1.amazonaws.com/" + "a/" * (LARGE // 2) + "!",
    "digits": "1" * LARGE + "x",
    "spaces": " " * LARGE + "\n",
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_no_pattern_of_the_model_is_slow(text: str) -> None:
    began = time.monotonic()
    for name in service_model.shape_names():
        if service_model.shape(name).type == "string":
            model_rules.check(name, text)
    is_device(text)
    is_device(f"arn:aws:braket:::device/{text}")
    assert time.monotonic() - began < 20


def test_a_request_of_many_strange_members_is_judged_in_time() -> None:
    many = {f"hyperParameter{n}": n for n in range(12_000)}
    began = time.monotonic()
    assert len(model_rules.check("CreateJobRequest", many)) > len(many)
    assert time.monotonic() - began < 20
