"""The time that tests wait for a condition: on a slow machine they are slow, not red."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE: Final = 900.0
"""Seconds. It ends only the wait for something that never comes."""

_Read = TypeVar("_Read")


def until(read: Callable[[], _Read], is_due: Callable[[_Read], bool]) -> _Read:
    """Read a value again and again until it is as wanted; return it."""
    deadline = time.monotonic() + PATIENCE
    while not is_due(value := read()):
        assert time.monotonic() < deadline, f"still {value}"
        time.sleep(0.1)
    return value
