"""Modules of this machine that a script imports and that its archive does not hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cdk_braket.assets.packaging import DEFAULT_EXCLUDES, SourceTree, shown

# Where people keep modules below a project's folder.
_BELOW = ("", "src", "lib")


@dataclass(frozen=True, slots=True)
class LocalModule:
    """A module beside a source.

    Attributes:
        path: Its file or folder.
        holds_source: Whether the source is in it.
    """

    path: Path
    holds_source: bool

    @property
    def shown(self) -> str:
        """Its path as an app would name it: relative to where it runs, if it is below."""
        return relative_to_app(self.path)


def find_local(tree: SourceTree, top: str) -> LocalModule | None:
    """Find a module by its top-level name where an import on this machine would find it.

    Only names and folders are checked; no file is read.
    """
    for directory in _directories(tree.root):
        for candidate in (directory / top, directory / f"{top}.py"):
            if candidate in {tree.root, *tree.included} or top in DEFAULT_EXCLUDES:
                continue
            if _is_module(candidate):
                return LocalModule(candidate, tree.root.is_relative_to(candidate))
    return None


def relative_to_app(path: Path) -> str:
    """Return a path as the app would name it."""
    here = Path.cwd()
    return shown(path.relative_to(here) if path.is_relative_to(here) else path)


def _directories(root: Path) -> Iterator[Path]:
    """Yield the folders that are on the path when a user runs the script."""
    bases = [root.parent, root.parent.parent]
    here = Path.cwd()
    if root.is_relative_to(here):
        bases += [base for base in root.parents if base.is_relative_to(here)]
    for base in dict.fromkeys(bases):
        if base == Path(base.anchor):
            continue
        for below in _BELOW:
            yield base / below


def _is_module(path: Path) -> bool:
    try:
        if path.suffix == ".py":
            return path.is_file()
        return path.is_dir() and (
            next(path.glob("*.py"), None) is not None or next(path.glob("*/*.py"), None) is not None
        )
    except OSError:
        return False
