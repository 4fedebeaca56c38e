"""Hydrogen in the STO-6G basis from first principles, to check a published Hamiltonian against.

Independent of the example. It uses s-type Gaussian integrals in closed form (Szabo and Ostlund,
Modern Quantum Chemistry, appendix A). Symmetry alone determines the two molecular orbitals. The
results are the energies of the occupations of the two qubits.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOHR_IN_ANGSTROM = 0.529177210903  # CODATA 2018

# STO-6G for hydrogen (scale factor 1.24): Hehre, Stewart, Pople, J. Chem. Phys. 51, 2657 (1969).
EXPONENTS = (35.52322122, 6.513143725, 1.822142904, 0.625955266, 0.243076747, 0.100112428)
WEIGHTS = (0.00916359628, 0.04936149294, 0.1685383049, 0.3705627997, 0.4164915298, 0.1303340841)

_Product = tuple[float, float, float]  # weight, exponent, centre of a product of two Gaussians


@dataclass(frozen=True)
class Occupations:
    """Energies in hartree, nuclear repulsion included, of fillings of the two orbitals.

    Attributes:
        empty: Neither orbital is occupied.
        bonding: Both electrons in the lower orbital (Hartree-Fock).
        antibonding: Both electrons in the upper orbital.
        full: Two electrons in each.
        coupling: The matrix element between bonding and antibonding.
    """

    empty: float
    bonding: float
    antibonding: float
    full: float
    coupling: float

    @property
    def ground(self) -> float:
        """The lowest energy of two electrons: full configuration interaction."""
        matrix = [[self.bonding, self.coupling], [self.coupling, self.antibonding]]
        return float(np.linalg.eigvalsh(np.array(matrix))[0])


def occupations(bond_length_angstrom: float) -> Occupations:
    distance = bond_length_angstrom / BOHR_IN_ANGSTROM
    one, two = _molecular(*_atomic(distance))
    lower, upper = one[0, 0], one[1, 1]
    coulomb = [two[i, i, j, j] for i, j in ((0, 0), (1, 1), (0, 1))]
    exchange = two[0, 1, 0, 1]
    nuclei = 1 / distance
    return Occupations(
        empty=nuclei,
        bonding=nuclei + 2 * lower + coulomb[0],
        antibonding=nuclei + 2 * upper + coulomb[1],
        full=nuclei + 2 * (lower + upper) + coulomb[0] + coulomb[1] + 4 * coulomb[2] - 2 * exchange,
        coupling=exchange,
    )


def _molecular(
    overlap: float, one: NDArray[np.float64], two: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert to the sum and the difference of the atomic orbitals."""
    plus, minus = 1 / math.sqrt(2 + 2 * overlap), 1 / math.sqrt(2 - 2 * overlap)
    c = np.array([[plus, minus], [plus, -minus]])
    return c.T @ one @ c, np.einsum("ai,bj,ck,dl,abcd->ijkl", c, c, c, c, two)


def _atomic(distance: float) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    centres = (0.0, distance)
    products = [[_products(a, b) for b in centres] for a in centres]
    one, two = np.zeros((2, 2)), np.zeros((2, 2, 2, 2))
    for i, j in itertools.product(range(2), repeat=2):
        one[i, j] = _kinetic(centres[i], centres[j]) + sum(
            _attraction(products[i][j], nucleus) for nucleus in centres
        )
        for k, m in itertools.product(range(2), repeat=2):
            two[i, j, k, m] = _repulsion(products[i][j], products[k][m])
    return sum(w * (math.pi / p) ** 1.5 for w, p, _ in products[0][1]), one, two


def _primitives() -> list[tuple[float, float]]:
    pairs = zip(WEIGHTS, EXPONENTS, strict=True)
    return [(w * (2 * x / math.pi) ** 0.75, x) for w, x in pairs]


def _products(a: float, b: float) -> list[_Product]:
    return [
        (v * w * math.exp(-x * y / (x + y) * (a - b) ** 2), x + y, (x * a + y * b) / (x + y))
        for (v, x), (w, y) in itertools.product(_primitives(), repeat=2)
    ]


def _kinetic(a: float, b: float) -> float:
    total = 0.0
    for (v, x), (w, y) in itertools.product(_primitives(), repeat=2):
        reduced = x * y / (x + y)
        shape = reduced * (3 - 2 * reduced * (a - b) ** 2) * (math.pi / (x + y)) ** 1.5
        total += v * w * math.exp(-reduced * (a - b) ** 2) * shape
    return total


def _attraction(products: list[_Product], nucleus: float) -> float:
    return -sum(w * 2 * math.pi / p * _boys(p * (c - nucleus) ** 2) for w, p, c in products)


def _repulsion(left: list[_Product], right: list[_Product]) -> float:
    total = 0.0
    for (v, p, a), (w, q, b) in itertools.product(left, right):
        factor = 2 * math.pi**2.5 / (p * q * math.sqrt(p + q))
        total += v * w * factor * _boys(p * q / (p + q) * (a - b) ** 2)
    return total


def _boys(t: float) -> float:
    return 1.0 if t < 1e-12 else 0.5 * math.sqrt(math.pi / t) * math.erf(math.sqrt(t))
