"""Checks without a network that the locks fit the files they were created from."""

import itertools
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import lock

_AGAIN = "run `./dev lock`"


def problems(root: Path) -> list[str]:
    """Return the problems of the locks of a checkout, one line each."""
    tables = lock.tables(root)
    own, groups = tables["project"]["dependencies"], tables["dependency-groups"]
    extra = itertools.chain(*tables["project"]["optional-dependencies"].values())
    return [
        *_python_problems(root, lock.PYTHON_LOCK, [*own, *extra, *groups["dev"]]),
        *_python_problems(root, lock.APP_LOCK, own),
        *_python_problems(root, lock.LOWEST_LOCK, [*own, *groups["lowest"]]),
        *_lowest_problems(root, own),
        *_version_problems(root),
        *_python_problems(root, lock.SCANNERS_LOCK, groups["scanners"]),
        *_node_problems(root),
    ]


def _python_problems(root: Path, name: str, required: Sequence[str]) -> Iterator[str]:
    text = (root / name).read_text(encoding="utf-8")
    locked = list(lock.entries(text))
    requirements = [Requirement(one) for one in required]
    yield from (f"{name}: {entry.name} has no hash" for entry in locked if not entry.hashes)
    for requirement in requirements:
        if not any(_satisfies(entry, requirement) for entry in locked):
            yield f"{name}: it has no {requirement}; {_AGAIN}"
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    for unused in sorted({entry.name for entry in locked if entry.is_direct} - names):
        yield f"{name}: nothing requires {unused} any more; {_AGAIN}"
    if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
        yield f"{name}: it names a registry, which is the choice of each user"


def _satisfies(entry: lock.Entry, requirement: Requirement) -> bool:
    is_named = entry.name == canonicalize_name(requirement.name)
    return is_named and requirement.specifier.contains(entry.version, prereleases=True)


def _version_problems(root: Path) -> Iterator[str]:
    """Report versions that an app is deployed with and the tests are not run with."""
    tested, deployed = (
        {(entry.name, entry.version) for entry in lock.entries((root / name).read_text("utf-8"))}
        for name in (lock.PYTHON_LOCK, lock.APP_LOCK)
    )
    for name, version in sorted(deployed - tested):
        yield f"{lock.APP_LOCK}: {name} {version} is not in {lock.PYTHON_LOCK}; {_AGAIN}"


def _lowest_problems(root: Path, own: Sequence[str]) -> Iterator[str]:
    """Report requirements whose lowest version differs from the tested version."""
    text = (root / lock.LOWEST_LOCK).read_text(encoding="utf-8")
    locked = {entry.name: entry.version for entry in lock.entries(text)}
    for requirement in map(Requirement, own):
        lowest = [one.version for one in requirement.specifier if one.operator == ">="]
        version = locked.get(canonicalize_name(requirement.name))
        if version and [Version(each) for each in lowest] != [Version(version)]:
            yield f"{lock.LOWEST_LOCK}: {requirement.name} {version} is not the lowest; {_AGAIN}"


def _node_problems(root: Path) -> Iterator[str]:
    asked = json.loads((root / lock.NODE_MANIFEST).read_text(encoding="utf-8"))
    packages = json.loads((root / lock.NODE_LOCK).read_text(encoding="utf-8"))["packages"]
    for key in ("dependencies", "devDependencies"):
        if asked.get(key, {}) != packages[""].get(key, {}):
            yield f"{lock.NODE_LOCK}: its {key} are not {lock.NODE_MANIFEST}'s; {_AGAIN}"
    for place, package in packages.items():
        if place and "integrity" not in package:
            yield f"{lock.NODE_LOCK}: {place} has no hash"
        if "resolved" in package:
            yield f"{lock.NODE_LOCK}: {place} names a registry, which is the choice of each user"


if __name__ == "__main__":
    found = problems(lock.ROOT)
    sys.stdout.write("\n".join([*found, ""]) if found else "the locks fit\n")
    sys.exit(1 if found else 0)
