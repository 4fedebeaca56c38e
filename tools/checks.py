"""The static checks. `./dev check` runs them for people, tests/quality runs them for CI."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from cdk_braket_local.control.foreground_command import run_step

ROOT = Path(__file__).resolve().parent.parent


class Check(NamedTuple):
    """One check: the module that `python -m` runs, and its arguments."""

    name: str
    summary: str
    module: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", *self.module]


_ENGLISH = "tests.quality.english.prose"
LINT = (
    Check("style", "ruff's rules", ("ruff", "check")),
    Check("format", "ruff's formatting", ("ruff", "format", "--check")),
    Check("english", "textlint and cspell over docstrings and messages", (_ENGLISH,)),
)
FIX = (
    Check("style", "ruff's rules, fixing", ("ruff", "check", "--fix")),
    Check("format", "ruff's formatting, fixing", ("ruff", "format")),
    Check("english", "files that pass leave the list", (_ENGLISH, "--fix")),
)
ALL = (
    *LINT,
    Check("types", "mypy, strict", ("mypy",)),
    Check("imports", "the folders that each folder may import", ("tools.import_rules",)),
    Check("locks", "the locks fit their sources", ("tests.quality.locks",)),
)


def main(arguments: Sequence[str]) -> int:
    """Run `lint`, `fix` or `all` checks, each of them even if others fail; report on each."""
    console = Console(stderr=True, highlight=False)
    report = Table("check", "result", "seconds")
    which = {"lint": LINT, "fix": FIX, "all": ALL}[arguments[0]]
    failed = 0
    for check in which:
        console.print(f"[bold]dev:[/] {check.name}: {check.summary}")
        started = time.monotonic()
        is_failed = bool(run_step(check.command, os.environ, directory=ROOT))
        result = "[red]failed" if is_failed else "[green]passed"
        report.add_row(check.name, result, f"{time.monotonic() - started:.1f}")
        failed += is_failed
    console.print(report)
    return 1 if failed else 0
