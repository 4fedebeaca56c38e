"""The static checks of `./dev check`, as tests: CI runs the suite and nothing else."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import pytest

from tools import checks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.name)
def test_the_checkout_passes(check: checks.Check) -> None:
    run = subprocess.run(check.command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{check.summary}\n{run.stdout}{run.stderr}"


def test_mypy_follows_each_module_of_the_cdk_that_is_imported() -> None:
    """Names of the others would have any type."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    [followed] = [
        set(each["module"])
        for each in settings["overrides"]
        if each.get("follow_imports") == "silent"
    ]
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py")
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    present = [ROOT / name for name in names.split() if (ROOT / name).exists()]
    imported = {name for path in present for name in _imported(path)} & _modules()
    assert imported
    assert imported <= followed
    assert {name for name in followed if name.startswith("aws_cdk.aws_")} <= imported


def _imported(path: Path) -> Iterator[str]:
    """The names that a file imports, of modules and of their members."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _modules() -> set[str]:
    """The modules of aws-cdk-lib."""
    paths = [path for path in files("aws-cdk-lib") or [] if path.name == "__init__.py"]
    return {".".join(path.parts[:-1]) for path in paths}
