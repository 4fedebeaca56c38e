"""Whether the container's Python can read a source, told by whichever Python runs the synth.

A newer host is asked to parse as Python 3.12. An older one cannot know all of 3.12's syntax, so
what it refuses is an error only where no construct of 3.12 can be the cause.
"""

import ast
import re
import sys
import warnings
from dataclasses import dataclass
from typing import Final

from .finding import Severity

CONTAINER_PYTHON: Final = (3, 12)
"""The Python in Braket's images. Source: the Dockerfiles in
https://github.com/amazon-braket/amazon-braket-containers."""

_VERSION: Final = ".".join(map(str, CONTAINER_PYTHON))

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

# A line of a generated file may have megabytes, and the patterns above look at parts of it twice.
_LINE_LENGTH: Final = 1_000

# Syntax that came with 3.12. f-strings were opened up then (PEP 701), so any may be the cause.
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


def parse(source: bytes) -> tuple[ast.Module | None, SyntaxFault | None]:
    """Parse as the container's Python would. Nothing is imported or run.

    Args:
        source: The file's bytes; an encoding it declares is honoured.

    Returns:
        The tree, if there is one, and the fault, if there is one.
    """
    if b"\0" in source:
        # Not every Python 3.11 calls this a syntax error.
        number = source[: source.index(b"\0")].count(b"\n") + 1
        return None, _fault(source, SyntaxError("a null byte", ("", number, None, None)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, feature_version=CONTAINER_PYTHON)
    except SyntaxError as error:
        return None, _fault(source, error)
    except (ValueError, MemoryError, RecursionError, OverflowError):
        return None, SyntaxFault(
            Severity.WARNING, 1, "could not be parsed, so it was not checked. Simplify the file."
        )
    return tree, _newer_node(tree)


def _fault(source: bytes, error: SyntaxError) -> SyntaxFault:
    number = error.lineno or 1
    lines = source.decode("utf-8", "replace").splitlines()
    line = lines[number - 1][:_LINE_LENGTH] if 0 < number <= len(lines) else ""
    for pattern, name, version in _NEWER_LINES:
        if pattern.search(line):
            return _too_new(number, name, version)
    if sys.version_info < CONTAINER_PYTHON and _SINCE_3_12.search("\n".join(lines)):
        host = ".".join(map(str, sys.version_info[:2]))
        return SyntaxFault(
            Severity.WARNING,
            number,
            f"Python {host}, which runs this check, cannot parse it, and the container's "
            f"{_VERSION} may. Run the synth with Python {_VERSION} to be sure.",
        )
    return SyntaxFault(
        Severity.ERROR,
        number,
        f"is not valid in the container's Python {_VERSION}: {error.msg.rstrip('.?')}. "
        "Correct the line.",
    )


def _newer_node(tree: ast.Module) -> SyntaxFault | None:
    """Find what a newer host's parser lets through in spite of `feature_version`."""
    for node in ast.walk(tree):
        name, version = "", ""
        match node:
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() if isinstance(
                node.elt, ast.Starred
            ):
                name, version = "unpacking in a comprehension", "3.15"
            case ast.DictComp() if getattr(node, "value", None) is None:
                name, version = "unpacking in a comprehension", "3.15"
            case ast.Import() | ast.ImportFrom() if getattr(node, "is_lazy", 0):
                name, version = "lazy imports", "3.15"
            case _ if type(node).__name__ == "TemplateStr":
                name, version = "template strings", "3.14"
        if name:
            return _too_new(getattr(node, "lineno", 1), name, version)
    return None


def _too_new(line: int, name: str, version: str) -> SyntaxFault:
    return SyntaxFault(
        Severity.ERROR,
        line,
        f"uses {name}, which came with Python {version}; the container has {_VERSION}. "
        f"Write it without.",
    )
