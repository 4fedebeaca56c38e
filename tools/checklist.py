"""`./dev release --walk`: the release check list, step by step."""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cdk_braket_local.control.foreground_command import run_step

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs/reference/releasing.md"

_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_STEP: Final = re.compile(r"^(\d+)\. (.+?)(?=^\d+\. |^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK: Final = re.compile(r"^ *```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[([^]]+)\]\([^)]+\)")
_QUESTION: Final = "Done? [y]es, [r]un the commands, [q]uit: "


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the check list.

    Attributes:
        section: The heading above it.
        text: Its words, without markup.
        commands: The commands in it.
    """

    section: str
    text: str
    commands: tuple[str, ...]


def steps(page: str) -> list[Step]:
    """Return the steps of the page, in their order."""
    parts = _SECTION.split(page)[1:]
    sections = zip(parts[::2], parts[1::2], strict=True)
    return [step for title, body in sections for step in _steps(title, body)]


def _steps(section: str, body: str) -> Iterator[Step]:
    for found in _STEP.finditer(body):
        blocks = _BLOCK.findall(found[2])
        commands = tuple(line.strip() for block in blocks for line in block.splitlines())
        words = _LINK.sub(r"\1", _BLOCK.sub("", found[2])).replace("**", "").replace("`", "")
        yield Step(section, " ".join(words.split()), commands)


def walk(first: int, answer: Callable[[str], str], show: Callable[[str], None]) -> int:
    """Go through the steps; the exit code is 0 only if all of them are done.

    Args:
        first: The number of the first step, from 1.
        answer: Returns the user's answer to a question.
        show: Shows a line.
    """
    found = steps(PAGE.read_text(encoding="utf-8"))
    for number, step in enumerate(found[first - 1 :], start=first):
        show(f"\n[{number}/{len(found)}] {step.section}: {step.text}")
        for command in step.commands:
            show(f"    {command}")
        if not _is_done(step, answer, show):
            show(f"Continue with ./dev release --walk {number}")
            return 1
    return 0


def _is_done(step: Step, answer: Callable[[str], str], show: Callable[[str], None]) -> bool:
    while True:
        given = answer(_QUESTION).strip().lower()[:1]
        if given in {"y", "q"}:
            return given == "y"
        if given == "r":
            for command in step.commands:
                code = run_step(shlex.split(command), os.environ, directory=ROOT)
                show(f"{command}: exit code {code}")
                if code:
                    break
