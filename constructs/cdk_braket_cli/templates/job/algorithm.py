"""The script of the job: rotates a qubit step by step and measures it.

Amazon Braket calls `main` in a container that has the Braket SDK. Print to write the job's log.
"""

from math import pi

from braket.circuits import Circuit, Observable
from braket.devices import LocalSimulator
from braket.jobs import get_hyperparameters, save_job_result
from braket.jobs.metrics import log_metric


def main() -> None:
    """Measure one full turn, and save the values."""
    given = get_hyperparameters()
    steps, shots = int(given["steps"]), int(given["shots"])
    angles = [2 * pi * step / (steps - 1) for step in range(steps)]
    values = []
    for step, angle in enumerate(angles):
        values.append(measure(angle, shots))
        log_metric(metric_name="z", value=values[-1], iteration_number=step)
    print(f"the lowest value is {min(values):.3f}", flush=True)
    save_job_result({"angles": angles, "values": values})


def measure(angle: float, shots: int) -> float:
    """Return the expectation value of Z after a rotation; the cosine of the angle."""
    circuit = Circuit().rx(0, angle).expectation(Observable.Z(), target=0)
    result = LocalSimulator().run(circuit, shots=shots).result()
    return float(result.values[0])
