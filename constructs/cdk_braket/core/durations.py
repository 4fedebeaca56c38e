"""Durations in the numbers of the API."""

from aws_cdk import Duration

from .memo import remembered
from .tokens import is_unknown


def seconds_of(duration: Duration) -> float:
    """Return a duration in seconds: an int if it is a whole number of them."""
    return whole(_seconds(duration))


@remembered
def _seconds(duration: Duration) -> float:
    return duration.to_seconds(integral=False)


def whole(number: float) -> float:
    """Return a whole number as an int: jsii returns some as floats, and the API accepts none."""
    if is_unknown(number) or number != int(number):
        return number
    return int(number)
