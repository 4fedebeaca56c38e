"""Draws the pictures of pages and examples; the same records give the same files."""

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from rich.console import Console
from rich.text import Text

from examples import recordings

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "cdk-braket"
# Text is drawn as paths, because fonts differ between machines.
mpl.rcParams["svg.fonttype"] = "path"

from matplotlib.axes import Axes  # noqa: E402 - after its settings
from matplotlib.figure import Figure  # noqa: E402 - after its settings
from matplotlib.patches import FancyBboxPatch  # noqa: E402

ROOT: Final = Path(__file__).resolve().parent.parent
PICTURES: Final = Path("docs/pictures")
TIMELINE: Final = ROOT / PICTURES / "timeline.json"
TERMINAL: Final = ROOT / PICTURES / "deploy.txt"

_BLUE = "#3f51b5"
# Rich's own format loads a font from another host.
_TERMINAL_FORMAT: Final = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; \
line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main(arguments: Sequence[str]) -> int:
    """Draw all pictures; `--record NAME …` runs the jobs of these examples before."""
    names = list(arguments)
    unknown = set(names[1:]) - set(recordings.EXAMPLES)
    if names and (names[0] != "--record" or len(names) == 1 or unknown):
        known = " ".join(recordings.EXAMPLES)
        print(f"dev: pictures accepts --record NAME …, or nothing; NAME: {known}", file=sys.stderr)
        return 2
    try:
        recordings.record(names[1:])
    except recordings.RecordError as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    for path, draw in all_pictures().items():
        (ROOT / path).write_text(draw(), encoding="utf-8")
    return 0


def all_pictures() -> dict[Path, Callable[[], str]]:
    """Return the function that draws each picture, by its path in the repository."""
    templates = recordings.TEMPLATES.relative_to(ROOT)
    examples = {
        templates / name / "picture.svg": lambda name=name: _example(name)
        for name in recordings.EXAMPLES
    }
    pages = {PICTURES / f"example-{path.parent.name}.svg": draw for path, draw in examples.items()}
    return {
        **examples,
        **pages,
        # Its script is that of the template `job`.
        templates / "ci/picture.svg": lambda: _example("job"),
        PICTURES / "architecture.svg": _architecture,
        PICTURES / "timeline.svg": _timeline,
        PICTURES / "deploy.svg": _terminal,
    }


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _text(figure: Figure) -> str:
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    # Matplotlib ends some lines with spaces.
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def _example(name: str) -> str:
    points = recordings.read()[name]["points"]
    figure, axes = _figure(5.5, 3)
    axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=_BLUE)
    across, up = recordings.EXAMPLES[name].axes
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    return _text(figure)


# --- Architecture -------------------------------------------------------------------------------


def _architecture() -> str:
    """Draw the packages and folders by the rules of their imports in pyproject.toml."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = rules["tool"]["importlinter"]["contracts"]
    layers: list[list[list[str]]] = [
        [[part.strip() for part in layer.split("|")] for layer in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
    ]
    figure, axes = _figure(10, 5.5)
    titles = (
        "folders of cdk_braket",
        "folders of its Lambda asset",
        "packages",
    )
    for column, (title, rows) in enumerate(zip(titles, layers, strict=True)):
        axes.text(column + 0.5, 0.25, title, ha="center", va="bottom", weight="bold", fontsize=11)
        for row, names in enumerate(rows):
            _boxes(axes, column, -row, names)
    deepest = max(map(len, layers))
    axes.text(
        1.5,
        -deepest - 0.05,
        "Each row imports only the rows below it. Names in one row do not import each other.",
        ha="center",
        fontsize=10,
    )
    axes.set_xlim(0, len(layers))
    axes.set_ylim(-deepest - 0.2, 0.7)
    axes.axis("off")
    return _text(figure)


def _boxes(axes: Axes, left: float, top: float, names: Sequence[str]) -> None:
    width = 0.92 / len(names)
    for number, name in enumerate(names):
        x = left + 0.04 + number * width
        box = FancyBboxPatch(
            (x + 0.01, top - 0.75),
            width - 0.02,
            0.75,
            boxstyle="round,pad=0,rounding_size=0.04",
            mutation_aspect=2,
            facecolor="#e8eaf6",
            edgecolor=_BLUE,
        )
        axes.add_patch(box)
        size = 10 if len(name) < 90 * width / len(names) else 7.5
        axes.text(x + width / 2, top - 0.375, name, ha="center", va="center", fontsize=size)


# --- The timeline of a deployment ---------------------------------------------------------------


def _timeline() -> str:
    """Draw the recorded events of a deployment: a row for each source."""
    events: list[Mapping[str, Any]] = json.loads(TIMELINE.read_text(encoding="utf-8"))
    rows = list(dict.fromkeys(event["row"] for event in events))
    figure, axes = _figure(9, 1.1 * len(rows) + 1)
    end = max(event["at"] for event in events)
    for number, row in enumerate(rows):
        # The local log has all lines of an invocation at its end, with the same time.
        texts: dict[float, list[str]] = {}
        for event in events:
            if event["row"] == row:
                texts.setdefault(event["at"], []).append(event["text"])
        axes.plot(list(texts), [-number] * len(texts), "o-", color=_BLUE)
        for place, (at, several) in enumerate(texts.items()):
            label = ", ".join(_counted(several))
            axes.text(at, 0.12 + 0.22 * (place % 2) - number, label, fontsize=8, va="bottom")
    axes.set_yticks([-number for number in range(len(rows))], rows, fontsize=9)
    axes.set_xlabel("seconds")
    axes.set_ylim(-len(rows) + 0.7, 1)
    axes.set_xlim(-end / 50, end * 1.2)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    return _text(figure)


def _counted(texts: Sequence[str]) -> list[str]:
    """Return each text once, with the number of its repetitions."""
    counts = Counter(texts)
    return [text if count == 1 else f"{count} x {text}" for text, count in counts.items()]


# --- The terminal -------------------------------------------------------------------------------


def _terminal() -> str:
    """Draw the recorded output of `./dev deploy` as a terminal shows it."""
    lines = TERMINAL.read_text(encoding="utf-8").splitlines()
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text(line, style=_style(line), no_wrap=True, overflow="ellipsis"))
    return console.export_svg(
        title="./dev deploy", code_format=_TERMINAL_FORMAT, unique_id="deploy"
    )


def _style(line: str) -> str:
    if line.startswith("$"):
        return "bold"
    if line.startswith("dev:"):
        return "cyan"
    return "green" if "COMPLETED" in line or "✅" in line else ""
