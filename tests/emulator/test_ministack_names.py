"""A version of MiniStack that the adapter does not support is reported at once."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import cdk_braket_local
from cdk_braket_local.ministack_adapter import names


def test_the_installed_one_is_as_expected() -> None:
    names.check()


def test_another_release_is_named() -> None:
    with pytest.raises(names.IncompatibleError, match=r"it is .*, not 0\.0\.1.*pip install"):
        names.check(version="0.0.1")


@pytest.mark.parametrize(
    ("name", "expected", "problem"),
    [
        ("ministack.app:not_there", None, "ministack.app:not_there is missing"),
        ("ministack.not_there:app", None, "ministack.not_there:app is missing"),
        ("ministack.services.s3:_delete_bucket", ("bucket",), r"takes \(name\), not \(bucket\)"),
    ],
)
def test_a_missing_or_different_name_is_named(
    name: str, expected: tuple[str, ...] | None, problem: str
) -> None:
    with pytest.raises(names.IncompatibleError, match=problem):
        names.check(names={name: expected})


def test_all_that_is_wrong_is_named_at_once() -> None:
    wrong = {"ministack.app:one": None, "ministack.app:two": None}
    with pytest.raises(names.IncompatibleError, match=r"one is missing; ministack\.app:two"):
        names.check(names=wrong)


# Nothing here reads it, but it says that MiniStack still takes the setting that has it check
# signatures and policies.
READ_BY_MINISTACK = {"ministack.app:AUTH"}


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def _touched(tree: ast.AST) -> Iterator[str]:
    """The names of MiniStack that a module uses, as `module:name`."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ministack"):
            for imported in node.names:
                if _is_module(f"{node.module}.{imported.name}"):
                    modules[imported.asname or imported.name] = f"{node.module}.{imported.name}"
                else:
                    yield f"{node.module}:{imported.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module:
                yield f"{module}:{node.attr}"


def test_all_that_is_touched_is_checked_and_no_more() -> None:
    sources = Path(cdk_braket_local.__file__).parent.rglob("*.py")
    touched = {name for source in sources for name in _touched(ast.parse(source.read_text()))}
    assert len(touched) > 40
    assert set(names.NAMES) - READ_BY_MINISTACK == touched


@pytest.mark.parametrize("name", names.NAMES)
def test_each_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, _, attribute = name.partition(":")
    monkeypatch.delattr(importlib.import_module(module), attribute)
    with pytest.raises(names.IncompatibleError, match=f"{name} is missing"):
        names.check()


@pytest.mark.parametrize("name", [name for name, takes in names.NAMES.items() if takes is not None])
def test_each_is_known_by_its_parameters(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, _, attribute = name.partition(":")
    monkeypatch.setattr(importlib.import_module(module), attribute, lambda another: another)
    with pytest.raises(names.IncompatibleError, match=rf"{name} takes \(another\), not \("):
        names.check()
