"""The lines of docs/reference/permissions.md, as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "permissions.md"

_HEADINGS: Final = ("| ---", "| action", "| added", "| policy of")
_COMPARED: Final = "AWS's own policy for jobs, compared"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table of a role's permissions.

    Attributes:
        section: The heading above it.
        actions: The actions.
        resources: The resources, in the page's words.
        conditions: The keys of its conditions.
        purpose: The reason for it.
        evidence: Removal, a link to another test of a removal, or template.
    """

    section: str
    actions: frozenset[str]
    resources: frozenset[str]
    conditions: frozenset[str]
    purpose: str
    evidence: str


def lines() -> Iterator[Line]:
    """Yield the lines of the roles' tables."""
    for section, cells in _rows(5):
        actions, resources, conditions, purpose, evidence = cells
        yield Line(
            section,
            frozenset(actions.split(", ")),
            frozenset(_quoted(resources)),
            frozenset(_quoted(conditions)),
            purpose,
            evidence,
        )


def removed(section: str) -> frozenset[str]:
    """The actions of a role that a deployment of one job needs."""
    of_role = [line for line in lines() if line.section == section]
    return frozenset(a for line in of_role if line.evidence == "removal" for a in line.actions)


def resource_policies() -> Iterator[tuple[str, str, str, frozenset[str], frozenset[str]]]:
    """Yield the owners, effect, principal, actions and condition keys of each statement."""
    for _, (holders, effect, who, actions, conditions, _) in _rows(6):
        for holder in holders.split(", "):
            yield (
                holder,
                effect,
                who,
                frozenset(actions.split(", ")),
                frozenset(_quoted(conditions)),
            )


def of_managed_policy() -> Iterator[tuple[frozenset[str], str, str]]:
    """Yield the actions of AWS's own policy for jobs: whether they are kept, and the reason."""
    for section, (actions, kept, why) in _rows(3):
        if section == _COMPARED:
            yield frozenset(actions.split(", ")), kept, why


def beyond_managed_policy() -> Iterator[tuple[frozenset[str], str]]:
    """Yield the actions of a job that AWS's own policy does not have, and the reason."""
    for section, (actions, why) in _rows(2):
        if section == _COMPARED:
            yield frozenset(actions.split(", ")), why


def _rows(width: int) -> Iterator[tuple[str, list[str]]]:
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        is_row = line.startswith("| ") and not line.startswith(_HEADINGS)
        if is_row and len(cells) == width:
            yield section, cells


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)
