"""How long the suite runs: briefly by default, in full with `./dev test --long`.

A brief run has fewer steps of random tests, and no tests with the marker `long`.
"""

import os
from typing import Final

import pytest

from tools.dev import LONG

IS_LONG: Final = os.environ.get(LONG) == "1"


def steps(short: int, full: int) -> int:
    """Return the number of random steps, or histories, of this run of the suite."""
    return full if IS_LONG else short


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the long tests of a brief run; pytest reports their number."""
    left_out = [] if IS_LONG else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_report_header() -> str:
    """Return a line for the top of the report, so that a shorter run is not a silent one."""
    return f"length: {'full' if IS_LONG else 'brief; ./dev test --long runs everything in full'}"
