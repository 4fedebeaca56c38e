"""The script of each job: finds the energy of hydrogen at one bond length.

The trial state cos(angle/2) |00> + sin(angle/2) |11> has one angle, and its energy is sinusoidal
in it. So three energies are enough for the minimum.
Source: Ostaszewski, Grant, Benedetti, Quantum 5, 391 (2021).
"""

import csv
from collections.abc import Mapping
from math import atan2, pi
from pathlib import Path

from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import get_hyperparameters, get_input_data_dir, save_job_result
from braket.jobs.metrics import log_metric


def main() -> None:
    """Find the energy at the bond length of this point, and save it for the sweep's table."""
    bond_length = float(get_hyperparameters()["bond_length"])
    terms = read_terms(Path(get_input_data_dir("coefficients")), bond_length)
    here, ahead, behind = (energy(terms, angle) for angle in (0.0, pi / 2, -pi / 2))
    angle = -pi / 2 - atan2(2 * here - ahead - behind, ahead - behind)
    lowest = energy(terms, angle)
    log_metric(metric_name="energy", value=lowest)
    save_job_result({"energy": lowest, "angle": angle})
    print(f"{bond_length:.2f} angstrom: {lowest:.6f} hartree", flush=True)


def read_terms(folder: Path, bond_length: float) -> dict[str, float]:
    """Return the coefficients at a bond length, from the file in the folder of the input.

    Raises:
        ValueError: The file has no row for it.
    """
    [file] = folder.rglob("*.csv")
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if abs(float(row["bond_length"]) - bond_length) < 1e-6:
                return {name: float(value) for name, value in row.items()}
    raise ValueError(f"{file.name} has no row for {bond_length} angstrom")


def energy(terms: Mapping[str, float], angle: float) -> float:
    """Return constant + field (Z0 + Z1) + coupling Z0 Z1 + exchange X0 X1, in hartree."""
    trial = Circuit().ry(0, angle).cnot(0, 1)
    both_up, _, _, both_down = probabilities(trial.copy())
    equal, _, _, also_equal = probabilities(trial.copy().h(0).h(1))
    return (
        terms["constant"]
        + 2 * terms["field"] * (both_up - both_down)
        + terms["coupling"] * (2 * (both_up + both_down) - 1)
        + terms["exchange"] * (2 * (equal + also_equal) - 1)
    )


def probabilities(circuit: Circuit) -> list[float]:
    """Return the exact probabilities of 00, 01, 10 and 11."""
    result = LocalSimulator().run(circuit.probability(), shots=0).result()
    return [float(value) for value in result.values[0]]
