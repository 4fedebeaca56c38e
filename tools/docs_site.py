"""The site of the documentation: `./dev docs`, and a hook for the links that leave it."""

import posixpath
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).resolve().parent.parent

# Inline code, which can look like a link, or a link to a file.
_LINK: Final = re.compile(
    r"`[^`]*`(?!\])|\[((?:[^][`]|`[^`]*`)+)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)"
)
_FENCE: Final = re.compile(r"^( *(`{3,})\w+)[^\n]*(\n.*?^ *\2`*$)", re.MULTILINE | re.DOTALL)


class _File(Protocol):
    src_uri: str


class _Page(Protocol):
    file: _File


def main(arguments: Sequence[str]) -> int:
    """Serve the site on 127.0.0.1 while its pages change; `--build` writes it to .cache/site."""
    if list(arguments) not in ([], ["--build"]):
        sys.stderr.write("dev: docs accepts --build, or nothing\n")
        return 2
    command = ("build", "--strict") if arguments else ("serve",)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *command], cwd=ROOT, check=False
    ).returncode


def on_page_markdown(markdown: str, page: _Page, **_others: object) -> str:
    """Return a page for the site: links to files outside `docs` are replaced by their words.

    The site has the pages of `docs`. Files of the repository, such as tests and examples, are not
    on it, and the repository has no address that a link could lead to.
    """
    folder = posixpath.dirname(page.file.src_uri)
    parts, end = [], 0
    for block in _FENCE.finditer(markdown):
        # The words after the language are for our checks of snippets.
        parts += [_inside(markdown[end : block.start()], folder), block[1], block[3]]
        end = block.end()
    return "".join([*parts, _inside(markdown[end:], folder)])


def _inside(prose: str, folder: str) -> str:
    def kept(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        target = posixpath.normpath(posixpath.join(folder, found[2]))
        is_page = not target.startswith("..") and target.endswith(".md")
        return found[0] if is_page else found[1]

    return _LINK.sub(kept, prose)
