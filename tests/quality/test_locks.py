"""The check that the locks fit their sources, without a network."""

import json
import shutil
from pathlib import Path

import pytest

from tests.quality import locks
from tools import lock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The real locks and their sources."""
    python = (lock.PYTHON_LOCK, lock.APP_LOCK, lock.SCANNERS_LOCK, lock.LOWEST_LOCK)
    for name in (lock.PROJECT, lock.NODE_MANIFEST, lock.NODE_LOCK, *python):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def only_problem(root: Path) -> str:
    (problem,) = locks.problems(root)
    return problem


def test_the_locks_as_they_are_fit(copy: Path) -> None:
    assert locks.problems(copy) == []


def test_a_new_requirement_is_missed(copy: Path) -> None:
    change(copy / lock.PROJECT, '"build>=1.2"', '"build>=1.2", "left-pad>=1"')
    assert only_problem(copy).startswith("requirements-dev.lock: it has no left-pad>=1")


def test_a_requirement_that_rose_above_the_lock_is_missed(copy: Path) -> None:
    change(copy / lock.PROJECT, '"build>=1.2"', '"build>=99"')
    assert only_problem(copy).startswith("requirements-dev.lock: it has no build>=99")


def test_a_requirement_that_went_is_noticed(copy: Path) -> None:
    change(copy / lock.PROJECT, '    "build>=1.2",\n', "")
    assert only_problem(copy).startswith("requirements-dev.lock: nothing requires build any more")


def test_a_package_without_hashes_is_noticed(copy: Path) -> None:
    with (copy / lock.PYTHON_LOCK).open("a") as file:
        file.write("left-pad==1.0\n    # via build\n")
    assert only_problem(copy) == "requirements-dev.lock: left-pad has no hash"


def test_the_lock_of_an_app_needs_hashes(copy: Path) -> None:
    change(copy / lock.APP_LOCK, "    --hash=sha256:", "    # sha256:")
    change(copy / lock.APP_LOCK, "    --hash=sha256:", "    # sha256:")
    assert only_problem(copy) == "requirements.txt: attrs has no hash"


def test_an_untested_version_in_the_lock_of_an_app_is_noticed(copy: Path) -> None:
    change(copy / lock.APP_LOCK, "six==", "six==0.")
    assert only_problem(copy).startswith("requirements.txt: six 0.")


def test_a_requirement_of_the_library_is_in_both_locks(copy: Path) -> None:
    change(copy / lock.PROJECT, '"constructs>=10.5.0,<11"', '"constructs>=99"')
    missed = [problem.partition(":")[0] for problem in locks.problems(copy)]
    assert missed == [lock.PYTHON_LOCK, lock.APP_LOCK, lock.LOWEST_LOCK, lock.LOWEST_LOCK]


def test_a_lower_limit_that_is_not_tested_is_noticed(copy: Path) -> None:
    change(copy / lock.PROJECT, '"boto3>=1.42.85,<2"', '"boto3>=1.42.1,<2"')
    assert only_problem(copy).startswith(
        "requirements-lowest.lock: boto3 1.42.85 is not the lowest"
    )


def test_the_lock_of_the_scanners_is_checked(copy: Path) -> None:
    change(copy / lock.PROJECT, '"checkov>=3.3,<4"', '"checkov>=99"')
    assert only_problem(copy).startswith("requirements-scanners.lock: it has no checkov>=99")


@pytest.mark.parametrize("line", ["--index-url https://example.org/simple", "--find-links /x"])
def test_a_registry_in_the_python_lock_is_noticed(copy: Path, line: str) -> None:
    lock_file = copy / lock.PYTHON_LOCK
    lock_file.write_text(f"{line}\n{lock_file.read_text()}")
    assert "names a registry" in only_problem(copy)


def test_another_version_in_package_json_is_noticed(copy: Path) -> None:
    manifest = json.loads((copy / lock.NODE_MANIFEST).read_text())
    manifest["devDependencies"]["aws-cdk"] = "3.0.0"
    (copy / lock.NODE_MANIFEST).write_text(json.dumps(manifest))
    assert "its devDependencies are not package.json's" in only_problem(copy)


def test_a_node_package_without_hash_or_with_a_registry_is_noticed(copy: Path) -> None:
    tree = json.loads((copy / lock.NODE_LOCK).read_text())
    package = tree["packages"]["node_modules/aws-cdk"]
    del package["integrity"]
    package["resolved"] = "https://example.org/aws-cdk.tgz"
    (copy / lock.NODE_LOCK).write_text(json.dumps(tree))
    no_hash, registry = locks.problems(copy)
    assert no_hash == "package-lock.json: node_modules/aws-cdk has no hash"
    assert registry.startswith("package-lock.json: node_modules/aws-cdk names a registry")


def test_package_json_pins_exactly() -> None:
    manifest = json.loads((ROOT / lock.NODE_MANIFEST).read_text())
    assert all(version[0].isdigit() for version in manifest["devDependencies"].values())


def test_unknown_arguments_are_refused_before_any_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lock.main(["--chekc"]) == 2
    assert "lock accepts" in capsys.readouterr().err
