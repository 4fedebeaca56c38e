"""Both type checkers accept correct code of users, and refuse wrong code."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_cdk import App, Stack

from tests import public_api
from tests.types.sample import declare, invalid

SAMPLE = Path(__file__).with_name("sample.py")
ROOT = SAMPLE.parents[2]
_SAMPLE_TREE = ast.parse(SAMPLE.read_text(encoding="utf-8"))

_CHECKERS = {
    "mypy": ["mypy", "--strict"],
    "pyright": ["pyright", "--level", "warning", "--pythonpath", sys.executable],
}

_WRONG = {
    "a misspelt argument": "HybridJob(stack, 'Job', device=Device.AMAZON_SV1, hyper={})",
    "a hyperparameter of another type": (
        "HybridJob(stack, 'Job', device=Device.AMAZON_SV1, hyperparameters={'a': [1]})"
    ),
    "an instance type that there is none of": "InstanceType.M99_LARGE",
    "a distribution that there is none of": (
        "HybridJob(stack, 'Job', device=Device.AMAZON_SV1, distribution='model_parallel')"
    ),
    "a device as text": "HybridJob(stack, 'Job', device='arn')",
}


def _check(checker: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *_CHECKERS[checker], str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_sample_runs() -> None:
    stack = Stack(App(), "Stack")
    assert len(declare(stack)) == 3
    assert invalid(stack)


def test_the_sample_uses_every_public_name() -> None:
    used = {node.id for node in ast.walk(_SAMPLE_TREE) if isinstance(node, ast.Name)}
    assert set(public_api.NAMES) <= used


def test_the_sample_uses_every_argument_of_a_job() -> None:
    jobs = [
        node
        for node in ast.walk(_SAMPLE_TREE)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "HybridJob"
    ]
    used = {keyword.arg for job in jobs for keyword in job.keywords}
    assert used == set(public_api.arguments())


@pytest.mark.parametrize("checker", _CHECKERS)
def test_a_type_checker_accepts_the_sample(checker: str) -> None:
    checked = _check(checker, SAMPLE)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("checker", _CHECKERS)
def test_a_type_checker_refuses_wrong_code(checker: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    start = [
        "from aws_cdk import App, Stack",
        "from cdk_braket import Device, HybridJob, InstanceType",
        "stack = Stack(App(), 'Stack')",
    ]
    file.write_text("\n".join([*start, *_WRONG.values(), ""]), encoding="utf-8")
    checked = _check(checker, file)
    for line, what in enumerate(_WRONG, start=len(start) + 1):
        assert f"wrong.py:{line}:" in checked.stdout, f"{checker} accepts {what}"


def _signatures(file: Path) -> Iterator[tuple[str, str]]:
    """The name and the annotations of each public method of the public classes in a module."""
    for owner in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(owner, ast.ClassDef) and owner.name in public_api.NAMES:
            for method in owner.body:
                if isinstance(method, ast.FunctionDef) and not re.match("_(?!_init_)", method.name):
                    parts = [method.args, *([method.returns] if method.returns else [])]
                    annotations = " -> ".join(ast.unparse(part) for part in parts)
                    yield f"{owner.name}.{method.name}", annotations


def test_no_public_signature_has_any() -> None:
    """`Any` hides mistakes: no public method of a public class has it."""
    files = (ROOT / "constructs" / "cdk_braket").rglob("*.py")
    found = dict(signature for file in files for signature in _signatures(file))
    assert {"HybridJob.__init__", "IHybridJob.on_failed", "Device.from_arn"} <= set(found)
    assert [name for name, text in found.items() if re.search(r"\bAny\b", text)] == []
