"""No test is skipped or expected to fail: a test that cannot run has to fail."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SKIPS = re.compile(r"skip|skipif|importorskip|xfail|SkipTest")


def skips(source: str) -> list[int]:
    """Return the lines of a module that skip tests."""
    nodes = ast.walk(ast.parse(source))
    names = [
        (node.lineno, node.attr if isinstance(node, ast.Attribute) else node.id)
        for node in nodes
        if isinstance(node, ast.Attribute | ast.Name)
    ]
    return [line for line, name in names if _SKIPS.fullmatch(name)]


@pytest.mark.parametrize(
    "line",
    [
        "pytest.skip('no network')",
        "@pytest.mark.skip\ndef test(): ...",
        "@pytest.mark.skipif(x, reason='y')\ndef test(): ...",
        "yaml = pytest.importorskip('yaml')",
        "pytest.param(1, marks=pytest.mark.xfail)",
        "raise SkipTest",
    ],
)
def test_a_skip_is_found(line: str) -> None:
    assert skips(line) == [1]


def test_no_test_is_skipped() -> None:
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "tests/*.py")
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {name: skips((ROOT / name).read_text(encoding="utf-8")) for name in files.split()}
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines} == {}
