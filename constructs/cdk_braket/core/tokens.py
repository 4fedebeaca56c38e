"""Values that are not known before the deployment, or not before a context look-up."""

import math
from typing import Final

from aws_cdk import Fn, Token

from .plain import plain

# What CDK puts in the place of a context value that it has not looked up yet. The first synthesis
# runs with it, and has to end, so that the look-up takes place. Source: `dummyValue` in
# aws-cdk-lib (aws-ssm, aws-iam, aws-ecr, aws-kms, aws-ec2, aws-route53).
_PARTS: Final = (
    "dummy-value-for-",
    "DUMMY_ARN",
    "1234abcd-12ab-34cd-56ef-1234567890ab",
)
# These are whole values: as a part of one, they may be anything.
_WHOLE: Final = frozenset(
    {"DUMMY", "ami-1234", "dummy1a", "dummy1b", "dummy1c", "sg-12345678", "vpc-12345"}
)


def is_unknown(value: object) -> bool:
    """Whether a value is known only later: a token, number tokens included, or a stand-in."""
    value = plain(value)  # jsii knows no other library's numbers and enumerations
    if isinstance(value, float) and not math.isfinite(value):
        return False  # no token, and jsii's Node ends on a number that JSON has not
    if is_stand_in(value):
        return True
    return isinstance(value, (str, int, float)) and Token.is_unresolved(value)


def is_stand_in(value: object) -> bool:
    """Whether a string is the placeholder of a context value that was not looked up yet."""
    if not isinstance(value, str):
        return False
    return value in _WHOLE or any(part in value for part in _PARTS)


def settled(text: str) -> str:
    """Return a placeholder as a token, so that no check reads it; return other strings unchanged.

    CDK's own imports, such as `iam.Role.from_role_arn`, refuse a placeholder, and accept a token.
    """
    return Fn.join("", [text]) if is_stand_in(text) else text
