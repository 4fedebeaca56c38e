"""The script of a function runs alone, with all that the function uses."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cdk_braket.assets import function_source
from cdk_braket.assets.function_source import FunctionError, source_of, write_script

SCALE = 2.5
TABLE = {"a": (1, 2), "b": [None, True]}


def helper(value: float) -> float:
    return math.floor(value * SCALE)


@dataclass(frozen=True)
class Point:
    x: float
    y: float = SCALE

    def length(self) -> float:
        return helper(self.x) + self.y


def plain(shots: int, name: str = "z") -> None:
    point = Point(shots)
    sys.stdout.write(json.dumps({"length": point.length(), "name": name, "table": TABLE["a"]}))


def recursive(depth: int) -> int:
    return 0 if depth == 0 else 1 + recursive(depth - 1)


def with_alias(number: int) -> Path:
    return Path(os.path.join(str(number), "x"))  # noqa: PTH118 - a module under another name


def _run(folder: Path, text: str, call: str) -> str:
    (folder / "job_function.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", f"from job_function import *; {call}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("function", "call", "shown"),
    [
        (plain, "plain(3)", '{"length": 9.5, "name": "z", "table": [1, 2]}'),
        (recursive, "print(recursive(4))", "4"),
        (with_alias, "print(with_alias(1))", "1/x"),
    ],
)
def test_the_module_runs_alone(
    tmp_path: Path, function: Callable[..., object], call: str, shown: str
) -> None:
    assert _run(tmp_path, source_of(function), call) == shown


def test_only_the_names_that_are_used_are_in_it() -> None:
    text = source_of(recursive)
    assert text.strip() == (
        "def recursive(depth: int) -> int:\n"
        "    return 0 if depth == 0 else 1 + recursive(depth - 1)"
    )
    assert "import json" not in source_of(with_alias)


BEST = float("inf")
frame = object()


def local(rows: int) -> float:
    frame = [BEST for _ in range(rows)]

    def inside(frame: list[float]) -> float:
        return min(*frame, SCALE)

    return inside(frame)


def test_a_local_variable_is_no_name_of_the_module(tmp_path: Path) -> None:
    text = source_of(local)
    assert _run(tmp_path, text, "print(local(2))") == "2.5"
    assert "BEST = float('inf')\n" in text


def test_the_text_is_the_same_each_time() -> None:
    assert source_of(plain) == source_of(plain)


def _decorator(function: Callable[..., Any]) -> Callable[..., Any]:
    from functools import wraps

    @wraps(function)
    def call(*args: object) -> object:
        raise AssertionError(args)

    return call


@_decorator
def decorated(number: int) -> int:
    return number + 1


def test_a_decorator_is_left_out(tmp_path: Path) -> None:
    text = source_of(decorated)
    assert "_decorator" not in text
    assert _run(tmp_path, text, "print(decorated(1))") == "2"


NOTEBOOK = """
import math as m
from pathlib import Path

count = 3

def inner(x):
    return m.sqrt(x) * count

def job(x: float):
    print(inner(x), Path("p").name)
"""


def test_a_function_of_a_notebook_is_accepted(tmp_path: Path) -> None:
    import linecache

    # As IPython keeps the text of a cell.
    name = "<ipython-input-1>"
    linecache.cache[name] = (len(NOTEBOOK), None, NOTEBOOK.splitlines(keepends=True), name)
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(NOTEBOOK, name, "exec"), cell)  # noqa: S102 - as a notebook does
    assert _run(tmp_path, source_of(cell["job"]), "job(4.0)") == "6.0 p"


def _closure() -> Callable[[], int]:
    captured = 3

    def inside() -> int:
        return captured

    return inside


opened = object()
bounds = [0.0, math.inf]


def uses_object() -> object:
    return opened


def uses_infinite_list() -> object:
    return bounds


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda: 1, "has no source"),
        (_closure(), "captured of the function around it"),
        (uses_object, "uses opened, a object that has no source"),
        (uses_infinite_list, "uses bounds, a list that has no source"),
        (math.sin, "expected a function"),
        (Point(1).length, "expected a function, got method"),
    ],
)
def test_a_function_without_source_is_refused(
    function: Callable[..., object], problem: str
) -> None:
    with pytest.raises(FunctionError, match=problem):
        source_of(function)


def test_requirements_are_written_beside_the_script(tmp_path: Path) -> None:
    script, beside = write_script(plain, ["numpy==2.0", "scipy"])
    assert script.name == "job_function.py"
    assert [path.name for path in beside] == [function_source.REQUIREMENTS]
    assert beside[0].read_text() == "numpy==2.0\nscipy\n"
    file = tmp_path / "own.txt"
    file.write_text("pandas\n")
    assert write_script(plain, file)[1][0].read_text() == "pandas\n"
    assert write_script(plain, ())[1] == ()
