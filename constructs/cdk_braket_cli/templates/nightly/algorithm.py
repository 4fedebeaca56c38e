"""The script of the job: measures how well each qubit of the device is read out.

It prepares 0 and 1 on all qubits and counts the right outcomes. The simulator of the job has no
errors, so the circuit contains noise with the probability `error`.
"""

from braket.aws import AwsDevice
from braket.circuits import Circuit
from braket.devices import Device, LocalSimulator
from braket.jobs import get_hyperparameters, get_job_device_arn, save_job_result
from braket.jobs.metrics import log_metric


def main() -> None:
    """Measure the fidelity of each qubit, and save all with the lowest."""
    given = get_hyperparameters()
    qubits, shots, error = int(given["qubits"]), int(given["shots"]), float(given["error"])
    arn = get_job_device_arn()
    is_simulator = arn.startswith("local:")
    device = LocalSimulator("braket_dm") if is_simulator else AwsDevice(arn)
    fidelities = readout(device, qubits, shots, error if is_simulator else 0.0)
    for qubit, fidelity in enumerate(fidelities):
        log_metric(metric_name="fidelity", value=fidelity, iteration_number=qubit)
    save_job_result({"fidelities": fidelities, "lowest": min(fidelities)})
    print(f"lowest fidelity: {min(fidelities):.3f}", flush=True)


def readout(device: Device, qubits: int, shots: int, error: float) -> list[float]:
    """Return the share of right outcomes of each qubit."""
    right = [0.0] * qubits
    for value in (0, 1):
        result = device.run(prepared(value, qubits, error), shots=shots).result()
        for qubit in range(qubits):
            counted = sum(int(row[qubit]) == value for row in result.measurements)
            right[qubit] += counted / shots / 2
    return right


def prepared(value: int, qubits: int, error: float) -> Circuit:
    """Return a circuit that prepares a value on all qubits, with errors of a probability."""
    circuit = Circuit()
    for qubit in range(qubits):
        (circuit.x if value else circuit.i)(qubit)
        if error:
            circuit.bit_flip(qubit, error)
    return circuit
