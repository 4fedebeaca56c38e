"""How long random tests run: briefly by default, in full with `./dev test --long`."""

import os
from typing import Final

from tools.dev import LONG

IS_LONG: Final = os.environ.get(LONG) == "1"


def steps(short: int, full: int) -> int:
    """Return the number of random steps, or histories, of this run of the suite."""
    return full if IS_LONG else short


def pytest_report_header() -> str:
    """Return a line for the top of the report, so that a shorter run is not a silent one."""
    return f"random tests: {'in full' if IS_LONG else 'brief; ./dev test --long runs them in full'}"
