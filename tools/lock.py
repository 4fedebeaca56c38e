"""Makes the locks, and checks without a network that they fit what they were made from."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "pyproject.toml"
PYTHON_LOCK = "requirements-dev.lock"
NODE_MANIFEST = "package.json"
NODE_LOCK = "package-lock.json"
# What an app of a clone is deployed with, after CDK's convention: the library's own requirements.
APP_LOCK = "requirements.txt"
APP_LOCK_HEAD = (
    "# What `npx cdk deploy` needs in this clone: `pip install -r requirements.txt`.\n"
    "# Made from pyproject.toml by `./dev lock`, with the versions of requirements-dev.lock.\n"
)
# What `./dev` installs beside the library itself.
EXTRAS = ("local",)
GROUPS = ("dev",)
# What has an environment of its own, made when a test asks for it.
SCANNERS_LOCK = "requirements-scanners.lock"
SCANNERS_GROUP = "scanners"


def main(arguments: Sequence[str]) -> int:
    """Make the locks anew (`--upgrade`: with newer versions), or `--check` them."""
    if list(arguments) == ["--check"]:
        found = problems(ROOT)
        print("\n".join(found) or "the locks fit")
        return 1 if found else 0
    if list(arguments) not in ([], ["--upgrade"]):
        print("dev: lock takes --upgrade, or --check, or nothing", file=sys.stderr)
        return 2
    upgrade = list(arguments)
    commands = (
        _uv_command(upgrade),
        _app_command(),
        _scanners_command(upgrade),
        _npm_command(upgrade),
    )
    for command in commands:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != 0:
            print(f"dev: {command[0]} could not make its lock", file=sys.stderr)
            return 1
    _say_what_it_is(ROOT / APP_LOCK)
    _forget_registries(ROOT / NODE_LOCK)
    return 0


def _uv_command(upgrade: list[str]) -> list[str]:
    wanted = [*(f"--extra={extra}" for extra in EXTRAS), *(f"--group={group}" for group in GROUPS)]
    return [*_compile(upgrade), *wanted, PROJECT, "-o", PYTHON_LOCK]


def _app_command() -> list[str]:
    # Of versions that are newer, the lock it is constrained by knows none.
    return [*_compile([]), "--constraints", PYTHON_LOCK, PROJECT, "-o", APP_LOCK]


def _scanners_command(upgrade: list[str]) -> list[str]:
    return [*_compile(upgrade), f"--group={PROJECT}:{SCANNERS_GROUP}", "-o", SCANNERS_LOCK]


def _compile(upgrade: list[str]) -> list[str]:
    return [
        # One lock for all supported Pythons and platforms, by markers, from the oldest on.
        *("uv", "pip", "compile", "--universal", "--python-version", _oldest_python()),
        *("--generate-hashes", "--no-header", "--quiet", *upgrade),
    ]


def _npm_command(upgrade: list[str]) -> list[str]:
    verb = "update" if upgrade else "install"
    return ["npm", verb, "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]


def _oldest_python() -> str:
    specifiers = SpecifierSet(_project(ROOT)["project"]["requires-python"])
    (oldest,) = (spec.version for spec in specifiers if spec.operator == ">=")
    return oldest


def _project(root: Path) -> dict[str, Any]:
    with (root / PROJECT).open("rb") as file:
        return tomllib.load(file)


def _say_what_it_is(lock: Path) -> None:
    lock.write_text(APP_LOCK_HEAD + lock.read_text(encoding="utf-8"), encoding="utf-8")


def _forget_registries(lock: Path) -> None:
    """A registry is a matter of who installs: npm finds each package by name and hash."""
    tree = json.loads(lock.read_text(encoding="utf-8"))
    for package in tree["packages"].values():
        package.pop("resolved", None)
    lock.write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


# --- The check ----------------------------------------------------------------------------------


def problems(root: Path) -> list[str]:
    """What is wrong with the locks of a checkout, one line each; empty if nothing."""
    return [
        *_python_problems(root, PYTHON_LOCK, list(_direct_requirements(root))),
        *_python_problems(root, APP_LOCK, list(_own_requirements(root))),
        *_version_problems(root),
        *_python_problems(root, SCANNERS_LOCK, list(_group(root, SCANNERS_GROUP))),
        *_node_problems(root),
    ]


@dataclass(frozen=True, slots=True)
class _Locked:
    """One entry of the Python lock."""

    name: str
    version: str
    hashed: bool
    asked_for_by_us: bool


def _entries(text: str) -> Iterator[_Locked]:
    for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        pin = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", entry)
        if pin:
            yield _Locked(
                name=canonicalize_name(pin[1]),
                version=pin[2],
                hashed="--hash=sha256:" in entry,
                asked_for_by_us=f"({PROJECT}" in entry,
            )


def _python_problems(root: Path, lock: str, required: Sequence[Requirement]) -> Iterator[str]:
    text = (root / lock).read_text(encoding="utf-8")
    entries = list(_entries(text))
    for entry in entries:
        if not entry.hashed:
            yield f"{lock}: {entry.name} has no hash"
    for requirement in required:
        if not any(_satisfies(entry, requirement) for entry in entries):
            yield f"{lock}: it has no {requirement}; `./dev lock` makes it anew"
    names = {canonicalize_name(requirement.name) for requirement in required}
    for name in sorted({entry.name for entry in entries if entry.asked_for_by_us} - names):
        yield f"{lock}: nothing asks for {name} any more; `./dev lock` makes it anew"
    if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
        yield f"{lock}: it names a registry, which is a matter of who installs"


def _version_problems(root: Path) -> Iterator[str]:
    """An app that is deployed with other versions than the tests had has not been tested."""
    tested, deployed = (
        {(entry.name, entry.version) for entry in _entries((root / name).read_text("utf-8"))}
        for name in (PYTHON_LOCK, APP_LOCK)
    )
    for name, version in sorted(deployed - tested):
        yield f"{APP_LOCK}: {name} {version} is not in {PYTHON_LOCK}; `./dev lock` makes it anew"


def _satisfies(entry: _Locked, requirement: Requirement) -> bool:
    named = entry.name == canonicalize_name(requirement.name)
    return named and requirement.specifier.contains(entry.version, prereleases=True)


def _direct_requirements(root: Path) -> Iterator[Requirement]:
    tables = _project(root)
    extras = tables["project"].get("optional-dependencies", {})
    yield from _own_requirements(root)
    for extra in EXTRAS:
        yield from map(Requirement, extras.get(extra, []))
    for group in GROUPS:
        yield from _group(root, group)


def _own_requirements(root: Path) -> Iterator[Requirement]:
    yield from map(Requirement, _project(root)["project"].get("dependencies", []))


def _group(root: Path, name: str) -> Iterator[Requirement]:
    yield from map(Requirement, _project(root).get("dependency-groups", {}).get(name, []))


def _node_problems(root: Path) -> Iterator[str]:
    asked = json.loads((root / NODE_MANIFEST).read_text(encoding="utf-8"))
    packages = json.loads((root / NODE_LOCK).read_text(encoding="utf-8"))["packages"]
    for key in ("dependencies", "devDependencies"):
        if asked.get(key, {}) != packages[""].get(key, {}):
            yield f"{NODE_LOCK}: its {key} are not {NODE_MANIFEST}'s; `./dev lock` makes it anew"
    for place, package in packages.items():
        if place and "integrity" not in package:
            yield f"{NODE_LOCK}: {place} has no hash"
        if "resolved" in package:
            yield f"{NODE_LOCK}: {place} names a registry, which is a matter of who installs"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
