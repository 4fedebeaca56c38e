"""The site of the documentation: `./dev docs`, and a hook for its pages and links."""

import posixpath
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent

# Pages of the repository outside `docs`, by their places on the site.
_OTHER_PAGES: Final = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    **{
        f"examples/{path.parent.name}.md": str(path.relative_to(ROOT))
        for path in sorted((ROOT / "examples").glob("*/README.md"))
    },
}
_SITE_URIS: Final = {source: uri for uri, source in _OTHER_PAGES.items()}
# The theme would load its own from another host.
_MERMAID: Final = "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
_MERMAID_URI: Final = "assets/mermaid.js"

# Inline code, which can look like a link, or a link to a file.
_LINK: Final = re.compile(
    r"`[^`]*`(?!\])|\[((?:[^][`]|`[^`]*`)+)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)"
)
_FENCE: Final = re.compile(r"^( *(`{3,})\w+)[^\n]*(\n.*?^ *\2`*$)", re.MULTILINE | re.DOTALL)


def main(arguments: Sequence[str]) -> int:
    """Serve the site on 127.0.0.1 while its pages change; `--build` writes it to .cache/site."""
    if list(arguments) not in ([], ["--build"]):
        sys.stderr.write("dev: docs accepts --build, or nothing\n")
        return 2
    command = ("build", "--strict") if arguments else ("serve",)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *command], cwd=ROOT, check=False
    ).returncode


def on_files(files: "Files", config: "MkDocsConfig") -> None:
    """Add the pages of the repository that are not in `docs`, and the program for diagrams."""
    for uri, source in _OTHER_PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, _MERMAID_URI, abs_src_path=str(ROOT / _MERMAID)))


def on_page_markdown(markdown: str, page: "Page", **_others: object) -> str:
    """Return a page for the site, with links to other pages of the site.

    Links to other files, such as tests and code, are replaced by their words. These files are not
    on the site, and the repository has no address that a link could lead to.
    """
    uri = page.file.src_uri
    parts, end = [], 0
    for block in _FENCE.finditer(markdown):
        # The words after the language are for our checks of snippets.
        parts += [_inside(markdown[end : block.start()], uri), block[1], block[3]]
        end = block.end()
    return "".join([*parts, _inside(markdown[end:], uri)])


def on_post_page(output: str, page: "Page", **_others: object) -> str:
    """Return the HTML of a page; one with a diagram loads the program that draws it."""
    # The theme gives no name to the dialog, which screen readers announce.
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
    if 'class="mermaid"' not in output:
        return output
    address = get_relative_url(_MERMAID_URI, page.url)
    return output.replace("</head>", f'<script src="{address}"></script></head>', 1)


def _inside(prose: str, uri: str) -> str:
    folder = posixpath.dirname(_OTHER_PAGES.get(uri, f"docs/{uri}"))

    def kept(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        target = _site_uri(posixpath.normpath(posixpath.join(folder, found[2])))
        if target is None:
            return found[1]
        address = posixpath.relpath(target, posixpath.dirname(uri) or ".")
        return f"[{found[1]}]({address}{found[3] or ''})"

    return _LINK.sub(kept, prose)


def _site_uri(path: str) -> str | None:
    """Return the place on the site of a file of the repository; None if it is not there."""
    if path in _SITE_URIS:
        return _SITE_URIS[path]
    is_there = path.startswith("docs/") and path.endswith((".md", ".svg"))
    return path.removeprefix("docs/") if is_there else None
