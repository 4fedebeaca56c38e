"""The script of the job: divides the nodes of a graph, so that many edges are cut (QAOA).

PennyLane is part of Amazon Braket's container. `requirements.txt` adds networkx.
Source: Farhi, Goldstone, Gutmann, A Quantum Approximate Optimization Algorithm, 2014.
"""

import networkx as nx
import pennylane as qml
from braket.jobs import get_hyperparameters, get_job_device_arn, save_job_result
from braket.jobs.metrics import log_metric
from pennylane import numpy as np


def main() -> None:
    """Optimize the angles, and save the cut of the most probable outcome."""
    given = get_hyperparameters()
    nodes, layers, steps = int(given["nodes"]), int(given["layers"]), int(given["steps"])
    graph = nx.random_regular_graph(3, nodes, seed=int(given["seed"]))
    device = job_device(get_job_device_arn(), nodes)
    cost_hamiltonian, mixer = qml.qaoa.maxcut(graph)

    def state(angles: np.tensor) -> None:
        for node in range(nodes):
            qml.Hadamard(wires=node)
        for layer in range(layers):
            qml.qaoa.cost_layer(angles[0][layer], cost_hamiltonian)
            qml.qaoa.mixer_layer(angles[1][layer], mixer)

    @qml.qnode(device)
    def cost(angles: np.tensor) -> float:
        state(angles)
        return qml.expval(cost_hamiltonian)

    @qml.qnode(device)
    def probabilities(angles: np.tensor) -> np.tensor:
        state(angles)
        return qml.probs(wires=range(nodes))

    optimizer = qml.AdamOptimizer(stepsize=0.1)
    angles = np.full((2, layers), 0.5, requires_grad=True)
    for step in range(steps):
        angles, value = optimizer.step_and_cost(cost, angles)
        log_metric(metric_name="cost", value=float(value), iteration_number=step)
    best = f"{int(np.argmax(probabilities(angles))):0{nodes}b}"
    print(f"{best} cuts {cut(graph, best)} of {graph.number_of_edges()} edges", flush=True)
    save_job_result({"partition": best, "cut": cut(graph, best), "angles": angles.tolist()})


def job_device(arn: str, wires: int) -> qml.devices.Device:
    """Return a simulator of PennyLane, or a device of Amazon Braket."""
    if arn.startswith("local:"):
        return qml.device(arn.rpartition("/")[2], wires=wires)
    return qml.device("braket.aws.qubit", device_arn=arn, wires=wires, shots=1000)


def cut(graph: nx.Graph, partition: str) -> int:
    """Return the number of edges between both parts."""
    return sum(partition[one] != partition[other] for one, other in graph.edges)
