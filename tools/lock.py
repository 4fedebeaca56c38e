"""Updates the locks, and reads those of Python. The check of them is tests/quality/locks.py."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "pyproject.toml"
# Everything that `./dev` installs; the library's own requirements, with which an app of a clone is
# deployed; and tools that have an environment of their own.
PYTHON_LOCK, APP_LOCK = "requirements-dev.lock", "requirements.txt"
SCANNERS_LOCK = "requirements-scanners.lock"
# The lowest versions of the library's own requirements, with which the synth tests also pass.
LOWEST_LOCK = "requirements-lowest.lock"
NODE_MANIFEST, NODE_LOCK = "package.json", "package-lock.json"
_COMPILE = ("uv", "pip", "compile", "--generate-hashes", "--custom-compile-command=./dev lock")
_NPM = ("--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund")
_NO_REGISTRY = "--omit-lockfile-registry-resolved"


class Entry(NamedTuple):
    """One package of a Python lock, with the packages that require it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]
    is_direct: bool


def main(arguments: Sequence[str]) -> int:
    """Update the locks; `--upgrade` selects newer versions."""
    if list(arguments) not in ([], ["--upgrade"]):
        print("dev: lock accepts --upgrade, or nothing", file=sys.stderr)
        return 2
    for command in _commands(arguments):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            print(f"dev: {command[0]} could not update its lock", file=sys.stderr)
            return 1
    return 0


def _commands(upgrade: Sequence[str]) -> Iterator[tuple[str, ...]]:
    oldest = tables(ROOT)["project"]["requires-python"].removeprefix(">=")
    # One lock for all supported Pythons and platforms, from the oldest on.
    uv = (*_COMPILE, "--quiet", "--universal", f"--python-version={oldest}")
    yield (*uv, *upgrade, "--all-extras", "--group=dev", PROJECT, "-o", PYTHON_LOCK)
    # Not newer than the versions that the tests run with.
    yield (*uv, f"--constraints={PYTHON_LOCK}", PROJECT, "-o", APP_LOCK)
    yield (*uv, *upgrade, f"--group={PROJECT}:scanners", "-o", SCANNERS_LOCK)
    lowest = ("--resolution=lowest-direct", f"--group={PROJECT}:lowest", PROJECT)
    yield (*uv, *upgrade, *lowest, "-o", LOWEST_LOCK)
    yield ("npm", "update" if upgrade else "install", _NO_REGISTRY, *_NPM)


def entries(text: str) -> Iterator[Entry]:
    """Return the packages of a Python lock."""
    for part in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        pin = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)(?: *; *([^\\\n]+))?", part)
        if pin:
            via = re.findall(r"^ +# +(?:via +)?(\S+)", part, re.MULTILINE)
            yield Entry(
                name=canonicalize_name(pin[1]),
                version=pin[2],
                marker=(pin[3] or "").strip(),
                hashes=tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", part))),
                needed_by=frozenset(canonicalize_name(name) for name in via if name != "via"),
                is_direct=f"({PROJECT}" in part,
            )


def tables(root: Path) -> dict[str, Any]:
    """Return the settings of the project."""
    return tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))
