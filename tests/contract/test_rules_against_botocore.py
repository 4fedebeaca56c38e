"""`rules` held against botocore: its own validator, and each constraint of its service model."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket._lambda.braket_jobs.api.service_model import Shape, shape

MODEL: ServiceModel = botocore.session.get_session().get_service_model("braket")

# What botocore leaves to the service, and we don't.
BEYOND_BOTOCORE = {Rule.MAX_LENGTH, Rule.MAX_ITEMS, Rule.MAX, Rule.PATTERN, Rule.ENUM}


def botocore_refuses(shape_name: str, value: object) -> bool:
    # The validator also takes what is not a mapping; its stub does not say so.
    params = cast("Mapping[str, Any]", value)
    report = ParamValidator().validate(params, MODEL.shape_for(shape_name))
    return bool(report.has_errors())


def we_refuse(shape_name: str, value: object) -> bool:
    found = model_rules.check(shape_name, value)
    return any(problem.rule not in BEYOND_BOTOCORE for problem in found)


# --- Every constraint of the model, at, just inside and just outside of the bound. ---

Path = tuple[str | int, ...]

# A text for each pattern, and one that breaks it. The patterns themselves come from the model;
# a pattern that is not listed here fails the test, so that it is looked at.
PATTERN_SAMPLES = {
    "BraketResourceArn": ("arn:aws:braket:us-east-1:123456789012:reservation/r", "arn:aws:s3:::b"),
    "CreateJobRequestJobNameString": ("a-1", "-a"),
    "HyperParametersValueString": ("0.5", "two\nlines"),
    "InputFileConfigChannelNameString": ("input_1.x-y", "a b"),
    "RoleArn": ("arn:aws:iam::123456789012:role/r", "arn:aws:iam::1:role/r"),
    "S3Path": ("s3://bucket/key", "bucket/key"),
    "Uri": ("123456789012.dkr.ecr.us-east-1.amazonaws.com/image:tag", "docker.io/image:tag"),
}


def leaves(name: str, path: Path = ()) -> Iterator[tuple[Path, Shape]]:
    """Every shape within a shape, with the path to it."""
    here = shape(name)
    yield path, here
    for member, inner in here.members.items():
        yield from leaves(inner, (*path, member))
    if here.type == "list":
        assert here.element is not None
        yield from leaves(here.element, (*path, 0))
    if here.type == "map":
        assert here.element is not None
        yield from leaves(here.element, (*path, "key"))


JOB = "CreateJobRequest"
ALL = list(leaves(JOB))


def text_of(limited: Shape, size: int) -> str:
    """A string of that size which breaks no other rule of the shape, as far as one exists."""
    if limited.enum:
        return limited.enum[0]
    sample = PATTERN_SAMPLES[limited.name][0] if limited.pattern else ""
    return (sample + "a" * size)[: max(size, 0)] if size >= len(sample) else "a" * size


def valid(name: str) -> object:
    """A value of the shape with every member, all of them allowed."""
    here = shape(name)
    if here.type == "structure":
        return {member: valid(inner) for member, inner in here.members.items()}
    if here.type == "list":
        assert here.element is not None
        return [valid(here.element) for _ in range(max(here.minimum or 0, 1))]
    if here.type == "map":
        assert here.element is not None
        return {"key": valid(here.element)}
    if here.type == "string":
        if here.enum:
            return here.enum[0]
        return PATTERN_SAMPLES[here.name][0] if here.pattern else "text"
    if here.type in {"integer", "long"}:
        return max(here.minimum or 0, 1)
    raise AssertionError(here.type)


def within(value: object, path: Path, replacement: object) -> object:
    if not path:
        return replacement
    step, *rest = path
    if isinstance(value, dict):
        return {**value, step: within(value[step], tuple(rest), replacement)}
    assert isinstance(value, list)
    return [within(value[0], tuple(rest), replacement), *value[1:]]


def verdict(path: Path, replacement: object) -> list[Problem]:
    """The problems of a request that is right but for one place."""
    return model_rules.check(JOB, within(valid(JOB), path, replacement))


def rules_at(path: Path, replacement: object) -> set[Rule]:
    return {problem.rule for problem in verdict(path, replacement) if problem.path == path}


def ids(case: object) -> str:
    return ".".join(map(str, case)) or JOB if isinstance(case, tuple) else ""


def test_the_complete_valid_request_is_accepted() -> None:
    assert model_rules.check(JOB, valid(JOB)) == []
    assert not botocore_refuses(JOB, valid(JOB))


@pytest.mark.parametrize(
    ("path", "limited"), [(p, s) for p, s in ALL if s.type == "structure"], ids=ids
)
def test_each_member_may_be_left_out_unless_required(path: Path, limited: Shape) -> None:
    full = valid(limited.name)
    assert isinstance(full, dict)
    for member in limited.members:
        without = {name: value for name, value in full.items() if name != member}
        expected = {Rule.REQUIRED} if member in limited.required else set()
        problems = verdict(path, without)
        assert {problem.rule for problem in problems} == expected
        assert all(problem.path == (*path, member) for problem in problems)
        assert botocore_refuses(JOB, within(valid(JOB), path, without)) == bool(expected)


@pytest.mark.parametrize(
    ("path", "limited"), [(p, s) for p, s in ALL if s.type == "structure"], ids=ids
)
def test_an_unknown_member_is_refused(path: Path, limited: Shape) -> None:
    full = valid(limited.name)
    assert isinstance(full, dict)
    problems = verdict(path, {**full, "unheardOf": 1})
    assert [(p.path, p.rule) for p in problems] == [((*path, "unheardOf"), Rule.UNKNOWN_MEMBER)]


@pytest.mark.parametrize(
    ("path", "limited"), [(p, s) for p, s in ALL if s.type == "string"], ids=ids
)
def test_text_at_inside_and_outside_of_its_lengths(path: Path, limited: Shape) -> None:
    least, most = limited.minimum, limited.maximum
    if least:
        assert Rule.MIN_LENGTH not in rules_at(path, text_of(limited, least))
        assert Rule.MIN_LENGTH not in rules_at(path, text_of(limited, least + 1))
        assert Rule.MIN_LENGTH in rules_at(path, text_of(limited, least - 1))
    if most is not None:
        assert rules_at(path, text_of(limited, most)) == set()
        assert rules_at(path, text_of(limited, most - 1)) == set()
        assert Rule.MAX_LENGTH in rules_at(path, text_of(limited, most + 1))
    if most is None and not limited.enum:
        assert rules_at(path, text_of(limited, 100_000)) == set()


@pytest.mark.parametrize(
    ("path", "limited"), [(p, s) for p, s in ALL if s.type in {"integer", "long"}], ids=ids
)
def test_numbers_at_inside_and_outside_of_their_bounds(path: Path, limited: Shape) -> None:
    if limited.minimum is not None:
        assert rules_at(path, limited.minimum) == set()
        assert rules_at(path, limited.minimum + 1) == set()
        assert rules_at(path, limited.minimum - 1) == {Rule.MIN}
    if limited.maximum is not None:
        assert rules_at(path, limited.maximum) == set()
        assert rules_at(path, limited.maximum - 1) == set()
        assert rules_at(path, limited.maximum + 1) == {Rule.MAX}
    else:
        assert rules_at(path, 10**9) == set()


@pytest.mark.parametrize(
    ("path", "limited"), [(p, s) for p, s in ALL if s.type in {"list", "map"}], ids=ids
)
def test_lists_and_maps_at_inside_and_outside_of_their_sizes(path: Path, limited: Shape) -> None:
    def sized(count: int) -> object:
        assert limited.element is not None
        element = valid(limited.element)
        if limited.type == "map":
            return {f"key{number}": element for number in range(count)}
        return [element] * count

    if limited.minimum:
        assert rules_at(path, sized(limited.minimum)) == set()
        assert rules_at(path, sized(limited.minimum - 1)) == {Rule.MIN_ITEMS}
    else:
        assert rules_at(path, sized(0)) == set()
    if limited.maximum is None:
        assert rules_at(path, sized(500)) == set()
        return
    assert rules_at(path, sized(limited.maximum)) == set()
    assert rules_at(path, sized(limited.maximum - 1)) == set()
    assert rules_at(path, sized(limited.maximum + 1)) == {Rule.MAX_ITEMS}


@pytest.mark.parametrize(("path", "limited"), [(p, s) for p, s in ALL if s.type == "map"], ids=ids)
def test_map_keys_obey_their_shape(path: Path, limited: Shape) -> None:
    assert limited.key is not None
    assert limited.element is not None
    key = shape(limited.key)
    for size in (key.minimum, key.maximum):
        for wrong in (-1, 1) if size else ():
            assert size is not None
            outside = (wrong < 0) == (size == key.minimum)
            mapping = {"k" * (size + wrong): valid(limited.element)}
            assert bool(verdict(path, mapping)) == outside


@pytest.mark.parametrize(("path", "limited"), [(p, s) for p, s in ALL if s.pattern], ids=ids)
def test_patterns_accept_and_refuse(path: Path, limited: Shape) -> None:
    right, wrong = PATTERN_SAMPLES[limited.name]
    assert rules_at(path, right) == set()
    assert rules_at(path, wrong) == {Rule.PATTERN}


@pytest.mark.parametrize(("path", "limited"), [(p, s) for p, s in ALL if s.enum], ids=ids)
def test_enums_accept_each_of_their_values_and_no_other(path: Path, limited: Shape) -> None:
    for value in limited.enum:
        assert rules_at(path, value) == set()
        assert rules_at(path, value.swapcase()) == {Rule.ENUM}
        assert rules_at(path, value + " ") == {Rule.ENUM}


@pytest.mark.parametrize(("path", "limited"), ALL, ids=ids)
def test_each_place_refuses_another_type(path: Path, limited: Shape) -> None:
    candidates: list[object] = ["text", 7, ["text"], {"a": "b"}, None, True, 7.5, b"bytes"]
    python_type = {"structure": dict, "map": dict, "list": list, "string": str}
    own = python_type.get(limited.type, int)
    for wrong in candidates:
        if type(wrong) is not own:
            assert rules_at(path, wrong) == {Rule.TYPE}


# --- The same verdict as botocore, wherever botocore has one. ---


SCALARS: dict[str, st.SearchStrategy[object]] = {
    "string": st.text(max_size=3) | st.just(7) | st.none(),
    "integer": st.integers(-2, 2) | st.just("1") | st.none() | st.just(1.5),
    "long": st.integers(-2, 2) | st.just("1") | st.none() | st.just(1.5),
    "boolean": st.booleans() | st.just("true"),
    "timestamp": st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), "nonsense", [1]]),
}


def values_for(name: str) -> st.SearchStrategy[object]:
    """Values that are near the shape: mostly right in kind, often wrong in detail."""
    here = shape(name)
    if here.type == "structure":
        members = {m: values_for(inner) for m, inner in here.members.items()}
        exact = st.fixed_dictionaries({}, optional=members)
        return st.one_of(exact, exact.map(lambda value: {**value, "unheardOf": 1}))
    if here.type == "list":
        assert here.element is not None
        return st.lists(values_for(here.element), max_size=3) | st.just("text")
    if here.type == "map":
        assert here.element is not None
        return st.dictionaries(st.text(max_size=2), values_for(here.element), max_size=3)
    return SCALARS[here.type]


STRUCTURES = [
    name
    for name in service_model.shape_names()
    if shape(name).type == "structure" and shape(name).error_status is None
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(STRUCTURES).flatmap(lambda n: st.tuples(st.just(n), values_for(n))))
def test_same_verdict_as_botocore_on_any_structure(case: tuple[str, object]) -> None:
    name, value = case
    assert we_refuse(name, value) == botocore_refuses(name, value)


# A slow machine makes it slow, not red.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values_for(JOB))
def test_same_verdict_as_botocore_on_job_requests(value: object) -> None:
    assert we_refuse(JOB, value) == botocore_refuses(JOB, value)


@pytest.mark.parametrize("name", service_model.shape_names())
def test_every_constraint_botocore_knows_is_known_to_rules(name: str) -> None:
    theirs = MODEL.shape_for(name)
    ours = shape(name)
    assert ours.type == theirs.type_name
    assert ours.minimum == theirs.metadata.get("min")
    assert ours.maximum == theirs.metadata.get("max")
    assert ours.required == tuple(theirs.metadata.get("required", ()))
    assert ours.enum == tuple(theirs.metadata.get("enum", ()))


def test_every_operation_is_read_as_botocore_reads_it() -> None:
    assert service_model.operation_names() == tuple(sorted(MODEL.operation_names))
    for name in service_model.operation_names():
        ours, theirs = service_model.operation(name), MODEL.operation_model(name)
        assert (ours.method, ours.uri) == (theirs.http["method"], theirs.http["requestUri"])
        assert theirs.input_shape is not None
        assert theirs.output_shape is not None
        assert ours.input_shape == theirs.input_shape.name
        assert ours.output_shape == theirs.output_shape.name
        assert ours.errors == tuple(error.name for error in theirs.error_shapes)


def test_a_bool_is_stricter_than_botocore_on_purpose() -> None:
    value = {"maxRuntimeInSeconds": True}
    assert not botocore_refuses("JobStoppingCondition", value)
    assert we_refuse("JobStoppingCondition", value)
