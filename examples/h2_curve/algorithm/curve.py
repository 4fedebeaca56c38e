"""One point of the dissociation curve of hydrogen: its energy at a bond length.

Runs as an Amazon Braket hybrid job with the entry point `algorithm.curve:main`. The trial state has
one angle, and its energy is sinusoidal in that angle. Three energies are enough for the minimum.
Source: Ostaszewski, Grant, Benedetti, Quantum 5, 391 (2021).
"""

from math import atan2, pi

import numpy as np
from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric

from .hydrogen import Hamiltonian, hamiltonian

_DEVICE = LocalSimulator()


def energy(of: Hamiltonian, angle: float, shots: int, source: np.random.Generator) -> float:
    """Return the energy of cos(angle/2) |00> + sin(angle/2) |11>, measured with some shots.

    The simulator has no seed. So its exact probabilities are sampled here.
    """
    trial = Circuit().ry(0, angle).cnot(0, 1)
    populations = _counts(trial, shots, source)
    coherences = _counts(trial.copy().h(0).h(1), shots, source)
    z = (populations["00"] - populations["11"]) / shots
    zz = _parity(populations, shots)
    return (
        of.constant + 2 * of.field * z + of.coupling * zz + of.exchange * _parity(coherences, shots)
    )


def _counts(circuit: Circuit, shots: int, source: np.random.Generator) -> dict[str, int]:
    probabilities = _DEVICE.run(circuit.probability(), shots=0).result().values[0]
    counts = source.multinomial(shots, probabilities / probabilities.sum())
    return dict(zip(("00", "01", "10", "11"), map(int, counts), strict=True))


def _parity(counts: dict[str, int], shots: int) -> float:
    return (counts["00"] + counts["11"] - counts["01"] - counts["10"]) / shots


def main(bond_length: float = 0.74, seed: int = 1, shots: int = 4000) -> None:
    """Find the energy, and save it.

    Args:
        bond_length: In Ångström.
        seed: The seed of the measurements.
        shots: The runs of each circuit.
    """
    bond_length, seed, shots = float(bond_length), int(seed), int(shots)
    source = np.random.default_rng(seed)
    of = hamiltonian(bond_length)
    here, ahead, behind = (energy(of, angle, shots, source) for angle in (0.0, pi / 2, -pi / 2))
    angle = -pi / 2 - atan2(2 * here - ahead - behind, ahead - behind)
    lowest = energy(of, angle, shots, source)
    log_metric("energy", lowest)
    save_job_result({"energy": lowest, "angle": angle, "error": lowest - of.exact_energy()})
    print(f"Energy at {bond_length:.3f} angstrom: {lowest:.6f} hartree", flush=True)
