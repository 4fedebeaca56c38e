"""The templates of `cdk-braket init`: each project passes its own tests and is synthesized."""

import contextlib
import functools
import json
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk
import pytest

from cdk_braket_cli.commands.init import _templates
from cdk_braket_cli.main import main
from examples.h2_curve.algorithm.hydrogen import hamiltonian
from tests.length import first

TEMPLATES = _templates()
# An app that is not the default of its cdk.json.
OTHER_APPS = {"team": ["platform_app.py"]}


@pytest.fixture(params=TEMPLATES)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / str(request.param)
    assert main(["init", str(folder), f"--template={request.param}", "--name=Mine"]) == 0
    with _imported_from(folder):
        yield folder


@contextlib.contextmanager
def _imported_from(folder: Path) -> Iterator[None]:
    """Let this process import the modules of a project, and forget them afterwards."""
    before, path = Path.cwd(), list(sys.path)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


class Outcomes:
    """A plugin of pytest that collects the outcomes of a nested run."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.texts: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
            self.texts.append(report.longreprtext)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "project", first(2, sorted(TEMPLATES, key=["vqe", "team"].count, reverse=True)), indirect=True
)
def test_a_project_passes_its_own_tests() -> None:
    own = Outcomes()
    # The settings of the project alone, in this process: a start of Python and jsii takes seconds.
    options = ["-c", "pytest.ini", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
    code = pytest.main([*options, "--rootdir=."], plugins=[own])
    assert code == 0, "\n".join(own.texts)
    passed = [name for name, outcome in own.outcomes.items() if outcome == "passed"]
    skipped = [name for name, outcome in own.outcomes.items() if outcome == "skipped"]
    assert passed
    # PennyLane is not among the packages of this checkout.
    assert [name for name in skipped if "test_a_square_can_be_cut" not in name] == []


def test_a_project_is_synthesized_with_its_cdk_json(project: Path) -> None:
    words = json.loads((project / "cdk.json").read_text("utf-8"))["app"].split()
    assert words == ["python", "app.py"]
    for name in (words[1], *OTHER_APPS.get(project.name, [])):
        assembly = project / "cdk.out" / name
        sys.path.insert(0, str(project))
        # Node has its own copy of the variables, so CDK_OUTDIR would come too late.
        app = functools.partial(aws_cdk.App, outdir=str(assembly))
        with mock.patch.object(aws_cdk, "App", app):
            runpy.run_path(name, run_name="__main__")
        [template] = assembly.glob("Mine*.template.json")
        assert name != "app.py" or _runs_a_job(json.loads(template.read_text(encoding="utf-8")))
        assert _warnings(assembly) == []


def _runs_a_job(template: Mapping[str, Any]) -> bool:
    types = {resource["Type"] for resource in template["Resources"].values()}
    return bool(types & {"Custom::BraketHybridJob", "AWS::StepFunctions::StateMachine"})


def _warnings(assembly: Path) -> list[str]:
    manifest = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))
    entries = [
        entry
        for artifact in manifest["artifacts"].values()
        for several in artifact.get("metadata", {}).values()
        for entry in several
    ]
    return [entry["data"] for entry in entries if entry["type"] == "aws:cdk:warning"]


def test_a_project_has_a_page_a_picture_and_a_script(project: Path) -> None:
    page = (project / "README.md").read_text(encoding="utf-8")
    assert "](picture.svg)" in page
    assert (project / "picture.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (project / "job_stack.py").is_file()
    assert (project / "algorithm.py").is_file() or (project / "algorithm").is_dir()
    for file in project.rglob("*"):
        if file.is_file() and "cdk.out" not in str(file):
            assert "PROJECT" not in file.read_text(encoding="utf-8"), file


def test_the_project_of_ci_runs_its_script_for_each_commit(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "p"), "--template=ci"]) == 0
    assert os.access(tmp_path / "p/ci.sh", os.X_OK)
    workflow = (tmp_path / "p/.github/workflows/ci.yml").read_text(encoding="utf-8")
    assert "run: ./ci.sh" in workflow


def test_the_coefficients_of_the_sweep_are_those_of_the_molecule() -> None:
    rows = (_folder("sweep") / "data/coefficients.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 23
    for row in rows:
        length, *values = map(float, row.split(","))
        found = hamiltonian(length)
        exact = [found.constant, found.field, found.coupling, found.exchange]
        assert values == pytest.approx(exact, abs=1e-8)


def _folder(template: str) -> Path:
    return Path(__file__).parents[2] / "constructs/cdk_braket_cli/templates" / template
