"""Reads the value that the example `reader` copies from the results of its job."""

import time
from typing import Any, Final

import boto3

STACK: Final = "ResultsReaderStack"
OUTPUT: Final = "EnergyParameter"

_SECONDS: Final = 120.0
_PAUSE: Final = 0.5


class NotReadError(Exception):
    """The value did not arrive; the message is one line."""


def value(parameter_name: str) -> float:
    """Return the value of a parameter once the function of the stack has written it.

    Args:
        parameter_name: The parameter, whose first value is not a number.

    Raises:
        NotReadError: It has no number after two minutes.
    """
    ssm: Any = boto3.client("ssm")
    deadline = time.monotonic() + _SECONDS
    while True:
        found = ssm.get_parameter(Name=parameter_name)["Parameter"]["Value"]
        try:
            return float(found)
        except ValueError:
            if time.monotonic() > deadline:
                raise NotReadError(
                    f"{parameter_name} is {found!r} after {_SECONDS:g} s: the event of the job's "
                    "end did not reach the function"
                ) from None
        time.sleep(_PAUSE)
