"""Issues with the arguments of a construct. Their shape is the handler's as well."""

from collections.abc import Iterable
from typing import Final

from cdk_braket._lambda.braket_jobs.issue import Issue, Severity, as_lines, one_line

__all__ = ["Issue", "Severity", "argument_names", "as_lines", "one_line", "shorten", "without"]

_SHOWN_LENGTH: Final = 80


def without(issues: Iterable[Issue], refused: Iterable[str]) -> list[Issue]:
    """Remove the issues of arguments that are refused already, as they would only follow.

    Args:
        issues: The issues.
        refused: Arguments; an issue of a part of one is left out too.
    """
    names = tuple(refused)
    parts = tuple(f"{name}{mark}" for name in names for mark in ".[")
    return [
        issue
        for issue in issues
        if issue.argument not in names and not issue.argument.startswith(parts)
    ]


def argument_names(issues: Iterable[Issue]) -> frozenset[str]:
    """Return the arguments that issues are about."""
    return frozenset(issue.argument for issue in issues)


def shorten(text: str) -> str:
    """A value fit for one line."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN_LENGTH else f"{quoted[:_SHOWN_LENGTH]}…"
