"""Values that are not known before the deployment, or not before a context look-up."""

import re
import struct
from typing import Final

from aws_cdk import Fn

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


# How CDK marks tokens in strings and numbers. Source:
# https://docs.aws.amazon.com/cdk/v2/guide/tokens.html and `core/lib/private/encoding.ts` of
# aws-cdk-lib, whose own answer a test compares with this one.
_STRING_MARK: Final = "Token["
STRING_TOKEN: Final = r"\$\{Token\[[a-zA-Z0-9:._-]+\]\}"  # noqa: S105 - CDK's tokens are no secrets
"""The pattern of a token in a string. Numbers that are tokens have another one in strings."""
_STRING_TOKEN: Final = re.compile(rf"{STRING_TOKEN}|-1\.[0-9]{{10,16}}e\+289")
_NUMBER_MARK: Final = b"\xfb\xff"


def is_unknown(value: object) -> bool:
    """Whether a value is known only later: a token, number tokens included, or a stand-in."""
    value = plain(value)  # CDK knows no other library's numbers and enumerations
    return is_stand_in(value) or is_token(value)


def tokens_in(text: str) -> list[str]:
    """Return the parts of a string that are tokens."""
    return _STRING_TOKEN.findall(text) if _STRING_MARK in text else []


def is_token(value: object) -> bool:
    """Whether a string or a number is a token, or holds one, without a call to Node.

    Args:
        value: The string or number; any other value is no token.
    """
    if isinstance(value, str):
        return _STRING_MARK in value and _STRING_TOKEN.search(value) is not None
    if not isinstance(value, (int, float)):
        return False
    try:
        return struct.pack(">d", value).startswith(_NUMBER_MARK)
    except (OverflowError, struct.error):
        return False  # larger than any token


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
