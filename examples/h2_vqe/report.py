"""Compares the job's result with the exact energy, and draws the convergence."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cdk_braket_client import results as job_results
from cdk_braket_client.errors import ResultsError
from examples.h2_vqe.algorithm import hamiltonian

TOLERANCE = 1e-3
"""The largest accepted distance from the exact energy, in hartree.

It is stricter than chemical accuracy, which is 1 kcal/mol or 1.6e-3 hartree."""

PICTURE = "convergence.png"

_SPARKS = "▁▂▃▄▅▆▇█"
_PAULI = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


class ReportError(Exception):
    """The results cannot be reported; the message is one line."""


@dataclass(frozen=True, slots=True)
class Report:
    """A job's result and the exact one.

    Attributes:
        energy: The job's energy, in hartree.
        exact_energy: The lowest eigenvalue of the same Hamiltonian, in hartree.
        trace: The energy at the start and after each iteration, in hartree.
        parameters: The angles of the trial state, in radians.
        picture: The picture of the convergence, a PNG file.
    """

    energy: float
    exact_energy: float
    trace: tuple[float, ...]
    parameters: tuple[float, ...]
    picture: Path

    @property
    def difference(self) -> float:
        """The energy above the exact one, in hartree. It can be negative due to sampling."""
        return self.energy - self.exact_energy

    @property
    def is_right(self) -> bool:
        """Whether the energy is within `TOLERANCE` of the exact one."""
        return abs(self.difference) < TOLERANCE

    def render(self) -> str:
        """Return the report for a terminal, without a last newline."""
        verdict = "within" if self.is_right else "NOT within"
        iterations = len(self.trace) - 1
        path = f"{self.trace[0]:+.3f} to {self.trace[-1]:+.3f} in {iterations} iterations"
        return "\n".join(
            [
                f"Energy       {self.energy:+.6f} hartree",
                f"Exact        {self.exact_energy:+.6f} hartree, by diagonalization",
                f"Difference   {self.difference:+.1e} hartree, {verdict} {TOLERANCE:g}",
                f"Convergence  {sparkline(self.trace)} {path}",
                f"Picture      {self.picture}",
            ]
        )


def report(results_archive: Path, hamiltonian_file: Path, output_directory: Path) -> Report:
    """Compare a job's results with the exact ground state, and draw the convergence.

    Args:
        results_archive: The job's `model.tar.gz`. No file is extracted, and no pickle is loaded.
        hamiltonian_file: The job's input: the Hamiltonian.
        output_directory: The directory of `convergence.png`; it is created if missing.

    Raises:
        ReportError: The archive does not contain the results of this algorithm, or the Hamiltonian
            cannot be read.
    """
    try:
        results = job_results.read(results_archive)
        exact = exact_energy(hamiltonian.read(hamiltonian_file))
    except (ResultsError, hamiltonian.HamiltonianError, OSError) as error:
        raise ReportError(str(error)) from error
    trace = _numbers("trace", results.get("trace"))
    parameters = _numbers("parameters", results.get("parameters"))
    (energy,) = _numbers("energy", [results.get("energy")])
    picture = output_directory / PICTURE
    output_directory.mkdir(parents=True, exist_ok=True)
    _draw(trace, exact, picture)
    return Report(
        energy=energy,
        exact_energy=exact,
        trace=trace,
        parameters=parameters,
        picture=picture,
    )


def exact_energy(of: hamiltonian.Hamiltonian) -> float:
    """Return the lowest eigenvalue of a Hamiltonian, in hartree."""
    matrix = sum(
        coefficient * np.kron(_PAULI[term[0]], _PAULI[term[1]])
        for term, coefficient in of.terms.items()
    )
    return float(np.linalg.eigvalsh(matrix)[0])


def _numbers(name: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not values or not all(map(_is_number, values)):
        raise ReportError(f"{job_results.RESULTS}: {name} must be finite numbers")
    return tuple(float(value) for value in values)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Python's integers have no limit; neither they nor infinities nor NaN pass.
    return abs(value) <= sys.float_info.max


# --- Pictures -------------------------------------------------------------------------------------


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values in one line of block characters, the lowest as the lowest block.

    Args:
        values: At least one value; of more than `width`, an evenly spaced selection is shown.
        width: The maximum number of characters, at least 2.
    """
    if len(values) > width:
        last = len(values) - 1
        values = [values[round(i * last / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_SPARKS[round((value - low) / span * (len(_SPARKS) - 1))] for value in values)


def _draw(trace: Sequence[float], exact: float, path: Path) -> None:
    # No pyplot: its global state and window system have no place in a library call.
    figure = Figure(figsize=(7, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    iterations = range(len(trace))

    above.set_title("Hydrogen molecule: convergence of the job's energy")
    above.plot(iterations, trace, "o-", color="tab:blue", markersize=4, label="job")
    above.axhline(exact, color="tab:red", linestyle="--", label=f"exact: {exact:.6f}")
    above.set_ylabel("energy (hartree)")
    above.legend()

    # A logarithm has no place for zero; nothing below this is more than rounding.
    errors = [max(abs(energy - exact), 1e-12) for energy in trace]
    below.semilogy(iterations, errors, "o-", color="tab:blue", markersize=4)
    below.axhline(TOLERANCE, color="tab:gray", linestyle=":", label=f"tolerance: {TOLERANCE:g}")
    below.set_ylabel("distance from exact (hartree)")
    below.set_xlabel("iteration")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.legend()
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, format="png")
