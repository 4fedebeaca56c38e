"""Programs of Node, which a project has in `node_modules/.bin`."""

import shutil
from pathlib import Path


def find_program(name: str, directory: Path) -> str | None:
    """Return a program of the project around a directory, or of PATH; None if there is none."""
    for folder in (directory, *directory.parents):
        found = shutil.which(name, path=str(folder / "node_modules" / ".bin"))
        if found:
            return found
    return shutil.which(name)
