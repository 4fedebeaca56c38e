"""The script of the job: prepares entangled qubits, and saves how often all are equal."""

from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import get_hyperparameters, save_job_result
from braket.jobs.metrics import log_metric


def main() -> None:
    """Measure states of two, three and more qubits, and save the values."""
    given = get_hyperparameters()
    qubits, shots = int(given["qubits"]), int(given["shots"])
    values = []
    for number in range(2, qubits + 1):
        values.append(share_of_equal(number, shots))
        log_metric(metric_name="equal", value=values[-1], iteration_number=number)
    save_job_result({"equal": values})


def share_of_equal(qubits: int, shots: int) -> float:
    """Return how often all qubits are equal: always, as the simulator has no errors."""
    circuit = Circuit().h(0)
    for qubit in range(1, qubits):
        circuit.cnot(0, qubit)
    counts = LocalSimulator().run(circuit, shots=shots).result().measurement_counts
    return float(counts["0" * qubits] + counts["1" * qubits]) / shots
