"""Trains a quantum circuit Born machine of two qubits on a distribution from an input file."""

import json
from pathlib import Path

import numpy as np
from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import get_input_data_dir, save_job_result
from braket.jobs.metrics import log_metric
from scipy.optimize import minimize


def probabilities(angles):
    circuit = Circuit().ry(0, angles[0]).ry(1, angles[1]).cnot(0, 1).probability()
    return LocalSimulator().run(circuit, shots=0).result().values[0]


def main(channel, start: float, rounds: int):
    path = Path(get_input_data_dir(channel)) / "target.json"
    target = np.array(json.loads(path.read_text()))
    losses = []

    def loss(angles):
        losses.append(float(np.sum((probabilities(angles) - target) ** 2)))
        return losses[-1]

    def report(_):
        log_metric("loss", min(losses), iteration_number=report.round)
        report.round += 1

    report.round = 0
    options = {"maxiter": rounds, "xatol": 1e-7, "fatol": 1e-12}
    best = minimize(loss, [start, start], method="Nelder-Mead", callback=report, options=options)
    learned = [float(each) for each in probabilities(best.x)]
    save_job_result({"loss": float(best.fun), "learned": learned, "rounds": report.round})
