"""The script of the job: finds the ground-state energy of a molecule with four angles.

Each step moves one angle to the minimum of the energy, which is sinusoidal in it (Rotosolve).
Source: Ostaszewski, Grant, Benedetti, Quantum 5, 391 (2021).
"""

import json
from collections.abc import Mapping, Sequence
from math import atan2, pi
from pathlib import Path
from random import Random

from braket.aws import AwsDevice
from braket.circuits import Circuit
from braket.devices import Device, LocalSimulator
from braket.jobs import (
    get_checkpoint_dir,
    get_hyperparameters,
    get_input_data_dir,
    get_job_device_arn,
    save_job_checkpoint,
    save_job_result,
)
from braket.jobs.metrics import log_metric

ANGLES = 4


def main() -> None:
    """Find the energy, from the latest checkpoint if there is one, and save it."""
    given = get_hyperparameters()
    shots, steps, seed = int(given["shots"]), int(given["steps"]), int(given["seed"])
    terms = read_terms(Path(get_input_data_dir("hamiltonian")))
    device = job_device(get_job_device_arn())
    random = Random(seed)
    done, angles = latest_checkpoint() or (0, [random.uniform(-pi, pi) for _ in range(ANGLES)])
    print(f"starting at step {done}", flush=True)
    for step in range(done, steps):
        angles = improve(device, terms, angles, step % ANGLES, shots)
        log_metric(
            metric_name="energy",
            value=energy(device, terms, angles, shots),
            iteration_number=step,
        )
        save_job_checkpoint({"done": step + 1, "angles": angles})
    save_job_result({"energy": energy(device, terms, angles, shots), "angles": angles})


def read_terms(folder: Path) -> dict[str, float]:
    """Return the coefficient of each Pauli term, from the file in the folder of the input."""
    [file] = folder.rglob("*.json")
    terms: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))["terms"]
    return terms


def job_device(arn: str) -> Device:
    """Return the device of the job. An embedded simulator has no ARN."""
    return LocalSimulator() if arn.startswith("local:") else AwsDevice(arn)


def latest_checkpoint() -> tuple[int, list[float]] | None:
    """Return the finished steps and the angles, also from a checkpoint of an earlier job."""
    # A checkpoint's file has the name of the job that wrote it.
    found = [
        json.loads(file.read_text(encoding="utf-8"))["dataDictionary"]
        for file in Path(get_checkpoint_dir()).glob("*.json")
    ]
    latest = max(found, key=lambda data: data["done"], default=None)
    return (latest["done"], latest["angles"]) if latest else None


def improve(
    device: Device, terms: Mapping[str, float], angles: Sequence[float], index: int, shots: int
) -> list[float]:
    """Move one angle to the minimum of the energy."""
    here, ahead, behind = (
        energy(device, terms, moved(angles, index, by), shots) for by in (0.0, pi / 2, -pi / 2)
    )
    return moved(angles, index, -pi / 2 - atan2(2 * here - ahead - behind, ahead - behind))


def moved(angles: Sequence[float], index: int, by: float) -> list[float]:
    """Return the angles with one of them changed."""
    return [angle + by if place == index else angle for place, angle in enumerate(angles)]


def energy(
    device: Device, terms: Mapping[str, float], angles: Sequence[float], shots: int
) -> float:
    """Measure the energy: a circuit for each basis, in which its terms are products of Z."""
    total = terms["II"]
    for basis in "ZXY":
        probabilities = measure(device, trial(angles), basis, shots)
        for term, coefficient in terms.items():
            if term != "II" and set(term) <= {"I", basis}:
                total += coefficient * expectation(term, probabilities)
    return total


def trial(angles: Sequence[float]) -> Circuit:
    """Return the circuit of the trial state."""
    first, second, third, fourth = angles
    return Circuit().ry(0, first).ry(1, second).cnot(0, 1).ry(0, third).ry(1, fourth)


def measure(device: Device, circuit: Circuit, basis: str, shots: int) -> Mapping[str, float]:
    """Return the probability of each outcome in a basis."""
    for qubit in (0, 1):
        if basis == "Y":
            circuit.si(qubit)
        if basis in "XY":
            circuit.h(qubit)
    if shots:
        return dict(device.run(circuit, shots=shots).result().measurement_probabilities)
    exact = device.run(circuit.probability(), shots=0).result().values[0]
    return dict(zip(("00", "01", "10", "11"), map(float, exact), strict=True))


def expectation(term: str, probabilities: Mapping[str, float]) -> float:
    """Return the mean parity of the qubits on which a term acts."""
    acts = [place for place, letter in enumerate(term) if letter != "I"]
    return sum(
        probability * (-1) ** sum(int(outcome[place]) for place in acts)
        for outcome, probability in probabilities.items()
    )
