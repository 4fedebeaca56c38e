"""The static checks. `./dev check` runs them for people, tests/quality runs them for CI."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Where the suite runs these checks as tests.
AS_TESTS = "tests/quality"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a Python module of the virtual environment, run with arguments.

    Attributes:
        name: What to call it.
        summary: What it looks at.
        module: The module that `python -m` runs.
        arguments: Its arguments.
    """

    name: str
    summary: str
    module: str
    arguments: Sequence[str] = ()

    def command(self, python: Path) -> list[str]:
        """The command line, for the given interpreter."""
        return [str(python), "-m", self.module, *self.arguments]


_STYLE = Check("style", "ruff's rules", "ruff", ("check",))
_FORMAT = Check("format", "ruff's formatting", "ruff", ("format", "--check"))
_TYPES = Check("types", "mypy, strict", "mypy")
_IMPORTS = Check("imports", "which package may import which", "tools.import_rules")
_LOCKS = Check("locks", "the locks fit what they were made from", "tools.lock", ("--check",))
_ENGLISH = Check("english", "textlint and cspell over docstrings and messages", "tools.english")

LINT = (_STYLE, _FORMAT, _ENGLISH)
MENDING = (
    Check("style", "ruff's rules, mending", "ruff", ("check", "--fix")),
    Check("format", "ruff's formatting, mending", "ruff", ("format",)),
    Check("english", "pages and modules that pass leave the list", "tools.english", ("--fix",)),
)
ALL = (_STYLE, _FORMAT, _TYPES, _IMPORTS, _LOCKS, _ENGLISH)
