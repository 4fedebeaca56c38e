"""The files of `./dev release` have the same bytes at any place and time."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools import release, sbom

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "requirements-dev.lock")
MAKE = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[3], 8))
from tools import release
release.release(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def git(root: Path, *arguments: str) -> None:
    people = [f"GIT_{who}" for who in ("AUTHOR", "COMMITTER")]
    identity = {f"{who}_{what}": "a@b" for who in people for what in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
    subprocess.run(
        ["git", "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=root,
        env=os.environ | identity | dates,
        check=True,
        capture_output=True,
    )


def clone(root: Path) -> Path:
    """A repository with one commit, with all inputs of a release."""
    root.mkdir(parents=True)
    files = subprocess.run(
        ["git", "ls-files", "--", "constructs", *PARTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes((ROOT / name).read_bytes())
    (root / ".gitignore").write_text("dist/\n__pycache__/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=all")
    return root


def build(root: Path, umask: str, **variables: str) -> dict[str, bytes]:
    target = root / "dist"
    subprocess.run(
        [sys.executable, "-c", MAKE, root, target, umask],
        cwd=ROOT,
        env=os.environ | variables,
        check=True,
    )
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("one") / "clone")


@pytest.fixture(scope="module")
def built(repository: Path) -> dict[str, bytes]:
    return build(repository, "022", TZ="UTC", LC_ALL="C.UTF-8")


@pytest.fixture(scope="module")
def bill(built: dict[str, bytes]) -> Any:  # noqa: ANN401 - JSON
    (name,) = (name for name in built if name.endswith(".cdx.json"))
    return json.loads(built[name])


# test_wheel.py builds the wheel elsewhere.
@pytest.mark.long
def test_the_bytes_are_the_same_elsewhere(built: dict[str, bytes], tmp_path: Path) -> None:
    other = clone(tmp_path / "a longer way" / "to another clone")
    stray = other / "constructs/cdk_braket/__pycache__/old.cpython-311.pyc"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left by a run")
    for path in other.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    again = build(
        other, "077", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1"
    )
    assert set(again) == set(built)
    assert {name for name in built if again[name] != built[name]} == set()


def test_there_are_wheel_sdist_bill_and_checksums(built: dict[str, bytes]) -> None:
    kinds = (".whl", ".tar.gz", ".cdx.json", release.SUMS)
    assert all(sum(name.endswith(kind) for name in built) == 1 for kind in kinds)
    assert len(built) == len(kinds)
    lines = [line.split("  ") for line in built[release.SUMS].decode().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in built.items()
        if name != release.SUMS
    }


def test_the_sdist_has_the_sources(repository: Path, built: dict[str, bytes]) -> None:
    assert built
    (path,) = (repository / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = ("git", "ls-files", "constructs", "CHANGELOG.md", "LICENSE", "README.md")
    tracked = set(
        subprocess.run(
            [*listed, "pyproject.toml"], cwd=repository, capture_output=True, text=True, check=True
        ).stdout.split()
    )
    # hatchling adds these two.
    assert names - {"PKG-INFO", ".gitignore"} - tracked == set()


def test_files_of_editors_and_pages_of_other_folders_are_left_out(
    repository: Path, tmp_path: Path
) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(repository, sources, ignore=shutil.ignore_patterns(".git", "dist"))
    for stray in ("docs/README.md", "constructs/notes.txt", "constructs/cdk_braket/.idea/a.xml"):
        (sources / stray).parent.mkdir(parents=True, exist_ok=True)
        (sources / stray).write_text("stray")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "out")
    subprocess.run([*build, sources], check=True, capture_output=True)
    (sdist,) = (tmp_path / "out").glob("*.tar.gz")
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    names |= set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in names if ".idea" in name or "notes.txt" in name] == []
    assert "docs/README.md" not in names


def test_the_bill_holds_to_its_schema(bill: Any) -> None:  # noqa: ANN401 - JSON
    # Its import takes seconds, which each worker would spend that collects the tests.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_the_bill_names_each_file_of_the_wheel(repository: Path, bill: Any) -> None:  # noqa: ANN401 - JSON
    (path,) = (repository / "dist").glob("*.whl")
    archive = zipfile.ZipFile(path)
    files = {
        part["name"]: part["hashes"][0]["content"]
        for part in bill["components"]
        if part["type"] == "file"
    }
    assert files == {
        name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()
    }


def test_the_bill_has_the_dependencies_of_the_wheel_and_no_tools(bill: Any) -> None:  # noqa: ANN401 - JSON
    scopes = {part["name"]: part.get("scope") for part in bill["components"]}
    assert {scopes[name] for name in ("aws-cdk-lib", "boto3", "botocore", "jsii")} == {"required"}
    assert {scopes[name] for name in ("ministack", "amazon-braket-sdk")} == {"optional"}
    assert {"pytest", "ruff", "cfn-lint"}.isdisjoint(scopes)
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    direct = {reference.split("==")[0] for reference in needs["cdk-braket"]}
    assert direct == {"aws-cdk-lib", "boto3", "click", "constructs", "jsii", "rich"}
    (boto3,) = (reference for reference in needs if reference.startswith("boto3=="))
    assert any(one.startswith("botocore==") for one in needs[boto3])


def test_every_package_of_the_bill_has_hashes(bill: Any) -> None:  # noqa: ANN401 - JSON
    packages = [part for part in bill["components"] if part["type"] == "library"]
    assert packages
    assert all(part["hashes"] and part["purl"].startswith("pkg:pypi/") for part in packages)


def test_the_packages_of_the_bill_have_licenses(bill: Any) -> None:  # noqa: ANN401 - JSON
    packages = [part for part in bill["components"] if part["type"] == "library"]
    # Those of some platforms only are not installed on the others.
    plain = [part for part in packages if "properties" not in part]
    assert len(plain) > 20
    assert [part["name"] for part in plain if not part.get("licenses")] == []
    [boto3] = [part for part in plain if part["name"] == "boto3"]
    assert "Apache" in json.dumps(boto3["licenses"])


def test_a_package_of_another_version_than_locked_has_no_license(
    repository: Path, built: object
) -> None:
    assert built
    (path,) = (repository / "dist").glob("*.whl")
    project = {"name": "x", "version": "1", "dependencies": ["six>=1"]}
    text = "six==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via x\n"
    with pytest.raises(sbom.SbomError, match=r"is installed instead of 1\.0; run"):
        sbom.text(path, project, text, datetime.fromtimestamp(0, UTC))


@pytest.mark.parametrize("name", ["README.md", "new.txt"])
def test_changes_that_are_not_committed_are_refused(tmp_path: Path, name: str) -> None:
    root = clone(tmp_path / "clone")
    (root / name).write_text("changed")
    with pytest.raises(release.ReleaseError, match=rf"{name}\. Commit them, or release from"):
        release.release(root, root / "dist")
    assert not (root / "dist").exists()


def test_a_lock_without_a_dependency_of_the_wheel_is_refused(
    repository: Path, built: object
) -> None:
    assert built
    (path,) = (repository / "dist").glob("*.whl")
    project = {"name": "x", "version": "1", "dependencies": ["left-pad>=1"]}
    with pytest.raises(sbom.SbomError, match="the lock has no left-pad"):
        sbom.text(path, project, "", datetime.fromtimestamp(0, UTC))


@pytest.mark.parametrize("arguments", [["now"], ["--walk", "x"]])
def test_unknown_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert release.main(arguments) == 2
    assert "release accepts --walk [STEP], or nothing" in capsys.readouterr().err
