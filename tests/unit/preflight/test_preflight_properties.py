"""The preflight never fails on a script, never shows a value, and judges as the container acts."""

import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from cdk_braket.validation.preflight import Severity, preflight

# Pieces that meet at random make sources that are broken in more ways than one thinks of.
PIECES = [
    "def main(", "shots: int", "x: 'bool'", "*", "**kw", "/", ")", ": pass", "\n", "\n    ",
    "from . import x", "from .. import *", "from vqe.a import main", "import vqe.a.b.c",
    "from __future__ import annotations", "class A[T=", "type X = ", "match main:", "case [main]:",
    "try:", "except A, B:", "finally:", "lambda main:", "@main", "async ", "yield", "global main",
    "f'{", "t'", '"""', "'", "}", "(" * 50, "-" * 500, "main = main", "main: int = 1", ":=",
    "if TYPE_CHECKING:", "if __name__ == '__main__':", "#", "\\", "\0", "\ufeff", "\f", "\t",
    "9" * 5000,
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
sources = st.one_of(st.text(), pieces).map(lambda text: text.encode("utf-8", "surrogatepass"))
entry_points = st.one_of(
    st.text(max_size=20), st.sampled_from(["vqe.a:main", "vqe.b:main", "vqe", "vqe.a", "a.py"])
)
hyperparameters = st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=4)


@given(
    source=st.one_of(sources, st.binary()),
    other=sources,
    entry_point=entry_points,
    hyperparameters=hyperparameters,
)
@example(b"-" * 100_000 + b"1", b"", "vqe.a:main", {})
@example(b"(" * 100_000, b"", "vqe.a:main", {})
@example(b"x = " + b"a." * 50_000 + b"b", b"", "vqe.a:main", {})
@example(b"x = " + b"1+" * 50_000 + b"1", b"", "vqe.a:main", {})
@example(b"def main(x: " + b"a[" * 90 + b"0" + b"]" * 90 + b"): pass", b"", "vqe.a:main", {"x": ""})
@example(b"from .b import main", b"from .a import main", "vqe.a:main", {})
@example(b"from .b import *", b"from .a import *", "vqe.a:main", {})
@example(b"main = other\nother = main", b"", "vqe.a:main", {})
@settings(max_examples=300, deadline=None)
def test_no_script_breaks_the_preflight(
    source: bytes, other: bytes, entry_point: str, hyperparameters: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as work:
        root = Path(work, "vqe")
        root.mkdir()
        (root / "a.py").write_bytes(source)
        (root / "b.py").write_bytes(other)
        for finding in preflight(root, entry_point, hyperparameters):
            assert finding.message.isprintable()
            assert finding.subject.isprintable()


@given(values=st.lists(st.text(max_size=30), min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_finding_shows_a_value(values: list[str]) -> None:
    marked = [f"Zq{value}zQ" for value in values]
    names = ["password", "count", "rate", "unknown"]
    with tempfile.TemporaryDirectory() as work:
        script = Path(work, "algo.py")
        script.write_text("def main(count: int, rate: float, needed, password: bool): pass")
        for entry_point in ("algo:main", "algo", "algo.py"):
            found = preflight(script, entry_point, dict(zip(names, marked, strict=True)))
            assert not any(value in repr(finding) for finding in found for value in marked)


ANNOTATIONS = ["", "int", "float", "str", "int | None", "list", "dict", "None", "'int'", "complex"]
VALUES = ["1", "0.5", "True", "text"]
NAMES = ["a", "b", "c"]


@st.composite
def signatures(draw: st.DrawFn) -> str:
    """The arguments of a function, in every order Python allows."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    split = draw(st.integers(0, len(names)))
    parts: list[str] = []
    optional = False
    for position, name in enumerate(names):
        annotation = draw(st.sampled_from(ANNOTATIONS))
        keyword_only = position >= split
        if position == split:
            parts.append("*")
        default = draw(st.booleans()) or (optional and not keyword_only)
        optional = optional or default
        text = f"{name}: {annotation}" if annotation else name
        parts.append(f"{text} = 0" if default else text)
    if split and draw(st.booleans()):
        parts.insert(draw(st.integers(1, split)), "/")
    if draw(st.booleans()):
        parts.append("**rest")
    return ", ".join(parts)


def runs_with_given_values(
    function: Callable[..., object], given_values: Mapping[str, str]
) -> bool:
    """Imitate the container, and return whether the function ran with the given values."""
    signature = inspect.signature(function)
    kinds = {name: argument.kind for name, argument in signature.parameters.items()}
    if any(kinds.get(name) is inspect.Parameter.POSITIONAL_ONLY for name in given_values):
        return False  # where Python takes it (since 3.12.4), it does not reach that argument
    try:
        signature.bind(**given_values)
    except TypeError:
        return False  # called without any of them, or not at all
    casts = inspect.getfullargspec(function).annotations
    try:
        bound = {name: casts.get(name, str)(value) for name, value in given_values.items()}
        function(**bound)
    except (TypeError, ValueError):
        return False
    return all(isinstance(value, str | int | float | complex) for value in bound.values())


@given(
    signature=signatures(),
    given_values=st.dictionaries(st.sampled_from([*NAMES, "d"]), st.sampled_from(VALUES)),
    future=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_the_verdict_matches_the_container(
    signature: str, given_values: dict[str, str], future: bool
) -> None:
    text = f"def main({signature}): return None\n"
    if future:
        text = "from __future__ import annotations\n" + text
    namespace: dict[str, Callable[..., object]] = {}
    exec(compile(text, "algo.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - our own text
    with tempfile.TemporaryDirectory() as work:
        script = Path(work, "algo.py")
        script.write_text(text)
        found = preflight(script, "algo:main", given_values)

    # A function without arguments may read the file itself, so that is a warning.
    expected = runs_with_given_values(namespace["main"], given_values)
    if not signature and given_values:
        assert [finding.severity for finding in found] == [Severity.WARNING]
    else:
        assert (not found) == expected, text
