"""The script of the job: prepares a Bell state on the job's device and counts the outcomes."""

from braket.aws import AwsDevice
from braket.circuits import Circuit
from braket.devices import Device, LocalSimulator
from braket.jobs import get_hyperparameters, get_job_device_arn, save_job_result
from braket.jobs.metrics import log_metric


def main() -> None:
    """Measure the correlation of two qubits a few times, and save each value."""
    given = get_hyperparameters()
    shots, repetitions = int(given["shots"]), int(given["repetitions"])
    arn = get_job_device_arn()
    # The one line that differs between the simulator and a quantum device.
    device = LocalSimulator() if arn.startswith("local:") else AwsDevice(arn)
    values = []
    for repetition in range(repetitions):
        values.append(correlation(device, shots))
        log_metric(metric_name="correlation", value=values[-1], iteration_number=repetition)
    save_job_result({"device": arn, "correlations": values})
    print(f"mean correlation: {sum(values) / len(values):.3f}", flush=True)


def correlation(device: Device, shots: int) -> float:
    """Return the mean of Z0 Z1: 1 without errors."""
    counts = device.run(Circuit().h(0).cnot(0, 1), shots=shots).result().measurement_counts
    return sum(count * (1 if key in {"00", "11"} else -1) for key, count in counts.items()) / shots
