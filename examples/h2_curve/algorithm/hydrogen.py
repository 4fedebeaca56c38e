"""The hydrogen molecule in a minimal basis, at any bond length.

Each atom has one orbital, STO-3G. Symmetry combines both to a bonding and an antibonding one. The
electrons of opposite spin are two qubits: 0 is the bonding orbital, 1 the antibonding one. The
Hamiltonian is then exact in this basis. Source of the integrals: A. Szabo, N. S. Ostlund, Modern
Quantum Chemistry, appendix A.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import erf, exp, pi, sqrt

BOHR = 0.529177210903
"""Ångström in an atomic unit of length."""

_SMALL = 1e-9

# Exponents and coefficients of STO-3G for hydrogen.
_PRIMITIVES = (
    (3.425250914, 0.1543289673),
    (0.6239137298, 0.5353281423),
    (0.1688554040, 0.4446345422),
)


@dataclass(frozen=True)
class Hamiltonian:
    """A Hamiltonian `constant + field (Z0 + Z1) + coupling Z0 Z1 + exchange X0 X1`, in hartree."""

    constant: float
    field: float
    coupling: float
    exchange: float

    def exact_energy(self) -> float:
        """Return the lowest eigenvalue: that of the states |00> and |11>, which X0 X1 couples."""
        middle = self.constant + self.coupling
        return middle - sqrt((2 * self.field) ** 2 + self.exchange**2)


def hamiltonian(bond_length: float) -> Hamiltonian:
    """Return the Hamiltonian at a bond length in Ångström."""
    distance = bond_length / BOHR
    overlap = _sum(distance, _overlap)
    same, crossed = _one_electron(0.0, distance), _one_electron(distance, distance)
    bonding = (same + crossed) / (1 + overlap)
    antibonding = (same - crossed) / (1 - overlap)
    places = (0.0, distance)
    on_atoms = {key: _repulsion(*(places[k] for k in key)) for key in product((0, 1), repeat=4)}
    norms = (sqrt(2 * (1 + overlap)), sqrt(2 * (1 - overlap)))

    def of_orbitals(*orbitals: int) -> float:
        """Return the repulsion (pq|rs) of molecular orbitals: 0 is bonding."""
        total = 0.0
        for atoms, value in on_atoms.items():
            signs = [-1 if o and a else 1 for o, a in zip(orbitals, atoms, strict=True)]
            total += signs[0] * signs[1] * signs[2] * signs[3] * value
        return (
            total
            / (norms[orbitals[0]] * norms[orbitals[1]])
            / (norms[orbitals[2]] * norms[orbitals[3]])
        )

    both_down = 2 * bonding + of_orbitals(0, 0, 0, 0)
    both_up = 2 * antibonding + of_orbitals(1, 1, 1, 1)
    mixed = bonding + antibonding + of_orbitals(0, 0, 1, 1)
    return Hamiltonian(
        constant=(both_down + both_up + 2 * mixed) / 4 + 1 / distance,
        field=(both_down - both_up) / 4,
        coupling=(both_down + both_up - 2 * mixed) / 4,
        exchange=of_orbitals(0, 1, 0, 1),
    )


def _sum(apart: float, integral: Callable[[float, float, float], float]) -> float:
    """Sum an integral of two primitives over two contracted orbitals at a distance."""
    total = 0.0
    for (a, ca), (b, cb) in product(_PRIMITIVES, repeat=2):
        norm: float = (2 * a / pi) ** 0.75 * (2 * b / pi) ** 0.75
        total += ca * cb * norm * integral(a, b, apart)
    return total


def _overlap(a: float, b: float, apart: float) -> float:
    volume: float = (pi / (a + b)) ** 1.5
    return volume * exp(-a * b / (a + b) * apart**2)


def _kinetic(a: float, b: float, apart: float) -> float:
    reduced = a * b / (a + b)
    return reduced * (3 - 2 * reduced * apart**2) * _overlap(a, b, apart)


def _one_electron(apart: float, distance: float) -> float:
    """Return kinetic energy and attraction of orbitals on one atom (apart 0), or on both."""

    def attraction(a: float, b: float, _apart: float) -> float:
        center = b * apart / (a + b)
        factor = -2 * pi / (a + b) * exp(-a * b / (a + b) * apart**2)
        nuclei = (0.0, distance)
        return factor * sum(_boys((a + b) * (center - place) ** 2) for place in nuclei)

    return _sum(apart, _kinetic) + _sum(apart, attraction)


def _repulsion(one: float, two: float, three: float, four: float) -> float:
    """Return the repulsion (12|34) of contracted orbitals at four places on the axis."""
    total = 0.0
    for (a, ca), (b, cb), (c, cc), (d, cd) in product(_PRIMITIVES, repeat=4):
        norm: float = (16 * a * b * c * d / pi**4) ** 0.75
        left, right = a + b, c + d
        place = (a * one + b * two) / left - (c * three + d * four) / right
        damping = exp(-a * b / left * (one - two) ** 2 - c * d / right * (three - four) ** 2)
        factor = 2 * pi**2.5 / (left * right * sqrt(left + right)) * damping
        value = factor * _boys(left * right / (left + right) * place**2)
        total += ca * cb * cc * cd * norm * value
    return total


def _boys(t: float) -> float:
    return 1 - t / 3 if t < _SMALL else 0.5 * sqrt(pi / t) * erf(sqrt(t))
