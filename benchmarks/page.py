"""The tables of docs/explain/benchmarks.md."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figures

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "explain" / "benchmarks.md"
_MEASURED: Final = "Measured on {date} with {processors} processors and Python {python}."
_START: Final = "<!-- tables: start -->"
_END: Final = "<!-- tables: end -->"


def table(figures: Figures) -> Sequence[str]:
    """Return the lines of the table of one question."""
    sizes = list(next(iter(figures.values.values())))
    head = [f"{figures.unit}, by {figures.by}", *sizes]
    rows = [
        [name, *(f"{values[size]:g}" if size in values else "" for size in sizes)]
        for name, values in figures.values.items()
    ]
    lines = [_line(head), _line(["---", *("---:" for _ in sizes)]), *map(_line, rows)]
    return ["", f"## {figures.question}", "", *lines, "", _verdict(figures)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _verdict(figures: Figures) -> str:
    met = figures.is_met()
    if met is None:
        return f"Goal: {figures.goal}."
    worst = figures.worst()
    return f"Goal: {figures.goal}. {'Met' if met else '**Missed**'}: {worst:.2g}."


def tables(document: Mapping[str, Any]) -> str:
    """Return the part of the page with the figures."""
    machine = document["machine"]
    return "\n".join(
        [
            _START,
            "",
            _MEASURED.format(**machine),
            *_all(document),
            "",
            _END,
        ]
    )


def _all(document: Mapping[str, Any]) -> Iterator[str]:
    for name, several in document["questions"].items():
        yield ""
        yield f"![{name}](../pictures/benchmark-{name}.svg)"
        for each in several:
            yield from table(Figures.read(each))


def update(document: Mapping[str, Any]) -> None:
    """Write the tables into the page."""
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(_START)}.*{re.escape(_END)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: tables(document), text), encoding="utf-8")
