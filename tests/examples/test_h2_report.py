"""A job's results are read without trusting them, and shown beside the exact energy."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import matplotlib.image
import pytest

from cdk_braket_client import results as job_results
from cdk_braket_client.errors import ResultsError
from examples.h2_vqe import report as job_report

DATA = Path(__file__).resolve().parents[2] / "examples/h2_vqe/data/h2_hamiltonian.json"

RESULTS = {
    "energy": -1.1455,
    "parameters": [3.14, 0.0, -0.23],
    "trace": [0.5, -1.0, -1.1455],
    "shots": 0,
}


def member(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def saved(results: Mapping[str, object], data_format: str = "plaintext") -> bytes:
    return json.dumps({"dataDictionary": results, "dataFormat": data_format}).encode()


def archive(directory: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = directory / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def reported(directory: Path, results: Mapping[str, object]) -> job_report.Report:
    path = archive(directory, member("results.json", saved(results)))
    return job_report.report(path, DATA, directory / "report")


def test_report_compares_with_the_exact_ground_state(tmp_path: Path) -> None:
    report = reported(tmp_path, RESULTS)

    assert report.energy == -1.1455
    # The lowest eigenvalue in closed form: 10 and 01 are coupled by XX and YY alone.
    middle, half, coupling = 0.2252 - 0.5716, 0.3435 + 0.4347, 2 * 0.0910
    assert report.exact_energy == pytest.approx(middle - (half**2 + coupling**2) ** 0.5, abs=1e-12)
    assert report.difference == pytest.approx(report.energy - report.exact_energy)
    assert report.trace == (0.5, -1.0, -1.1455)
    assert report.parameters == (3.14, 0.0, -0.23)


@pytest.mark.parametrize(
    ("energy", "is_right"), [(-1.1455, True), (-1.1447, True), (-1.1445, False), (-1.1467, False)]
)
def test_verdict_is_about_a_thousandth_of_a_hartree_either_way(
    tmp_path: Path, energy: float, is_right: bool
) -> None:
    report = reported(tmp_path, {**RESULTS, "energy": energy})

    assert report.is_right is is_right
    assert ("NOT within 0.001" in report.render()) is not is_right


def test_rendering_shows_both_energies_and_the_way_there(tmp_path: Path) -> None:
    assert reported(tmp_path, RESULTS).render().splitlines() == [
        "Energy       -1.145500 hartree",
        "Exact        -1.145599 hartree, by diagonalization",
        "Difference   +9.9e-05 hartree, within 0.001",
        "Convergence  █▂▁ +0.500 to -1.145 in 2 iterations",
        f"Picture      {tmp_path / 'report/convergence.png'}",
    ]


def test_picture_is_drawn_with_the_curve_and_the_exact_line(tmp_path: Path) -> None:
    pixels = matplotlib.image.imread(reported(tmp_path, RESULTS).picture)

    assert pixels.shape[0] >= 600
    assert pixels.shape[1] >= 800
    blue, red = (0.122, 0.467, 0.706), (0.839, 0.153, 0.157)
    for colour in (blue, red):
        assert (abs(pixels[:, :, :3] - colour).max(axis=2) < 0.02).sum() > 100


def test_a_job_that_starts_at_the_minimum_can_be_drawn(tmp_path: Path) -> None:
    report = reported(tmp_path, {**RESULTS, "trace": [-1.1455]})

    assert "▁ -1.145 to -1.145 in 0 iterations" in report.render()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([0.0, 7.0], "▁█"),
        ([float(value) for value in range(8)], "▁▂▃▄▅▆▇█"),
        ([1.0, 1.0, 1.0], "▁▁▁"),
    ],
)
def test_sparkline_spans_its_values(values: list[float], line: str) -> None:
    assert job_report.sparkline(values) == line


def test_long_sparkline_keeps_both_ends() -> None:
    line = job_report.sparkline([1.0, *[0.0] * 500, 1.0], width=20)

    assert len(line) == 20
    assert line[0] == line[-1] == "█"


# --- What is no result ----------------------------------------------------------------------------


def test_name_with_a_leading_dot_is_the_same_file(tmp_path: Path) -> None:
    path = archive(tmp_path, member("other", b"x"), member("./results.json", saved(RESULTS)))

    assert job_results.read(path) == RESULTS


@pytest.mark.parametrize(
    "name", ["../results.json", "/results.json", "deep/results.json", "results.json.bak"]
)
def test_other_members_are_never_read(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, member(name, saved(RESULTS)))

    with pytest.raises(ResultsError, match=r"holds no results\.json"):
        job_results.read(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = tarfile.TarInfo("results.json")
    link.type, link.linkname = tarfile.SYMTYPE, "other.json"
    path = archive(tmp_path, (link, b""), member("other.json", saved(RESULTS)))

    with pytest.raises(ResultsError, match=r"holds no results\.json"):
        job_results.read(path)


def test_an_archive_that_grows_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(70):
            stream.write(bytes(2**20))

    with pytest.raises(ResultsError, match="more than 64 MiB"):
        job_results.read(path)


def test_a_sparse_member_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    info, content = member("results.json", b"x" * 512)
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "results.json",
        "GNU.sparse.size": str(2**40),
        "GNU.sparse.map": "0,512",
    }
    path = archive(tmp_path, (info, content))

    with pytest.raises(ResultsError, match="larger than the archive"):
        job_results.read(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[]", "save_job_result"),
        (saved(RESULTS, "pickled_v4"), "save_job_result"),
        (b'{"dataFormat": "plaintext"}', "no dataDictionary"),
    ],
)
def test_results_that_the_sdk_did_not_write_in_plain_text_are_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = archive(tmp_path, member("results.json", content))

    with pytest.raises(ResultsError, match=complaint):
        job_results.read(path)


@pytest.mark.parametrize("cut", [0, 1, 40, 100])
def test_a_broken_archive_is_refused_in_one_line(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path, member("results.json", saved(RESULTS)))
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(ResultsError, match=r"model\.tar\.gz") as refusal:
        job_results.read(path)

    assert "\n" not in str(refusal.value)


def test_an_archive_with_a_wrong_byte_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, member("results.json", saved(RESULTS)))
    content = bytearray(path.read_bytes())
    content[30:34] = b"\xff\xff\xff\xff"
    path.write_bytes(content)

    with pytest.raises(ResultsError, match=r"model\.tar\.gz cannot be read"):
        job_results.read(path)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(job_report.ReportError, match=r"model\.tar\.gz cannot be read"):
        job_report.report(tmp_path / "model.tar.gz", DATA, tmp_path)


@pytest.mark.parametrize("name", ["energy", "trace", "parameters"])
@pytest.mark.parametrize("value", [None, "1", True, float("nan"), 10**400, [], [None]])
def test_results_of_something_else_are_refused_by_name(
    tmp_path: Path, name: str, value: object
) -> None:
    with pytest.raises(job_report.ReportError, match=f"{name} must be finite numbers"):
        reported(tmp_path, {**RESULTS, name: value})


def test_a_bad_hamiltonian_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, member("results.json", saved(RESULTS)))
    bad = tmp_path / "molecule.json"
    bad.write_text("[]", encoding="utf-8")

    for hamiltonian in (bad, tmp_path / "missing.json"):
        with pytest.raises(job_report.ReportError, match=hamiltonian.name):
            job_report.report(path, hamiltonian, tmp_path)
