"""The curve that a sweep has measured beside the exact one, as a table and a picture."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cdk_braket._lambda.braket_jobs.api.sweep_table import Row, table_of
from cdk_braket_client.clients import Clients
from cdk_braket_client.sweeps import SweepExecution, find_execution, rows_of
from examples.h2_curve.algorithm.hydrogen import hamiltonian

TOLERANCE: Final = 0.02
"""How near the exact energy, in hartree, the mean of a bond length is: 4,000 shots leave a few
thousandths."""

_PAUSE: Final = 2.0
_BAR: Final = 30


@dataclass(frozen=True, slots=True)
class CurveReport:
    """A measured curve.

    Attributes:
        rows: The points.
        table: The table, a CSV file.
        picture: The curve beside the exact one, a PNG file.
    """

    rows: Sequence[Row]
    table: Path
    picture: Path

    @property
    def is_complete(self) -> bool:
        """Whether every point has completed, with an energy near the exact one."""
        energies = energies_of(self.rows)
        is_near = all(
            abs(float(np.mean(found)) - hamiltonian(length).exact_energy()) < TOLERANCE
            for length, found in energies.items()
        )
        return is_near and all(row.status == "COMPLETED" for row in self.rows)

    def render(self) -> str:
        """Return the report for a terminal, without a last newline."""
        energies = energies_of(self.rows)
        lines = [f"{'Å':>8} {'measured':>10} {'exact':>10} hartree"]
        for length, found in energies.items():
            exact = hamiltonian(length).exact_energy()
            lines.append(f"{length:8.3f} {np.mean(found):10.4f} {exact:10.4f}")
        completed = sum(row.status == "COMPLETED" for row in self.rows)
        lines += [
            f"Points       {completed} of {len(self.rows)} completed",
            f"Table        {self.table}",
            f"Picture      {self.picture}",
        ]
        return "\n".join(lines)


def follow(execution: str, folder: Path, report: Callable[[str], None]) -> CurveReport:
    """Wait for a sweep, and write its table and picture.

    Args:
        execution: The ARN of the execution.
        folder: The folder for the files; created if missing.
        report: Receives the progress.
    """
    clients = Clients(boto3.Session())
    before = -1
    while (found := find_execution(clients, execution, None)).status == "RUNNING":
        done = _done(found)
        if done != before:
            report(_progress(found, done))
            before = done
        time.sleep(_PAUSE)
    rows = rows_of(clients, found)
    folder.mkdir(parents=True, exist_ok=True)
    table, picture = folder / "table.csv", folder / "curve.png"
    table.write_text(table_of(rows), encoding="utf-8")
    draw(rows, picture)
    return CurveReport(rows, table, picture)


def energies_of(rows: Sequence[Row]) -> dict[float, list[float]]:
    """Return the measured energies by bond length."""
    found: dict[float, list[float]] = {}
    for row in rows:
        if "energy" in row.metrics:
            length = float(str(row.parameters["bond_length"]))
            found.setdefault(length, []).append(float(str(row.metrics["energy"])))
    return dict(sorted(found.items()))


def draw(rows: Sequence[Row], picture: Path) -> None:
    """Draw the measured energies over the exact curve."""
    energies = energies_of(rows)
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    lengths = np.linspace(min(energies, default=0.3), max(energies, default=2.6), 200)
    exact = [hamiltonian(float(length)).exact_energy() for length in lengths]
    axes.plot(lengths, exact, label="exact, by diagonalization")
    points = [(length, energy) for length, found in energies.items() for energy in found]
    axes.plot(*zip(*points, strict=True), "o", markersize=3, label="measured, one job each")
    axes.set_xlabel("bond length (angstrom)")
    axes.set_ylabel("energy (hartree)")
    axes.legend()
    figure.savefig(picture)


def _done(found: SweepExecution) -> int:
    return sum(found.counts.get(name, 0) for name in ("succeeded", "failed"))


def _progress(found: SweepExecution, done: int) -> str:
    total = found.counts.get("total", 0)
    filled = _BAR * done // total if total else 0
    return f"{'#' * filled}{'.' * (_BAR - filled)} {done} of {total} points"
