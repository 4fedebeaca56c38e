"""Texts of the template: the same, shorter, or left as they are."""

import pytest

from cdk_braket.core.substitution import substituted, substituted_in

_BUCKET = {"Ref": "Bucket"}


@pytest.mark.parametrize(
    ("parts", "shorter"),
    [
        (["s3://", _BUCKET, "/a"], "s3://${Bucket}/a"),
        ([{"Fn::GetAtt": ["Key", "Arn"]}, '"}'], '${Key.Arn}"}'),
        (["a", {"Fn::Sub": "${AWS::Region}/b"}], "a${AWS::Region}/b"),
        (["a", {"Ref": "AWS::StackId"}], "a${AWS::StackId}"),
        (
            ["a", {"Fn::ImportValue": "X"}, _BUCKET, {"Fn::Select": [0, []]}],
            [
                "a${Value0}${Bucket}${Value1}",
                {"Value0": {"Fn::ImportValue": "X"}, "Value1": {"Fn::Select": [0, []]}},
            ],
        ),
    ],
)
def test_a_join_is_rendered_as_a_substitution(parts: list[object], shorter: object) -> None:
    assert substituted({"Fn::Join": ["", parts]}) == {"Fn::Sub": shorter}


@pytest.mark.parametrize(
    "rendered",
    [
        "text",
        _BUCKET,
        {"Fn::Join": [",", ["a", _BUCKET]]},
        {"Fn::Join": ["", ["${not-ours}", _BUCKET]]},
        {"Fn::Join": ["", ["a$", _BUCKET]]},
        # Not among what Fn::Sub is documented to take.
        {"Fn::Join": ["", ["a", {"Fn::GetStackOutput": {"StackName": "A"}}]]},
    ],
)
def test_a_form_that_cannot_be_shorter_stays(rendered: object) -> None:
    assert substituted(rendered) == rendered


def test_values_are_shortened_wherever_they_are() -> None:
    long = {"Fn::Join": ["", ["s3://", _BUCKET]]}
    short = {"Fn::Sub": "s3://${Bucket}"}
    assert substituted_in({"a": [long, {"b": long}], "c": 1}) == {
        "a": [short, {"b": short}],
        "c": 1,
    }
