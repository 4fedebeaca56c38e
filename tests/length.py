"""How long the suite runs: briefly by default, in full with `./dev test --long`.

A brief run has fewer steps of random tests, and no tests with the marker `long`. The end of its
report has the number of tests that it leaves out.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest

from tools.dev import LONG

IS_LONG: Final = os.environ.get(LONG) == "1"

# A file runs on one worker, so those that last longest come first. The last ones are short.
_FIRST: Final = (
    "tests/packaging/test_getting_started.py",
    "tests/quality/test_checks.py",
    "tests/deploy",
    "tests/packaging",
    "tests/quality",
    "tests/tools",
    "tests/emulator",
)
_LEFT_OUT: Final = pytest.StashKey[int]()
_OUTPUT: Final = "tests left out"


def steps(short: int, full: int) -> int:
    """Return the number of random steps, or histories, of this run of the suite."""
    return full if IS_LONG else short


def first(count: int, values: Iterable[Any]) -> Sequence[Any]:
    """Return parameters of a test, of which a brief run has only the first."""
    given = list(values)
    rest = (value if isinstance(value, tuple) else (value,) for value in given[count:])
    return [*given[:count], *(pytest.param(*each, marks=pytest.mark.long) for each in rest)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files, and deselect the long tests of a brief run."""
    items.sort(key=_rank)
    left_out = [] if IS_LONG else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        kept = set(items).difference(left_out)
        items[:] = [item for item in items if item in kept]
    _keep_count(config, len(left_out))


def _rank(item: pytest.Item) -> int:
    ranks = (rank for rank, start in enumerate(_FIRST) if item.nodeid.startswith(start))
    return next(ranks, len(_FIRST))


def _keep_count(config: pytest.Config, count: int) -> None:
    config.stash[_LEFT_OUT] = count
    # A worker of pytest-xdist sends its output to the process that writes the report.
    output: dict[str, int] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = count


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist has no types
    """Receive the number of a worker, which has collected the whole suite."""
    output = getattr(node, "workeroutput", None) or {}
    if _OUTPUT in output:
        _keep_count(node.config, output[_OUTPUT])


def pytest_report_header() -> str:
    """Return a line for the top of the report, so that a shorter run is not a silent one."""
    return f"length: {'full' if IS_LONG else 'brief; ./dev test --long runs everything in full'}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the number of tests that were left out."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.section("brief run")
        terminalreporter.line(f"{left_out} long tests were left out; ./dev test --long runs them")
