"""A two-qubit Hamiltonian as a sum of Pauli terms, read from a JSON file."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

QUBITS = 2
IDENTITY = "I" * QUBITS


class HamiltonianError(ValueError):
    """The file is not a Hamiltonian that this algorithm can use; the message has the reason."""


@dataclass(frozen=True)
class Hamiltonian:
    """A sum of Pauli terms.

    Attributes:
        terms: Coefficients in hartree by term. A term such as `ZI` names the operator on each
            qubit; the first letter acts on qubit 0.
    """

    terms: dict[str, float]

    @property
    def constant(self) -> float:
        """The part of the energy that no measurement can change, in hartree."""
        return self.terms.get(IDENTITY, 0.0)

    @property
    def measured(self) -> dict[str, float]:
        """The terms whose expectation has to be measured."""
        return {term: value for term, value in self.terms.items() if term != IDENTITY}


def find(directory: Path) -> Path:
    """Return the one JSON file in the directory of an input channel.

    Raises:
        HamiltonianError: There is none, or more than one.
    """
    found = sorted(directory.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise HamiltonianError(f"{directory} must hold exactly one .json file; found: {names}")
    return found[0]


def read(path: Path) -> Hamiltonian:
    """Read and check a Hamiltonian.

    Raises:
        HamiltonianError: The file is not JSON, or its `terms` are not Pauli terms with finite
            coefficients.
    """
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HamiltonianError(f"{path.name} is not JSON: {error}") from error
    terms = document.get("terms") if isinstance(document, dict) else None
    if not isinstance(terms, dict) or not terms:
        raise HamiltonianError(f'{path.name} must be an object with "terms" (Pauli term: number)')
    checked = {term: _coefficient(path, term, value) for term, value in terms.items()}
    if set(checked) == {IDENTITY}:
        raise HamiltonianError(f"{path.name} holds {IDENTITY} alone, so no energy to optimize")
    return Hamiltonian(checked)


def _coefficient(path: Path, term: str, value: object) -> float:
    if len(term) != QUBITS or set(term) - set("IXYZ"):
        raise HamiltonianError(
            f"{path.name}: the term {term!r} must be {QUBITS} letters of I X Y Z"
        )
    # JSON's true is an int to Python, and Python's integers have no limit.
    is_flag = isinstance(value, bool)
    if isinstance(value, int | float) and not is_flag and abs(value) <= sys.float_info.max:
        return float(value)
    raise HamiltonianError(f"{path.name}: the coefficient of {term} must be a finite number")
