"""The energy of a trial state, measured on a Braket device."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

from braket.circuits import Circuit, Observable, observables
from braket.devices import Device

from .hamiltonian import Hamiltonian

ANGLES = 3

_OBSERVABLES = {"X": observables.X, "Y": observables.Y, "Z": observables.Z}


def trial_state(angles: Sequence[float]) -> Circuit:
    """Return the circuit that prepares the trial state.

    Two rotations can create any real product state, and so the Hartree-Fock state |10>. The unitary
    coupled-cluster factor exp(-i angles[2]/2 X0 Y1) then excites both electrons. This is the whole
    correlation of hydrogen in a minimal basis (O'Malley et al. 2016, section II.B). The energy is
    sinusoidal in each angle.

    Args:
        angles: The `ANGLES` angles, in radians.
    """
    first, second, excitation = angles
    circuit = Circuit().ry(0, first).ry(1, second)
    circuit.h(0).rx(1, pi / 2)
    circuit.cnot(0, 1).rz(1, excitation).cnot(0, 1)
    return circuit.h(0).rx(1, -pi / 2)


@dataclass(frozen=True)
class EnergyMeter:
    """Measures the energy of trial states.

    Attributes:
        hamiltonian: The Hamiltonian of the energy.
        device: A Braket device, local or on AWS.
        shots: Runs of each circuit; 0 requests exact expectations from a simulator.
    """

    hamiltonian: Hamiltonian
    device: Device
    shots: int

    def energies(self, points: Sequence[Sequence[float]]) -> list[float]:
        """Return the energy at each point, in hartree.

        All circuits are submitted before the first result is awaited: on AWS, the tasks then queue
        together.
        """
        groups = _measured_together(list(self.hamiltonian.measured))
        tasks = [
            [self.device.run(_measuring(point, group), shots=self.shots) for group in groups]
            for point in points
        ]
        return [
            self.hamiltonian.constant
            + sum(
                self._energy(group, task.result().values)
                for group, task in zip(groups, point_tasks, strict=True)
            )
            for point_tasks in tasks
        ]

    def _energy(self, group: Sequence[str], expectations: Sequence[float]) -> float:
        terms = self.hamiltonian.terms
        return sum(terms[term] * float(e) for term, e in zip(group, expectations, strict=True))


def _measured_together(terms: Sequence[str]) -> list[list[str]]:
    """Group the terms that one circuit can measure: no qubit needs two bases."""
    groups: list[list[str]] = []
    for term in terms:
        fitting = (group for group in groups if all(_compatible(term, other) for other in group))
        group = next(fitting, None)
        if group is None:
            groups.append([term])
        else:
            group.append(term)
    return groups


def _compatible(one: str, other: str) -> bool:
    return all(a == b or "I" in (a, b) for a, b in zip(one, other, strict=True))


def _measuring(angles: Sequence[float], group: Sequence[str]) -> Circuit:
    circuit = trial_state(angles)
    for term in group:
        qubits = [qubit for qubit, letter in enumerate(term) if letter != "I"]
        circuit.expectation(_observable(term), target=qubits)
    return circuit


def _observable(term: str) -> Observable:
    factors = [_OBSERVABLES[letter]() for letter in term if letter != "I"]
    return factors[0] if len(factors) == 1 else observables.TensorProduct(factors)
