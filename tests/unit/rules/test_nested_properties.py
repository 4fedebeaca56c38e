"""The request of CreateJob as properties of a template, and back."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api.nested_properties import is_plain_map, nested, restored
from cdk_braket._lambda.braket_jobs.api.service_model import shape
from tests.types import sample
from tests.unit.handler.worlds import as_strings

_REQUEST = "CreateJobRequest"
_WHOLE = {**sample.REQUEST, "roleArn": "arn:aws:iam::111122223333:role/job"}


def _structures(name: str) -> Iterator[str]:
    found = shape(name)
    if found.type == "structure":
        yield name
    for inner in (*found.members.values(), found.element, found.key):
        if inner is not None:
            yield from _structures(inner)


def test_every_member_is_restored_with_its_name_and_type() -> None:
    sent = as_strings(nested(_REQUEST, _WHOLE, json.dumps))
    assert restored(_REQUEST, sent) == _WHOLE
    assert json.dumps(restored(_REQUEST, sent)) == json.dumps(_WHOLE), "1 is not True, nor 1.0"


def test_members_are_named_as_cloudformation_names_them() -> None:
    sent = nested(_REQUEST, _WHOLE, json.dumps)
    assert isinstance(sent, dict)
    assert sent["InstanceConfig"]["VolumeSizeInGb"] == _WHOLE["instanceConfig"]["volumeSizeInGb"]  # type: ignore[index]  # a structure
    assert sent["HyperParameters"] == _WHOLE["hyperParameters"]


def test_no_two_members_of_a_structure_share_a_name() -> None:
    for name in set(_structures(_REQUEST)):
        members = shape(name).members
        capitalized = {member[:1].upper() + member[1:] for member in members}
        assert len(capitalized) == len(members)
        assert not capitalized & set(members), "two members would have the same property"


def test_names_of_the_api_are_kept() -> None:
    assert restored(_REQUEST, _WHOLE) == _WHOLE


@pytest.mark.parametrize(
    "key",
    ["Ref", "Fn::Sub", "Fn::Transform", "Condition", "a.$", "$jsii.byref", "${a}", "&{a}", "é", ""],
)
def test_a_key_that_a_template_would_evaluate_is_carried_in_a_string(key: str) -> None:
    asked = {"hyperParameters": {key: "1", "shots": "100"}}
    sent = nested(_REQUEST, asked, json.dumps)
    assert sent == {"HyperParameters": json.dumps(asked["hyperParameters"])}
    assert restored(_REQUEST, sent) == asked


@pytest.mark.parametrize("key", ["shots", "a.b-c_d", "team:cost", "aws-cdk/x", "Refs", "0", "a b"])
def test_usual_keys_are_nested(key: str) -> None:
    assert is_plain_map({key: "1"})


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), min_size=1, max_size=4))
def test_any_map_survives(values: dict[str, str]) -> None:
    asked = {"hyperParameters": values}
    assert restored(_REQUEST, nested(_REQUEST, asked, json.dumps)) == asked


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("30", 30),
        (30, 30),
        ("9007199254740991", 2**53 - 1),
        ("1.0E9", 10**9),
        ("30.5", "30.5"),
        ("", ""),
        ("\uff13\uff10", "\uff13\uff10"),
        (" 30", " 30"),
        ("1_0", "1_0"),
        ("1e999999999", "1e999999999"),
        ("9" * 5000, "9" * 5000),
        ("NaN", "NaN"),
        ("true", "true"),
        (None, None),
        ([], []),
    ],
)
def test_a_number_is_restored_and_anything_else_is_left_to_the_checks(
    sent: object, value: object
) -> None:
    found = restored("InstanceConfig", {"VolumeSizeInGb": sent})
    assert found == {"volumeSizeInGb": value}
    assert type(found["volumeSizeInGb"]) is type(value)


@pytest.mark.parametrize("text", ["not json", "[1]", "[" * 100_000, '"a"'])
def test_a_map_that_is_no_json_object_is_left_to_the_checks(text: str) -> None:
    assert restored(_REQUEST, {"HyperParameters": text}) == {"hyperParameters": text}


def test_an_unknown_member_is_left_to_the_checks() -> None:
    assert restored(_REQUEST, {"NewMember": {"A": "1"}}) == {"NewMember": {"A": "1"}}
