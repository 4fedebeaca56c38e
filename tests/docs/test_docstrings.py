"""The examples in docstrings run, and every public name has one."""

import doctest
import importlib
import pkgutil
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdk_braket
import cdk_braket_local

ROOT = Path(__file__).resolve().parents[2]


def _modules() -> Iterator[str]:
    """All modules by name; importing them here would start jsii whatever tests are asked for."""
    for package in (cdk_braket, cdk_braket_local):
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield found.name


@pytest.mark.parametrize("name", list(_modules()))
def test_the_examples_of_a_module_show_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        runner.run(example, out=report.append)
    assert report == [], "".join(report)


@pytest.mark.parametrize("name", sorted(getattr(cdk_braket, "__all__", [])))
def test_every_public_class_and_function_has_an_example(name: str) -> None:
    public = getattr(cdk_braket, name)
    if callable(public):
        assert "Example:" in (public.__doc__ or ""), f"cdk_braket.{name} has no Example:"
        assert doctest.DocTestFinder(recurse=False).find(public)[0].examples, (
            f"the Example: of cdk_braket.{name} is not one that runs (>>>)"
        )
