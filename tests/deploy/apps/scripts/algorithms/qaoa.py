"""The energy of a MaxCut ring of four nodes after one layer of QAOA, and its gradient, two ways."""

import pandas as pd
import pennylane as qml
from braket.jobs import save_job_result
from braket.jobs.metrics import log_metric
from pennylane import numpy as np

EDGES = [(0, 1), (1, 2), (2, 3), (3, 0)]
COST = qml.Hamiltonian([1.0] * 4, [qml.PauliZ(a) @ qml.PauliZ(b) for a, b in EDGES])


def gradient(name, method, angles):
    @qml.qnode(qml.device(name, wires=4), diff_method=method)
    def energy(gamma, beta):
        for wire in range(4):
            qml.Hadamard(wire)
        for a, b in EDGES:
            qml.CNOT([a, b])
            qml.RZ(2 * gamma, b)
            qml.CNOT([a, b])
        for wire in range(4):
            qml.RX(2 * beta, wire)
        return qml.expval(COST)

    return float(energy(*angles)), [float(part) for part in qml.grad(energy)(*angles)]


def main(gamma: float, beta: float):
    angles = np.array(gamma, requires_grad=True), np.array(beta, requires_grad=True)
    found = {
        "adjoint": gradient("lightning.qubit", "adjoint", angles),
        "shift": gradient("braket.local.qubit", "parameter-shift", angles),
    }
    table = pd.DataFrame({name: [energy, *parts] for name, (energy, parts) in found.items()})
    log_metric("energy", table["adjoint"][0], iteration_number=0)
    save_job_result({name: list(column) for name, column in table.items()})
