"""The example stack, and the app that deploys it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import cast

import pytest
from aws_cdk import App

from stacks.hybrid_job_stack import HybridJobStack
from tests.synth.support import Json, request_of, template_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_stack_puts_out_the_job_and_where_its_results_are() -> None:
    outputs = cast("Json", template_of(HybridJobStack(App(), "Stack"))["Outputs"])
    assert set(outputs) == {
        "CheckpointS3Uri",
        "JobArn",
        "JobName",
        "LogGroupName",
        "LogStreamPrefix",
        "ResultsS3Uri",
    }


def test_the_stack_runs_the_example_with_its_hyperparameters() -> None:
    request = request_of(HybridJobStack(App(), "Stack", shots=100, iterations=3, seed=1))
    assert request["hyperParameters"] == {"shots": "100", "iterations": "3", "seed": "1"}
    assert "algorithm.vqe:main" in str(request["algorithmSpecification"])
    assert request["deviceConfig"] == {"device": "local:braket/default"}


def _synth(
    tmp_path: Path, context: dict[str, str], project: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the app as the CLI does."""
    app = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    return subprocess.run(  # noqa: S602 - as the CLI does
        app["app"],
        shell=True,
        cwd=project,
        env={
            **os.environ,
            "CDK_OUTDIR": str(tmp_path),
            "CDK_CONTEXT_JSON": json.dumps(app["context"] | context),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_hyperparameter_can_be_changed_from_the_command_line(tmp_path: Path) -> None:
    assert _synth(tmp_path, {"iterations": "5"}).returncode == 0
    template = (tmp_path / "HybridJobStack.template.json").read_text(encoding="utf-8")
    assert '"iterations": "5"' in template


def test_a_hyperparameter_that_is_no_number_is_one_clear_line(tmp_path: Path) -> None:
    run = _synth(tmp_path, {"iterations": "many"})
    assert run.returncode == 1
    assert run.stderr.strip() == (
        "iterations: expected a whole number, got many. Use -c iterations=40."
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "algorithm.vqe:main",
            "algorithm.vqe:mian",
            "module 'algorithm.vqe' defines no 'mian'. Use entry_point='algorithm.vqe:main'.",
        ),
        ('_EXAMPLE / "algorithm"', '_EXAMPLE / "nowhere"', "No such file or directory"),
    ],
)
def test_a_mistake_in_the_stack_is_one_clear_line(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    project = tmp_path / "project"
    for name in ("stacks", "examples"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "app.py", project)
    stack = project / "stacks" / "hybrid_job_stack.py"
    source = stack.read_text(encoding="utf-8")
    assert right in source
    stack.write_text(source.replace(right, wrong), encoding="utf-8")
    run = _synth(tmp_path / "out", {}, project)
    assert run.returncode == 1
    assert run.stderr.startswith("[HybridJobStack/Vqe] ")
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_the_app_knows_nothing_of_the_local_aws() -> None:
    files = [ROOT / "app.py", ROOT / "cdk.json", *(ROOT / "stacks").glob("*.py")]
    files += (ROOT / "constructs" / "cdk_braket").rglob("*.py")
    for file in files:
        source = file.read_text(encoding="utf-8").lower()
        for word in ("cdk_braket_local", "ministack", "127.0.0.1", "localhost"):
            assert word not in source, f"{file.name} has {word}"
