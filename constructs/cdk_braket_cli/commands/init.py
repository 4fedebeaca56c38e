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
# The files of each template are those of the earlier folders, unless it has its own.
_COMMON: Final = "_common"
_BASES: Final = {"ci": "job"}
# A template cannot hold names with a dot: a wheel excludes them, and Git would apply this file.
_RENAMED: Final = {"gitignore": ".gitignore", "github": ".github"}
_PLACEHOLDER: Final = re.compile(r"\b(?:PROJECT|REQUIREMENT)\b")
_EXTRAS: Final = "local,plot"


def _templates() -> list[str]:
    names = (found.name for found in _TEMPLATES.iterdir() if found.is_dir())
    return sorted(name for name in names if not name.startswith("_"))


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
    """Create a project in FOLDER: app, stack, script, test, README and picture.

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
    written = [_write(folder, path, found, values) for path, found in _template(template).items()]
    lines = [*(f"wrote {file}" for file in sorted(written)), f"Next: read {folder / 'README.md'}"]
    call.out.show(
        {"folder": str(folder), "stack": stack, "files": sorted(map(str, written))},
        "\n".join(lines),
    )


def _stack_name(folder: Path) -> str:
    words = re.split(r"[^A-Za-z0-9]+", folder.resolve().name)
    return "".join(word[:1].upper() + word[1:] for word in words)


def _template(name: str) -> dict[PurePosixPath, Traversable]:
    """Return the files of a template by their paths in the project."""
    folders = [_COMMON, *filter(None, [_BASES.get(name)]), name]
    return {path: found for each in folders for path, found in _files(_TEMPLATES / each)}


def _files(folder: Traversable, parent: str = "") -> Iterator[tuple[PurePosixPath, Traversable]]:
    for found in folder.iterdir():
        if found.name == "__pycache__":
            continue
        path = PurePosixPath(parent, _RENAMED.get(found.name, found.name))
        if found.is_dir():
            yield from _files(found, str(path))
        else:
            yield path, found


def _write(folder: Path, path: PurePosixPath, found: Traversable, values: dict[str, str]) -> Path:
    text = found.read_text(encoding="utf-8")
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_PLACEHOLDER.sub(lambda word: values[word[0]], text), encoding="utf-8")
        # A wheel keeps no permissions of files.
        if text.startswith("#!"):
            file.chmod(0o755)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from error
    return file
