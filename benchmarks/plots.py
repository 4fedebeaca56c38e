"""One plot for each question."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from benchmarks.figures import Figures

mpl.use("svg")
# The same figures give the same file.
mpl.rcParams["svg.hashsalt"] = "cdk-braket"

from matplotlib import pyplot as plt  # noqa: E402 - after its backend is set

PICTURES: Final = Path(__file__).resolve().parents[1] / "docs" / "pictures"


def draw(document: Mapping[str, Any]) -> None:
    """Write `benchmark-QUESTION.svg` for each question."""
    PICTURES.mkdir(exist_ok=True)
    for name, several in document["questions"].items():
        figures = [Figures.read(each) for each in several]
        canvas, axes = plt.subplots(
            1, len(figures), figsize=(4 * len(figures), 3), squeeze=False, layout="constrained"
        )
        for axis, each in zip(axes[0], figures, strict=True):
            _panel(axis, each)
        canvas.savefig(
            PICTURES / f"benchmark-{name}.svg", metadata={"Date": None}, facecolor="white"
        )
        plt.close(canvas)


def _panel(axis: Any, figures: Figures) -> None:
    sizes = list(next(iter(figures.values.values())))
    axis.set_title(figures.question, fontsize=8, wrap=True)
    axis.set_xlabel(figures.by, fontsize=8)
    axis.set_ylabel(figures.unit, fontsize=8)
    axis.tick_params(labelsize=8)
    for name, values in figures.values.items():
        axis.plot(sizes[: len(values)], list(values.values()), marker="o", label=name)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7)
