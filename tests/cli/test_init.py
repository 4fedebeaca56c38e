"""`cdk-braket init`: a folder, from a template."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.docs.snippets import ROOT


def test_the_project_has_its_name_and_no_placeholder(cli: Cli, tmp_path: Path) -> None:
    done = cli("init", str(tmp_path / "my-first_job"), "--json")
    assert done.code == 0
    assert done.json["stack"] == "MyFirstJob"
    folder = tmp_path / "my-first_job"
    written = {
        str(Path(file).relative_to(tmp_path / "my-first_job")) for file in done.json["files"]
    }
    assert written == {
        ".gitignore",
        "README.md",
        "algorithm.py",
        "app.py",
        "cdk.json",
        "job_stack.py",
        "package.json",
        "picture.svg",
        "pytest.ini",
        "requirements.txt",
        "tests/test_project.py",
    }
    for file in written:
        text = (folder / file).read_text(encoding="utf-8")
        assert "PROJECT" not in text, file
        assert "REQUIREMENT" not in text, file
    assert 'JobStack(app, "MyFirstJob")' in (folder / "app.py").read_text()


def test_the_cdk_cli_of_the_project_is_the_one_that_is_tested(cli: Cli, tmp_path: Path) -> None:
    cli("init", str(tmp_path / "p"))
    ours = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    theirs = json.loads((tmp_path / "p/package.json").read_text(encoding="utf-8"))
    tested = {**ours.get("devDependencies", {}), **ours.get("dependencies", {})}["aws-cdk"]
    assert theirs["devDependencies"]["aws-cdk"] == f"^{tested.lstrip('^~')}"


def test_a_folder_with_files_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = cli("init", str(tmp_path))
    assert done.code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["1st", "a_b", "a b", "-a"])
def test_a_name_that_is_no_stack_name_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    assert cli("init", str(tmp_path / "p"), f"--name={name}").code == 2
    assert not (tmp_path / "p").exists()


def test_a_folder_of_digits_needs_a_name(cli: Cli, tmp_path: Path) -> None:
    assert cli("init", str(tmp_path / "2026")).code == 2
    assert cli("init", str(tmp_path / "2026"), "--name=Scan").code == 0
