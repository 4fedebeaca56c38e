"""CONTRIBUTING.md names paths that exist, and every folder of the constructs."""

import ast
import re

import pytest

from tests.docs.snippets import ROOT

_PATH = re.compile(r"`((?:constructs|tests|tools|docs)(?:/[\w.]+)*)`")
_MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_FOLDERS = [
    path.parent
    for path in sorted((ROOT / "constructs/cdk_braket").rglob("__init__.py"))
    if path.parent.name not in {"cdk_braket", "_lambda", "braket_jobs", "preflight"}
]


@pytest.mark.parametrize("path", sorted(set(_PATH.findall(_MAP))))
def test_a_path_of_the_map_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_map_has_ten_places_to_start_at() -> None:
    rows = [line for line in _MAP.splitlines() if re.match(r"\| (a|how) .*`constructs/", line)]
    assert len(rows) == 10
    assert all(len(_PATH.findall(row)) == 2 for row in rows)


@pytest.mark.parametrize("folder", [path.name for path in _FOLDERS])
def test_the_map_has_each_folder_of_the_constructs(folder: str) -> None:
    assert f"/{folder}`" in _MAP or f"`{folder}`" in _MAP


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda path: path.name)
def test_a_folder_opens_with_two_to_five_sentences(folder: object) -> None:
    source = (ROOT / str(folder) / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert 2 <= len(re.findall(r"[.](?=\s|$)", docstring)) <= 5
    assert "Start at" in docstring
