"""The examples in docstrings run, and every public name has one.

An example consists of `>>>` lines with their output, or of a fenced block of Python.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import cdk_braket
import cdk_braket_cli
import cdk_braket_client
import cdk_braket_local

_FENCE = re.compile(r"^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).resolve().parents[2]


def _modules() -> Iterator[str]:
    """Return all modules by name; importing them here would start jsii for any test."""
    for package in (cdk_braket, cdk_braket_cli, cdk_braket_client, cdk_braket_local):
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield found.name


@pytest.mark.parametrize("name", list(_modules()))
def test_the_examples_of_a_module_show_their_output(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for found in _docstring_examples(importlib.import_module(name)):
        runner.run(found, out=report.append)
        for program in _fenced(found.docstring):
            exec(compile(program, found.name, "exec"), {"__name__": "__main__"})  # noqa: S102 - the test
    assert report == [], "".join(report)


def _docstring_examples(module: ModuleType) -> Iterator[doctest.DocTest]:
    """All docstrings of a module, those of public classes included.

    Public classes have the module name `cdk_braket`, so doctest would skip them.
    """
    finder = doctest.DocTestFinder(exclude_empty=False)
    yield from finder.find(module)
    for name, value in vars(module).items():
        if getattr(value, "__module__", "") == "cdk_braket" and _is_defined_in(module, name):
            yield from finder.find(value, name, module=False, globs=vars(module))


def _is_defined_in(module: ModuleType, name: str) -> bool:
    return re.search(rf"^class {name}\b", inspect.getsource(module), re.MULTILINE) is not None


def test_the_examples_of_public_classes_are_found() -> None:
    found = {
        each.name
        for each in _docstring_examples(importlib.import_module("cdk_braket.jobs.hybrid_job"))
    }
    assert {"HybridJob", "HybridJob.from_hybrid_job_arn"} <= found


def _fenced(docstring: str | None) -> list[str]:
    return [textwrap.dedent(code) for code in _FENCE.findall(docstring or "")]


@pytest.mark.parametrize("name", sorted(getattr(cdk_braket, "__all__", [])))
def test_every_public_class_and_function_has_an_example(name: str) -> None:
    public = getattr(cdk_braket, name)
    if callable(public):
        assert "Example:" in (public.__doc__ or ""), f"cdk_braket.{name} has no Example:"
        found = doctest.DocTestFinder(recurse=False, exclude_empty=False).find(public)[0]
        assert found.examples or _fenced(found.docstring), (
            f"the Example: of cdk_braket.{name} is not one that runs"
        )
