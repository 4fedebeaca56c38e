"""Makes the locks, and checks without a network that they fit the files they were made from."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "pyproject.toml"
# Everything that `./dev` installs; the library's own requirements, with which an app of a clone is
# deployed; and tools that have an environment of their own.
PYTHON_LOCK, APP_LOCK = "requirements-dev.lock", "requirements.txt"
SCANNERS_LOCK = "requirements-scanners.lock"
NODE_MANIFEST, NODE_LOCK = "package.json", "package-lock.json"
_AGAIN = "run `./dev lock`"
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
    """Make the locks (`--upgrade`: with newer versions), or `--check` them."""
    if list(arguments) == ["--check"]:
        found = problems(ROOT)
        print("\n".join(found) or "the locks fit")
        return 1 if found else 0
    if list(arguments) not in ([], ["--upgrade"]):
        print("dev: lock accepts --upgrade, or --check, or nothing", file=sys.stderr)
        return 2
    for command in _commands(arguments):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            print(f"dev: {command[0]} could not make its lock", file=sys.stderr)
            return 1
    return 0


def _commands(upgrade: Sequence[str]) -> Iterator[tuple[str, ...]]:
    oldest = _tables(ROOT)["project"]["requires-python"].removeprefix(">=")
    # One lock for all supported Pythons and platforms, from the oldest on.
    uv = (*_COMPILE, "--quiet", "--universal", f"--python-version={oldest}")
    yield (*uv, *upgrade, "--extra=local", "--group=dev", PROJECT, "-o", PYTHON_LOCK)
    # Not newer than the versions that the tests run with.
    yield (*uv, f"--constraints={PYTHON_LOCK}", PROJECT, "-o", APP_LOCK)
    yield (*uv, *upgrade, f"--group={PROJECT}:scanners", "-o", SCANNERS_LOCK)
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


def _tables(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / PROJECT).read_text(encoding="utf-8"))


# --- The check ----------------------------------------------------------------------------------


def problems(root: Path) -> list[str]:
    """Return the problems of the locks of a checkout, one line each."""
    tables = _tables(root)
    own, groups = tables["project"]["dependencies"], tables["dependency-groups"]
    extra = tables["project"]["optional-dependencies"]["local"]
    return [
        *_python_problems(root, PYTHON_LOCK, [*own, *extra, *groups["dev"]]),
        *_python_problems(root, APP_LOCK, own),
        *_version_problems(root),
        *_python_problems(root, SCANNERS_LOCK, groups["scanners"]),
        *_node_problems(root),
    ]


def _python_problems(root: Path, lock: str, required: Sequence[str]) -> Iterator[str]:
    text = (root / lock).read_text(encoding="utf-8")
    locked = list(entries(text))
    requirements = [Requirement(one) for one in required]
    yield from (f"{lock}: {entry.name} has no hash" for entry in locked if not entry.hashes)
    for requirement in requirements:
        if not any(_satisfies(entry, requirement) for entry in locked):
            yield f"{lock}: it has no {requirement}; {_AGAIN}"
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    for name in sorted({entry.name for entry in locked if entry.is_direct} - names):
        yield f"{lock}: nothing requires {name} any more; {_AGAIN}"
    if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
        yield f"{lock}: it names a registry, which is the choice of each user"


def _satisfies(entry: Entry, requirement: Requirement) -> bool:
    is_named = entry.name == canonicalize_name(requirement.name)
    return is_named and requirement.specifier.contains(entry.version, prereleases=True)


def _version_problems(root: Path) -> Iterator[str]:
    """Report versions that an app is deployed with and the tests are not run with."""
    tested, deployed = (
        {(entry.name, entry.version) for entry in entries((root / name).read_text("utf-8"))}
        for name in (PYTHON_LOCK, APP_LOCK)
    )
    for name, version in sorted(deployed - tested):
        yield f"{APP_LOCK}: {name} {version} is not in {PYTHON_LOCK}; {_AGAIN}"


def _node_problems(root: Path) -> Iterator[str]:
    asked = json.loads((root / NODE_MANIFEST).read_text(encoding="utf-8"))
    packages = json.loads((root / NODE_LOCK).read_text(encoding="utf-8"))["packages"]
    for key in ("dependencies", "devDependencies"):
        if asked.get(key, {}) != packages[""].get(key, {}):
            yield f"{NODE_LOCK}: its {key} are not {NODE_MANIFEST}'s; {_AGAIN}"
    for place, package in packages.items():
        if place and "integrity" not in package:
            yield f"{NODE_LOCK}: {place} has no hash"
        if "resolved" in package:
            yield f"{NODE_LOCK}: {place} names a registry, which is the choice of each user"
