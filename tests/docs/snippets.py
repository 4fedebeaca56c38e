"""Finds the code in our pages, and runs it or checks it. No block is skipped.

The word after the fence is the type of a block:

- `python`: a whole program. It runs unchanged in a folder with a copy of `examples/`. With
  `continued`, it continues the block before it. With `raises=NAME`, it must end in that error,
  whose message is in the block as comments below the line `# NAME:`. With `file=PATH`, it must be
  in that file, except for spaces and line breaks. It does not run: that file has separate tests.
- `bash`: commands. Each program must be one that `_PROGRAMS` knows, which checks its arguments.
- `json`, `toml`: must parse.
- `text`, `mermaid`: for people; not checked.
"""

import functools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from cdk_braket_cli import main as commands
from cdk_braket_local import cli
from tools import dev

ROOT = Path(__file__).resolve().parents[2]
FOR_PEOPLE = ("text", "mermaid")
TEMPLATES = ROOT / "constructs/cdk_braket_cli/templates"

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n`]*)\n", re.MULTILINE)


class SnippetError(AssertionError):
    """A block is not correct; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: The file it is in.
        line: The line its code begins at.
        language: The first word after the fence.
        marks: The other words.
        code: Its content.
    """

    page: Path
    line: int
    language: str
    marks: tuple[str, ...]
    code: str

    @property
    def raises(self) -> str | None:
        """The name of the error that it must end in."""
        names = [mark.removeprefix("raises=") for mark in self.marks if mark.startswith("raises=")]
        return names[0] if names else None

    @property
    def file(self) -> str | None:
        """The file that it is a part of."""
        names = [mark.removeprefix("file=") for mark in self.marks if mark.startswith("file=")]
        return names[0] if names else None

    @property
    def where(self) -> str:
        """Where it is, as editors understand it."""
        return f"{self.page.name}:{self.line}"


def pages(root: Path = ROOT) -> list[Path]:
    """Every page that people read."""
    templates = TEMPLATES.relative_to(ROOT)
    patterns = ("*.md", "docs/**/*.md", "examples/**/*.md", f"{templates}/*/*.md")
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    position = 0
    while opening := _FENCE.search(text, position):
        closing = re.compile(rf"^ *{opening['ticks']} *$", re.MULTILINE).search(text, opening.end())
        if closing is None:
            raise SnippetError(f"{page.name}: a fence is never closed")
        language, *marks = opening["info"].split() or [""]
        lines = text[opening.end() : closing.start()].splitlines()
        yield Block(
            page=page,
            line=text.count("\n", 0, opening.end()) + 1,
            language=language,
            marks=tuple(marks),
            code="".join(line.removeprefix(opening["indent"]) + "\n" for line in lines),
        )
        position = closing.end()


def check(block: Block, namespace: dict[str, object]) -> dict[str, object]:
    """Run or check one block.

    Args:
        block: The block.
        namespace: The names that the block of Python before it has left.

    Returns:
        The names that the next block of Python may continue with.

    Raises:
        SnippetError: The block is not correct.
    """
    if block.file is not None:
        _compare(block, ROOT / block.file)
        return namespace
    if block.language == "python":
        return _run_python(block, namespace)
    unknown = set(block.marks)
    if unknown:
        raise SnippetError(f"{block.where}: a {block.language} block has no {sorted(unknown)}")
    if block.language not in _LANGUAGES:
        raise SnippetError(f"{block.where}: say what this block is: {', '.join(_LANGUAGES)}")
    try:
        _LANGUAGES[block.language](block)
    except ValueError as error:
        raise SnippetError(f"{block.where}: {error}") from error
    return namespace


def _compare(block: Block, file: Path) -> None:
    if not file.is_file():
        raise SnippetError(f"{block.where}: there is no {block.file}")
    # ruff formats the block by itself: without the indentation that it has in its file.
    if "".join(block.code.split()) not in "".join(file.read_text(encoding="utf-8").split()):
        raise SnippetError(f"{block.where}: this is not what {block.file} says")


# --- Python -------------------------------------------------------------------------------------


def _run_python(block: Block, namespace: dict[str, object]) -> dict[str, object]:
    unknown = [mark for mark in block.marks if mark not in ("continued", f"raises={block.raises}")]
    if unknown:
        raise SnippetError(f"{block.where}: a python block has no {unknown}")
    names: dict[str, object] = {"__name__": "__main__"}
    if "continued" in block.marks:
        names = namespace
    # Blank lines in front, so that a traceback names the page's own lines.
    code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
    try:
        exec(code, names)  # noqa: S102 - running it is the test
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        _expect(block, error)
    else:
        if block.raises:
            raise SnippetError(f"{block.where}: it should end in {block.raises}, and did not")
    return names


def _expect(block: Block, error: Exception) -> None:
    if type(error).__name__ != block.raises:
        raise SnippetError(f"{block.where}: {type(error).__name__}: {error}") from error
    shown = re.search(rf"^# {block.raises}:(.*(?:\n#.*)*)", block.code, re.MULTILINE)
    if shown is None:
        return
    promised = " ".join(line.removeprefix("#").strip() for line in shown[1].split("\n"))
    if promised.split() != str(error).split():
        raise SnippetError(f"{block.where}: the error reads {error}") from error


# --- Shell --------------------------------------------------------------------------------------


def _check_bash(block: Block) -> None:
    for line in block.code.replace("\\\n", " ").splitlines():
        for command in _commands(line):
            check_command(command)


def _commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a line of shell."""
    substituted = re.fullmatch(r'eval "\$\((.*)\)"', line.strip())
    lexer = shlex.shlex(
        substituted[1] if substituted else line, posix=True, punctuation_chars="&|;"
    )
    lexer.whitespace_split = True
    command: list[str] = []
    for word in lexer:
        if set(word) <= set("&|;"):
            yield command
            command = []
        else:
            command.append(word)
    if command:
        yield command


def check_command(command: Sequence[str]) -> None:
    """Check that a command exists and accepts its arguments.

    Raises:
        ValueError: It does not.
    """
    words = list(command)
    while words and re.match(r"\w+=", words[0]):
        del words[0]
    if not words:
        return
    program, *arguments = words
    if program not in _PROGRAMS:
        raise ValueError(f"no check knows the program {program!r}")
    _PROGRAMS[program](arguments)


def _check_dev(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in {*dev.COMMANDS, "--help"}:
        raise ValueError(f"./dev has no command {arguments[:1]}")
    if arguments[0] == "test":
        others = [argument for argument in arguments[1:] if argument != "--long"]
        _check_options(others, sys.executable, "-m", "pytest")
    if arguments[0] == "deploy":
        _check_cdk(arguments)


def _check_local(arguments: list[str]) -> None:
    try:
        options = cli.parser().parse_args(arguments)
    except SystemExit as error:
        if error.code:
            raise ValueError(f"cdk-braket-local does not take {shlex.join(arguments)}") from error
        return
    check_command(getattr(options, "command", []))


def _check_cli(arguments: list[str]) -> None:
    command: click.Command = commands.cli
    others = arguments
    while isinstance(command, click.Group) and others and others != ["--help"]:
        name, *others = others
        if name not in command.commands:
            raise ValueError(f"cdk-braket has no command {name!r}")
        command = command.commands[name]
    if others == ["--help"]:
        return
    try:
        command.make_context(command.name, others)
    except click.UsageError as error:
        raise ValueError(f"cdk-braket {shlex.join(arguments)}: {error.message}") from error


def _check_cdk(arguments: list[str]) -> None:
    command, *options = arguments
    cdk = str(ROOT / "node_modules/.bin/cdk")
    # For a command that it does not have, the CLI shows its general help and is content.
    if not re.match(rf"cdk {re.escape(command)}\b", _help(cdk, command)):
        raise ValueError(f"the CDK CLI has no command {command!r}")
    _check_options(options, cdk, command)


def _check_npx(arguments: list[str]) -> None:
    check_command(arguments)


def _check_npm(arguments: list[str]) -> None:
    if arguments == ["install"] and any(TEMPLATES.rglob("package.json")):
        return  # in a project of `cdk-braket init`
    if arguments != ["ci"] or not (ROOT / "package-lock.json").is_file():
        raise ValueError(f"no check knows npm {arguments}, or there is no package-lock.json")


def _check_aws(arguments: list[str]) -> None:
    service, command, *options = arguments
    operations = {xform_name(name, "-"): name for name in _service(service).operation_names}
    if command not in operations:
        raise ValueError(f"the AWS CLI has no command {service} {command}")
    shape = _service(service).operation_model(operations[command]).input_shape
    known = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    if unknown := [word for word in options if word.startswith("--") and word not in known]:
        raise ValueError(f"aws {service} {command} has no option {unknown[0]}")


@functools.cache
def _service(name: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(name, "service-2"))


def _check_options(options: list[str], *program: str) -> None:
    """Every option must stand in the program's own help."""
    for option in (word.partition("=")[0] for word in options if word.startswith("-")):
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", _help(*program)):
            raise ValueError(f"{shlex.join(program)} has no option {option}")


@functools.cache
def _help(*program: str) -> str:
    run = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout


def _check_pip(arguments: list[str]) -> None:
    verb, *what = arguments
    if verb != "install":
        raise ValueError(f"no check knows pip {verb}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for flag, word in zip(["", *what], what, strict=False):
        if flag == "-r" and not (ROOT / word).is_file():
            raise ValueError(f"there is no {word}")
        ours = re.fullmatch(rf"(?:.*/)?{project['name']}(?:\[(.+)\])?(?: @ .*)?", word)
        extras = set(ours[1].split(",")) if ours and ours[1] else set()
        if unknown := extras - set(project["optional-dependencies"]):
            raise ValueError(f"there is no extra {min(unknown)}")


def _check_python(arguments: list[str]) -> None:
    if arguments[:2] in (["-m", "venv"], ["-m", "pytest"]) or (ROOT / arguments[0]).is_file():
        return
    # A page may have changed the directory before.
    if not any((ROOT / "examples").rglob(arguments[0])):
        raise ValueError(f"there is no {arguments[0]}")


def _check_sh(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] != "-c":
        raise ValueError(f"no check knows sh {shlex.join(arguments)}")
    for command in _commands(arguments[1]):
        check_command(command)


def _nothing_to_check(arguments: list[str]) -> None:
    """Programs of the system, whose arguments are the reader's own."""


_PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "./dev": _check_dev,
    ".ci/run": _nothing_to_check,
    "./ci.sh": _nothing_to_check,
    "cdk-braket": _check_cli,
    "cdk-braket-local": _check_local,
    "aws": _check_aws,
    "cdk": _check_cdk,
    "npm": _check_npm,
    "npx": _check_npx,
    "pip": _check_pip,
    "python": _check_python,
    "python3": _check_python,
    "sh": _check_sh,
    ".": _nothing_to_check,
    "cd": _nothing_to_check,
    "export": _nothing_to_check,
    "git": _nothing_to_check,
}


def _check_json(block: Block) -> None:
    json.loads(block.code)


def _check_toml(block: Block) -> None:
    tomllib.loads(block.code)


def _for_people(block: Block) -> None:
    """Accept the output of a program, or a drawing."""


_LANGUAGES: dict[str, Callable[[Block], None]] = {
    "bash": _check_bash,
    "json": _check_json,
    "toml": _check_toml,
    **dict.fromkeys(FOR_PEOPLE, _for_people),
}
