"""`cdk-braket init`: a project from a template."""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final

import click

from cdk_braket_cli.command import Call, command
from cdk_braket_cli.errors import CommandError
from cdk_braket_client.installation import requirement

_TEMPLATES: Final = files("cdk_braket_cli") / "templates"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
# A template cannot hold a file of this name, because it would apply to the templates.
_RENAMED: Final = {"gitignore": ".gitignore"}
_PLACEHOLDER: Final = re.compile(r"\b(?:PROJECT|REQUIREMENT)\b")
_EXTRAS: Final = "local,plot"


def _templates() -> list[str]:
    return sorted(found.name for found in _TEMPLATES.iterdir() if found.is_dir())


@command("init", uses_aws=False)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--template",
    type=click.Choice(_templates()),
    default="job",
    show_default=True,
    help="The template to start from.",
)
@click.option(
    "--name",
    metavar="NAME",
    default=None,
    help="The name of the stack. Default: from the name of the folder.",
)
def init(call: Call, folder: Path, template: str, name: str | None) -> None:
    """Create a project in FOLDER: app, stack, script, test and README.

    It deploys as it is, to AWS and to the local AWS. The folder must be empty or not exist.
    """
    stack = name or _stack_name(folder)
    if not _NAME.fullmatch(stack):
        raise click.UsageError(
            f"--name: expected letters, digits and hyphens, a letter first, got {stack!r}."
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty. Name a folder that does not exist yet.")
    values = {"PROJECT": stack, "REQUIREMENT": requirement(_EXTRAS)}
    written = [_write(folder, path, text, values) for path, text in _files(_TEMPLATES / template)]
    lines = [*(f"wrote {file}" for file in sorted(written)), f"Next: read {folder / 'README.md'}"]
    call.out.show(
        {"folder": str(folder), "stack": stack, "files": sorted(map(str, written))},
        "\n".join(lines),
    )


def _stack_name(folder: Path) -> str:
    words = re.split(r"[^A-Za-z0-9]+", folder.resolve().name)
    return "".join(word[:1].upper() + word[1:] for word in words)


def _files(folder: Traversable, parent: str = "") -> Iterator[tuple[PurePosixPath, str]]:
    for found in folder.iterdir():
        if found.name == "__pycache__":
            continue
        path = PurePosixPath(parent, _RENAMED.get(found.name, found.name))
        if found.is_dir():
            yield from _files(found, str(path))
        else:
            yield path, found.read_text(encoding="utf-8")


def _write(folder: Path, path: PurePosixPath, content: str, values: dict[str, str]) -> Path:
    content = _PLACEHOLDER.sub(lambda found: values[found[0]], content)
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from error
    return file
