"""Whether the container's Python can read a source, decided by whichever Python runs the synth.

A newer host parses as the container's Python. An older one cannot know all of the container's
syntax: a refusal is an error only where no newer construct can be the cause. Where the
container's Python is not known, only syntax of no Python is an error.
"""

import ast
import re
import sys
import warnings
from dataclasses import dataclass
from typing import Final

from .finding import Severity
from .images import CONTAINER_PYTHON, Version

# Newer syntax by how its line looks, as an older parser can only call it invalid.
_NEWER_LINES: Final = (
    (re.compile(r"""(?<!\w)(?:[tT][rR]?|[rR][tT])["']"""), "template strings", "3.14"),
    (re.compile(r"^\s*except\b[^(:]*,"), "`except` without parentheses", "3.14"),
    (re.compile(r"^\s*lazy\s+(?:import|from)\b"), "lazy imports", "3.15"),
    (re.compile(r"[\[{(]\s*\*{1,2}[^*].*\bfor\b"), "unpacking in a comprehension", "3.15"),
    (
        re.compile(r"^\s*(?:async\s+def|def|class)\s+\w+\s*\[[^\]]*[^=!<>]=[^=]"),
        "defaults of type parameters",
        "3.13",
    ),
)

# A line of a generated file may have megabytes, and the patterns above read parts of it twice.
_LINE_LENGTH: Final = 1_000

# Syntax that came with 3.12. f-strings were opened up then (PEP 701), so any may be the cause.
_PEP_695_AND_701: Final = (3, 12)
_SINCE_3_12: Final = re.compile(
    r"""^[ \t]*type[ \t]+\w+.*= | ^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*\[
        | (?<!\w)(?:[fF][rR]?|[rR][fF])["']""",
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """Why a source is not known to be readable in the container."""

    severity: Severity
    line: int
    message: str


def parse(
    source: bytes, python: Version | None = CONTAINER_PYTHON
) -> tuple[ast.Module | None, SyntaxFault | None]:
    """Parse as the container's Python would. Nothing is imported or run.

    Args:
        source: The file's bytes; an encoding it declares is honoured.
        python: The container's Python; None if it is not known.

    Returns:
        The tree, if there is one, and the fault, if there is one.
    """
    if b"\0" in source:
        # Not every Python 3.11 calls this a syntax error.
        number = source[: source.index(b"\0")].count(b"\n") + 1
        return None, _fault(source, SyntaxError("a null byte", ("", number, None, None)), python)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parsed(source, python)
    except SyntaxError as error:
        return None, _fault(source, error, python)
    except (ValueError, MemoryError, RecursionError, OverflowError):
        return None, SyntaxFault(
            Severity.WARNING, 1, "could not be parsed, so it was not checked. Simplify the file."
        )
    return tree, _newer_node(tree, python) if python else None


def _parsed(source: bytes, python: Version | None) -> ast.Module:
    host = sys.version_info[:2]
    return ast.parse(source, feature_version=min(python, host) if python else host)


def _fault(source: bytes, error: SyntaxError, python: Version | None) -> SyntaxFault | None:
    number = error.lineno or 1
    lines = source.decode("utf-8", "replace").splitlines()
    line = lines[number - 1][:_LINE_LENGTH] if 0 < number <= len(lines) else ""
    is_newer = False
    for pattern, name, version in _NEWER_LINES:
        if pattern.search(line):
            if python is None:
                return None
            if python < _version(version):
                return _too_new(number, name, version, python)
            is_newer = True
    if sys.version_info < (python or _PEP_695_AND_701):
        is_newer = is_newer or _SINCE_3_12.search("\n".join(lines)) is not None
    if is_newer:
        host = _text(sys.version_info[:2])
        wanted = _text(python) if python else "the image's version"
        return SyntaxFault(
            Severity.WARNING,
            number,
            f"Python {host}, which runs this check, cannot parse it, and the container's "
            f"{wanted} may. Run the synth with Python {wanted} to be sure.",
        )
    container = f"the container's Python {_text(python)}" if python else "Python"
    return SyntaxFault(
        Severity.ERROR,
        number,
        f"is not valid in {container}: {error.msg.rstrip('.?')}. Correct the line.",
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _newer_node(tree: ast.Module, python: Version) -> SyntaxFault | None:
    """Find newer syntax that a newer host's parser accepts in spite of `feature_version`."""
    for node in ast.walk(tree):
        if found := _newer(node):
            name, version = found
            if python < _version(version):
                return _too_new(getattr(node, "lineno", 1), name, version, python)
    return None


def _newer(node: ast.AST) -> tuple[str, str] | None:
    found = None
    match node:
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() if isinstance(
            node.elt, ast.Starred
        ):
            found = "unpacking in a comprehension", "3.15"
        case ast.DictComp() if getattr(node, "value", None) is None:
            found = "unpacking in a comprehension", "3.15"
        case ast.Import() | ast.ImportFrom() if getattr(node, "is_lazy", 0):
            found = "lazy imports", "3.15"
        case ast.TryStar():
            found = "`except*`", "3.11"
        case _ if type(node).__name__ == "TypeAlias":
            found = "`type` statements", "3.12"
        case _ if getattr(node, "type_params", None):
            found = "type parameters", "3.12"
        case _ if type(node).__name__ == "TemplateStr":
            found = "template strings", "3.14"
    return found


def _too_new(line: int, name: str, version: str, python: Version) -> SyntaxFault:
    return SyntaxFault(
        Severity.ERROR,
        line,
        f"uses {name}, which came with Python {version}; the container has {_text(python)}. "
        f"Write it without.",
    )
