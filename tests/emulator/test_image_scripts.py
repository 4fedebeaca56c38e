"""Scripts in the manner of public examples run unchanged in the environment of the base image.

The first test builds that environment with uv, which needs a package index; it is kept for later
runs.
"""

import json
import math

import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs, Json


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


def _result(jobs: Jobs, job: Json) -> Json:
    assert job["status"] == "COMPLETED", f"{job.get('failureReason')}\n{jobs.log(job)}"
    return json.loads(jobs.results(job)["results.json"])["dataDictionary"]


# The energy of a MaxCut ring of four nodes after one layer of QAOA, and its gradient, two ways.
QAOA = """
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
"""


def _ring(gamma: float, beta: float) -> float:
    """The energy of the ring by theory.

    Source: https://arxiv.org/abs/1706.02998, equation 14, for an edge whose nodes have one other
    neighbor each, and no triangle. Its gamma is -2 times that of the script, and its cost of an
    edge is (1 - ZZ) / 2.
    """
    cut = 0.5 - 0.5 * math.sin(4 * beta) * math.sin(2 * gamma) * math.cos(2 * gamma)
    return 4 * (1 - 2 * cut)


def _slopes(gamma: float, beta: float) -> tuple[float, float]:
    step = 1e-6
    return (
        (_ring(gamma + step, beta) - _ring(gamma - step, beta)) / (2 * step),
        (_ring(gamma, beta + step) - _ring(gamma, beta - step)) / (2 * step),
    )


# test_environments.py has the packages of an image.
@pytest.mark.long
def test_qaoa_by_adjoint_and_by_parameter_shift_agree_with_theory(jobs: Jobs) -> None:
    gamma, beta = 0.3, -0.2
    parameters = {"gamma": str(gamma), "beta": str(beta)}
    job = jobs.run(QAOA, hyperParameters=parameters)
    found = _result(jobs, job)
    assert found["shift"] == pytest.approx(found["adjoint"])
    assert found["adjoint"][0] == pytest.approx(_ring(gamma, beta))
    assert found["adjoint"][1:] == pytest.approx(_slopes(gamma, beta), abs=1e-6)
    assert "built with uv" in jobs.notes(job)[-1]


PLAIN = "from braket.jobs import save_job_result\ndef main():\n    save_job_result({'ran': True})\n"


# test_braket_jobs.py installs requirements.
@pytest.mark.long
def test_a_requirement_that_pip_cannot_install_does_not_end_the_job(jobs: Jobs) -> None:
    job = jobs.run({"algo.py": PLAIN, "requirements.txt": "./not_there\n"})
    assert _result(jobs, job) == {"ran": True}
    assert "not_there" in jobs.log(job)


TYPED = """
from braket.jobs import save_job_result

def main(
    a: int, b: float, c: str, d: str, e: int, f: float, g: str, h: int
):
    save_job_result({"values": [a, b, c, d, e, f, g, h]})
"""


# test_run_job.py and the jobs of tests/deploy cast hyperparameters.
@pytest.mark.long
def test_eight_typed_hyperparameters_are_cast(jobs: Jobs) -> None:
    values = dict(zip("abcdefgh", ["1", "2.5", "x", "7", "-3", "1e-3", "a b", "0"], strict=True))
    job = jobs.run(TYPED, hyperParameters=values)
    assert _result(jobs, job)["values"] == [1, 2.5, "x", "7", -3, 1e-3, "a b", 0]
