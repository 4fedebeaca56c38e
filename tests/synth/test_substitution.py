"""Texts of the template: the same, shorter, or left as they are."""

import pytest
from aws_cdk import Aws, Fn, Token

from cdk_braket.core.substitution import compact, substituted
from tests.synth.support import new_stack

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


def test_a_string_with_tokens_is_rendered_once_and_as_one() -> None:
    stack = new_stack(region=None)
    text = f'{{"bucket":"{Token.as_string(_BUCKET)}","at":"{Aws.REGION}","in":"{Fn.ref("P")}"}}'
    assert stack.resolve(compact(text)) == {
        "Fn::Sub": '{"bucket":"${Bucket}","at":"${AWS::Region}","in":"${P}"}'
    }
    assert stack.resolve(compact("no tokens")) == "no tokens"
