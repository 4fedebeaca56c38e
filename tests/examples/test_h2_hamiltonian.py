"""The published coefficients are hydrogen's, and a file that holds none is refused."""

import json
from pathlib import Path

import pytest

from examples.h2_vqe.algorithm import hamiltonian
from examples.h2_vqe.report import exact_energy
from tests.examples.h2_integrals import Occupations, occupations

DATA = Path(__file__).resolve().parents[2] / "examples/h2_vqe/data/h2_hamiltonian.json"

# The table gives four digits.
ROUNDING = 0.5e-4


@pytest.fixture(scope="module")
def molecule() -> Occupations:
    document = json.loads(DATA.read_text(encoding="utf-8"))
    return occupations(document["bond_length_angstrom"])


def test_integrals_give_the_known_energy_of_hydrogen(molecule: Occupations) -> None:
    # Full configuration interaction in this basis at this distance, as another program gives it
    # (Gaussian 16: J. Goings, "A simple VQE in Python", on O'Malley's table).
    assert molecule.ground == pytest.approx(-1.1457416808, abs=1e-7)


def test_published_coefficients_follow_from_first_principles(molecule: Occupations) -> None:
    # Qubit values +1 and -1 stand for: ++ empty, -+ bonding, +- antibonding, -- full.
    pp, mp, pm, mm = molecule.empty, molecule.bonding, molecule.antibonding, molecule.full
    expected = {
        "II": (pp + mp + pm + mm) / 4,
        "ZI": (pp - mp + pm - mm) / 4,
        "IZ": (pp + mp - pm - mm) / 4,
        "ZZ": (pp - mp - pm + mm) / 4,
        "XX": molecule.coupling / 2,
        "YY": molecule.coupling / 2,
    }

    assert hamiltonian.read(DATA).terms == pytest.approx(expected, abs=ROUNDING)


def test_ground_state_is_the_molecules(molecule: Occupations) -> None:
    assert exact_energy(hamiltonian.read(DATA)) == pytest.approx(molecule.ground, abs=5e-4)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", '"terms"'),
        ('{"terms": {}}', '"terms"'),
        ('{"terms": {"II": 1.0}}', "no energy to optimize"),
        ('{"terms": {"ZZZ": 1.0}}', "'ZZZ' must be 2 letters"),
        ('{"terms": {"ZQ": 1.0}}', "'ZQ' must be 2 letters"),
        ('{"terms": {"ZZ": "1.0"}}', "coefficient of ZZ must be a finite number"),
        ('{"terms": {"ZZ": true}}', "coefficient of ZZ must be a finite number"),
        ('{"terms": {"ZZ": NaN}}', "coefficient of ZZ must be a finite number"),
        ('{"terms": {"ZZ": 1e999}}', "coefficient of ZZ must be a finite number"),
        (f'{{"terms": {{"ZZ": 1{"0" * 400}}}}}', "coefficient of ZZ must be a finite number"),
    ],
)
def test_a_file_that_is_no_hamiltonian_is_refused_by_name(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "molecule.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(hamiltonian.HamiltonianError, match=r"molecule\.json") as refusal:
        hamiltonian.read(path)

    assert complaint in str(refusal.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "molecule.json"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(hamiltonian.HamiltonianError, match="is not JSON"):
        hamiltonian.read(path)


@pytest.mark.parametrize("names", [[], ["a.json", "b.json"]])
def test_a_channel_must_hold_one_file(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()

    with pytest.raises(hamiltonian.HamiltonianError, match="exactly one"):
        hamiltonian.find(tmp_path)
