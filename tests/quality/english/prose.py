"""Checks the English of pages, docstrings, names and messages with textlint and cspell."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LINTER = "tests/quality/english/lint.mjs"
TO_DO = "tests/quality/english/to_do.txt"

# A line of a file, and its prose. An empty string separates paragraphs.
Line = tuple[int, str]
# A file, a line and a message.
Problem = tuple[str, int, str]

_CODE = re.compile(r"``.+?``|`[^`]+`|<?https?://[^\s)>]+>?")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields|Examples?|Note|Source):$")
_ITEM = re.compile(r"[*\w.]+: (?=\S)|[-*] |\d+\. |#+ |> ")
_WORDS = re.compile(r"[a-z]{2,},? [a-z]{2,}")


def main(arguments: Sequence[str]) -> int:
    """Check all files.

    Args:
        arguments: `--fix` removes files that pass from the list of files to rewrite. A file's name
            reports its problems even if it is on that list.
    """
    to_do = ROOT / TO_DO
    listed = to_do.read_text(encoding="utf-8").splitlines()
    problems = check({name: prose(ROOT / name) for name in _files()})
    if "--fix" in arguments:
        failing = {name for name, _, _ in problems}
        listed = [name for name in listed if name in failing]
        to_do.write_text("".join(f"{name}\n" for name in listed), encoding="utf-8")
    found = findings(problems, [name for name in listed if name not in arguments])
    sys.stdout.write("\n".join([*found, ""]) if found else "the English passes\n")
    return 1 if found else 0


def check(files: Mapping[str, Sequence[Line]]) -> list[Problem]:
    """Return the problems in the prose of files, by file and line."""
    # The locked Node, whatever the shell has.
    command = (str(Path(sys.executable).with_name("node")), LINTER)
    run = subprocess.run(
        command, cwd=ROOT, input=json.dumps(files), stdout=subprocess.PIPE, text=True, check=True
    )
    return sorted((name, line, message) for name, line, message in json.loads(run.stdout))


def findings(problems: Collection[Problem], listed: Collection[str]) -> list[str]:
    """Return the problems of files that are not listed, and listed files that have none."""
    failing = {name for name, _, _ in problems}
    return [
        *(f"{name}:{line}: {message}" for name, line, message in problems if name not in listed),
        *(f"{TO_DO}: remove {name}, it passes" for name in listed if name not in failing),
    ]


def prose(file: Path) -> list[Line]:
    """Return the prose of a Markdown page or a Python module."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return list(_page(text))
    # The strings of tests are data.
    module = _Module(with_messages="tests" not in file.relative_to(ROOT).parts)
    module.visit(ast.parse(text))
    return module.lines


def _files() -> list[str]:
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.md")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).exists()]


class _Module(ast.NodeVisitor):
    """Collects the docstrings, names of definitions, and messages of a module."""

    def __init__(self, *, with_messages: bool) -> None:
        self._with_messages = with_messages
        self.lines: list[Line] = []

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                self.lines += _docstring(node.lineno, text)
            case ast.JoinedStr():
                self._message(node.lineno, "".join(map(_part, node.values)))
            case ast.Constant(value=str(text)):
                self._message(node.lineno, text)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", node.name).strip()
                self.lines += [(node.lineno, name), (node.lineno, "")]
                self.generic_visit(node)
            case _:
                self.generic_visit(node)

    def _message(self, line: int, text: str) -> None:
        if not (self._with_messages and _WORDS.search(text) and "\\" not in text):
            return
        # Lines of a help text or of code do not form one sentence.
        for each in text.splitlines():
            self.lines += [(line, _CODE.sub("X", " ".join(each.split()))), (line, "")]


def _part(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "X"


def _docstring(first: int, text: str) -> Iterator[Line]:
    is_example = False
    for number, raw in enumerate(text.splitlines(), first):
        line = raw.strip()
        is_example = bool(line) and (is_example or line.startswith(">>>"))
        yield from _line(number, "" if is_example or _SECTION.match(line) else line)
    yield (first, "")


def _page(text: str) -> Iterator[Line]:
    is_code = False
    for number, raw in enumerate(text.splitlines(), 1):
        is_fence = raw.lstrip().startswith("```")
        is_code ^= is_fence
        line = "" if is_code or is_fence else re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", raw.strip())
        if line.startswith("|"):
            for cell in line.strip("|").split("|"):
                yield from ((number, _CODE.sub("X", cell.strip(" -:"))), (number, ""))
        else:
            yield from _line(number, line)


def _line(number: int, text: str) -> Iterator[Line]:
    item = _ITEM.match(text)
    if item:
        yield (number, "")
    yield (number, _CODE.sub("X", text[item.end() if item else 0 :]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
