"""The one shape of everything that is wrong: with arguments, files, requests and calls to AWS."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The checks that `disabled_checks` turns off by the rest of their ids.
_DISABLED_BY_NAME: Final = "preflight-"
_GOT: Final = ", got "


class Severity(StrEnum):
    """How bad an issue is."""

    ERROR = "error"
    """It stops the synthesis."""

    WARNING = "warning"
    """It is reported, and can be acknowledged by the id of its check."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong.

    Attributes:
        argument: Its place: an argument such as `instance.volume_size`, a file, a property of the
            resource, or a call to AWS; empty if `rule` includes it.
        rule: The rule, and how it is broken. One that starts with "expected" is followed by the
            value, unless it has the value itself.
        fix: A sentence on how to fix it; empty if `rule` includes it.
        shown: The value, fit for one line; empty where there is none or it must not be shown.
        severity: Whether it stops the synthesis.
        check: The id that turns the check off, or that acknowledges the warning.
    """

    argument: str
    rule: str
    fix: str = ""
    shown: str = ""
    severity: Severity = Severity.ERROR
    check: str = ""

    def __str__(self) -> str:
        subject, rule = self.argument, self.rule
        if self.shown and rule.startswith("expected ") and _GOT not in rule:
            rule += f"{_GOT}{self.shown}"
        elif self.shown and subject:
            subject += f"={self.shown}"
        subject += ": " if subject else ""
        text = f"{subject}{_sentence(rule)}{_sentence(self.fix, before=' ')}"
        if self.check.startswith(_DISABLED_BY_NAME):
            text += f" (check {self.check.removeprefix(_DISABLED_BY_NAME)})"
        return one_line(text)


def as_lines(issues: Iterable["Issue | str"]) -> tuple[str, ...]:
    """Return one line for each issue."""
    return tuple(str(issue) for issue in issues)


def one_line(text: str) -> str:
    """Escape all characters of a string, such as a user's, but letters, digits and signs."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _sentence(text: str, *, before: str = "") -> str:
    if not text:
        return ""
    return f"{before}{text}" if text.endswith((".", "?", "…")) else f"{before}{text}."
