"""Reads the tables of our pages."""

import re
from collections.abc import Sequence
from pathlib import Path

_CODE = re.compile(r"`([^`]+)`")


def rows(page: Path, first_heading: str) -> list[list[str]]:
    """The rows of the one table of a page whose first column has this heading.

    A cell is the text as it stands, with `\\|` read as `|`.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    [start] = [i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |")]
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append(_cells(line))
    assert len({len(cells) for cells in [_cells(lines[start]), *found]}) == 1, "a row is too long"
    return found


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def code(cell: str) -> Sequence[str]:
    """The code in backticks in a cell."""
    return _CODE.findall(cell)
