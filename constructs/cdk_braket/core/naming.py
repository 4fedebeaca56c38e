"""The buckets of an environment, and the folders in them."""

import re
import string
from typing import Final

from aws_cdk import Fn, Stack

from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX

SCRIPTS: Final = "scripts"
"""Packed scripts in the inputs bucket, by content."""

INPUTS: Final = "inputs"
"""Input data in the inputs bucket, by content."""

RECORDS: Final = ".cdk-braket/jobs"
"""Where the handler keeps its records in the inputs bucket. The job's role cannot reach it."""

JOBS: Final = "jobs"
"""Results and checkpoints in the results bucket, unless the user chooses others."""

# Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
_DESCRIPTION: Final = re.compile("[\t\n\r -~\u00a1-\u00ff]{0,1000}")

_DIGITS: Final = string.digits + string.ascii_lowercase
_STACK_UUID: Final = 2  # arn:…:stack/<name>/<uuid>, cut at the slashes


def stack_uuid(stack: Stack) -> str:
    """Return the end of a stack's id, a token: unlike its name, no other stack ever has it.

    Not from `Aws.STACK_ID`, which is the id of the stack that renders it: a grant in another stack
    names the same place.
    """
    return Fn.select(_STACK_UUID, Fn.split("/", stack.stack_id))


def description(before: str, path: str, after: str = "") -> str:
    """Describe a resource by a construct's path, or without it where IAM would refuse that.

    IAM accepts Latin-1 alone, and construct ids may have any characters.
    """
    text = f"{before} {path}{after}"
    return text if _DESCRIPTION.fullmatch(text) else f"{before} this stack{after}"


def bucket_name(purpose: str, address: str, uuid: str) -> str:
    """Return the name of a bucket of ours.

    Braket reaches it by its prefix. The stack's own id is in it: a bucket that was retained must
    not be in the way when the stack is deployed again.

    Args:
        purpose: A word.
        address: The address of the bucket's construct, in hex.
        uuid: The stack's id.
    """
    return f"{REACHABLE_PREFIX}{purpose}-{_short(address)}-{uuid}"


def _short(address: str) -> str:
    """Four characters of an address: all the room that a name has beside the stack's id.

    In base 36, so that even the forty environments that a stack has room for rarely meet.
    """
    rest = int(address, 16)
    digits = ""
    for _ in range(4):
        rest, digit = divmod(rest, len(_DIGITS))
        digits += _DIGITS[digit]
    return digits
