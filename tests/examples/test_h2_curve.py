"""The dissociation curve: the Hamiltonian, one point, and the report of a sweep."""

from pathlib import Path

import numpy as np
import pytest

from cdk_braket._lambda.braket_jobs.api.sweep_table import Row
from examples.h2_curve import report
from examples.h2_curve.algorithm.hydrogen import hamiltonian

_Z = np.diag([1.0, -1.0])
_X = np.array([[0.0, 1.0], [1.0, 0.0]])
_ONE = np.eye(2)


def _matrix(bond_length: float) -> np.ndarray:
    found = hamiltonian(bond_length)
    return np.asarray(
        found.constant * np.kron(_ONE, _ONE)
        + found.field * (np.kron(_Z, _ONE) + np.kron(_ONE, _Z))
        + found.coupling * np.kron(_Z, _Z)
        + found.exchange * np.kron(_X, _X)
    )


@pytest.mark.parametrize("bond_length", [0.3, 0.7414, 1.5, 2.65])
def test_the_exact_energy_is_the_lowest_eigenvalue(bond_length: float) -> None:
    lowest = float(np.linalg.eigvalsh(_matrix(bond_length))[0])
    assert hamiltonian(bond_length).exact_energy() == pytest.approx(lowest, abs=1e-9)


def test_the_minimum_and_the_separated_atoms_are_those_of_the_literature() -> None:
    """Full configuration interaction in STO-3G: -1.1373 hartree; two atoms: 2 x -0.4666."""
    assert hamiltonian(0.7414).exact_energy() == pytest.approx(-1.1373, abs=1e-4)
    assert hamiltonian(8.0).exact_energy() == pytest.approx(2 * -0.46658, abs=1e-3)


def _row(index: int, length: float, energy: float | None, status: str = "COMPLETED") -> Row:
    metrics = {} if energy is None else {"energy": energy}
    return Row(index, {"bond_length": str(length), "seed": "1"}, status, {}, metrics)


def test_a_report_needs_all_points_and_energies_near_the_exact_ones(tmp_path: Path) -> None:
    lengths = [0.5, 1.0, 2.0]
    right = [_row(n, each, hamiltonian(each).exact_energy()) for n, each in enumerate(lengths)]
    cases = {
        True: right,
        False: [*right, _row(3, 2.5, None, "FAILED")],
    }
    for is_complete, rows in cases.items():
        shown = report.CurveReport(rows, tmp_path / "table.csv", tmp_path / "curve.png")
        assert shown.is_complete is is_complete
        assert f"{len(right)} of {len(rows)} completed" in shown.render()
    wrong = [*right[:2], _row(2, 2.0, -2.0)]
    assert not report.CurveReport(wrong, tmp_path, tmp_path).is_complete
    report.draw(right, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000
