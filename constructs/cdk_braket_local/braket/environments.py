"""The Python environment of a job: that of its container image, as far as this machine has it.

Most scripts import packages that the local AWS itself depends on, such as the Braket SDK. They run
in a *shared* environment: links to those packages of this machine that are in the image, and to
nothing else. It is there at once. A script that imports more of its image, such as PennyLane,
runs in a *built* environment. uv installs the published pins of the image once, for all later jobs.
Its Python is that of the image if this machine has it, else that of the local AWS.
"""

import ast
import contextlib
import csv
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Final

from cdk_braket_local.braket.images import Image, normalized

_COMPLETE: Final = "cdk-braket-local.json"
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA: Final = re.compile(r";.*\bextra\b")
# A function that the SDK's decorator has pickled names its modules in the text.
_PICKLED: Final = "cloudpickle.loads("
_LONGEST_REASON = 600
_POLL_SECONDS = 0.2


class NotBuiltError(Exception):
    """There is no environment for a job; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a job.

    Attributes:
        folder: Its folder, a virtual environment.
        description: The first line of the job's log.
        version: The version of its Python.
    """

    folder: Path
    description: str
    version: tuple[int, int] = sys.version_info[:2]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """The folder of its packages."""
        return _site_packages(self.folder, self.version)

    @property
    def has_our_python(self) -> bool:
        """Whether its Python has the version of this one."""
        return self.version == sys.version_info[:2]


def has_pickle(code: Path) -> bool:
    """Whether a script has a function that the SDK's decorator has pickled, with our Python.

    Args:
        code: The folder of the script.
    """
    return any(_PICKLED in _text(file) for file in code.rglob("*.py"))


def missing_modules(image: Image, code: Path, environment: Environment) -> Sequence[str]:
    """Return the modules that a script imports from its image, and that an environment lacks.

    Args:
        image: The image.
        code: The folder of the script.
        environment: The environment.
    """
    here = _installed([environment.site_packages]).keys()
    scripts = (file for ending in _READERS for file in code.rglob(f"*{ending}"))
    wanted = {module for file in scripts for module in _imported(image, file)}
    return sorted(
        module
        for module in wanted
        if (offering := image.distributions_of(module)) and not offering & here
    )


def shared(image: Image, folder: Path) -> Environment:
    """Return the environment of the packages of this machine that are in an image.

    Args:
        image: The image.
        folder: The folder of such environments. It is created if it does not exist.
    """
    target = folder / image.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not target.exists():
        draft = Path(tempfile.mkdtemp(dir=folder))
        venv.create(draft, symlinks=True)
        _link(image, Environment(draft, "").site_packages)
        # Another job may have been faster.
        with contextlib.suppress(OSError):
            draft.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return Environment(
        target,
        f"environment: packages of this machine that are in {_name(image)}, with "
        f"{_python(image, sys.version_info[:2])}; their versions can differ from the image",
    )


def built(
    image: Image,
    cache: Path | None,
    variables: Mapping[str, str],
    report: Callable[[str], None],
    is_stopped: Callable[[], bool] = lambda: False,
    *,
    needs_our_python: bool = False,
) -> Environment:
    """Return the environment with the pins of an image; build it if it is not in the cache.

    Args:
        image: The image.
        cache: The folder of built environments. It is created if it does not exist. None if this
            user has no cache.
        variables: The environment variables for uv: its settings, the search path, proxies.
        report: Called with a line if the environment has to be built, a matter of minutes.
        is_stopped: Whether the job was stopped. It then does not wait for another job.
        needs_our_python: Whether the script must have the version of this Python.

    Raises:
        NotBuiltError: It cannot be built.
    """
    if cache is None:
        raise NotBuiltError(
            "there is no folder for its environment. Set XDG_CACHE_HOME or HOME to an absolute "
            "path, and start the local AWS again"
        )
    # Of this Python, for functions that are pickled by their caller.
    python = None if needs_our_python else _found_python(image, variables)
    version = sys.version_info[:2] if python is None else image.python
    content = [list(image.pins), version, platform.machine(), platform.libc_ver()]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    target = cache / f"{image.name}-{key}"
    try:
        _check_private(cache)
        # A second job waits for the first, and finds its environment.
        with _locked(target.with_name(f"{target.name}.lock"), report, is_stopped) as lock:
            if not _is_complete(target):
                report(
                    f"{_name(image)} is built with uv from its published pins. This happens once, "
                    f"and needs minutes."
                )
                base = python or Path(getattr(sys, "_base_executable", sys.executable))
                _build(image, Environment(target, "", version), base, variables, lock)
    except OSError as error:
        raise NotBuiltError(f"{cache} cannot hold its environment: {error}") from error
    return Environment(
        target,
        f"environment: {_name(image)}, built with uv from its published pins, with "
        f"{_python(image, version)}",
        version,
    )


def _found_python(image: Image, variables: Mapping[str, str]) -> Path | None:
    """Return an interpreter of the image's version on this machine, or None.

    It is searched on the path, and where uv installs interpreters. Source of the folder:
    https://docs.astral.sh/uv/reference/storage/
    """
    if image.python == sys.version_info[:2]:
        return None
    major, minor = image.python
    name = f"python{major}.{minor}"
    on_path = shutil.which(name, path=variables.get("PATH", ""))
    home = variables.get("HOME")
    managed = variables.get("UV_PYTHON_INSTALL_DIR") or (home and f"{home}/.local/share/uv/python")
    of_uv = Path(managed).glob(f"cpython-{major}.{minor}.*/bin/{name}") if managed else ()
    candidates = [*([Path(on_path)] if on_path else []), *sorted(of_uv)]
    return next((each for each in candidates if _runs(each, image.python)), None)


def _runs(python: Path, version: tuple[int, int]) -> bool:
    """Whether a file is an interpreter of a version, and not a program that only looks for it."""
    program = "import sys, venv; print(sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-I", "-c", program], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == str(version)


def _check_private(cache: Path) -> None:
    """Create the folder, and refuse that of another user: jobs import the packages in it."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if cache.stat().st_uid != os.getuid():
        raise NotBuiltError(
            f"{cache} belongs to another user. Set XDG_CACHE_HOME to a folder of yours, and start "
            "the local AWS again"
        )


@contextlib.contextmanager
def _locked(
    path: Path, report: Callable[[str], None], is_stopped: Callable[[], bool]
) -> Iterator[int]:
    """Lock a file; yield its descriptor, whose copies hold the lock as well."""
    with path.open("a") as lock:
        if not _lock(lock):
            report("waiting for another job, which builds the environment of the image")
            while not _lock(lock):
                if is_stopped():
                    raise NotBuiltError("the job was stopped before it was built")
                time.sleep(_POLL_SECONDS)
        yield lock.fileno()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_complete(target: Path) -> bool:
    """Whether an environment was built to its end, and its Python is still on this machine."""
    return (target / _COMPLETE).exists() and Environment(target, "").python.exists()


def _build(
    image: Image, environment: Environment, base: Path, variables: Mapping[str, str], lock: int
) -> None:
    uv = shutil.which("uv", path=variables.get("PATH"))
    if uv is None:
        raise NotBuiltError(
            "uv was not found. The local AWS builds the environments of images with it. Install "
            "it, for example by pip install uv, and start the local AWS again"
        )
    target = environment.folder
    shutil.rmtree(target, ignore_errors=True)  # of a build that was killed
    for arguments in (
        ["venv", "--no-project", "--python", str(base), str(target)],
        ["pip", "install", "--python", str(environment.python), "-r", "-"],
    ):
        done = subprocess.run(
            [uv, *arguments],
            env=dict(variables),
            # uv reads settings of the folders above: those of a temporary one can be anybody's.
            cwd=target.parent,
            # If this process is killed, the lock is held until uv ends.
            pass_fds=[lock],
            input="\n".join(image.pins),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = " ".join(done.stderr.split())[-_LONGEST_REASON:]
            raise NotBuiltError(f"uv could not build {_name(image)}: {reason}")
    (target / _COMPLETE).write_text(json.dumps({"pins": list(image.pins)}), encoding="utf-8")


def _name(image: Image) -> str:
    return f"Amazon Braket's {image.name} image"


def _python(image: Image, here: tuple[int, int]) -> str:
    there = image.python
    text = f"Python {here[0]}.{here[1]}"
    return text if here == there else f"{text} (on AWS {there[0]}.{there[1]})"


# --- The imports of a script. ---


def _imported(image: Image, file: Path) -> Iterator[str]:
    """Yield the top-level modules that a file imports, also in functions."""
    text = _text(file)
    try:
        parts = _READERS[file.suffix](text)
    except (ValueError, RecursionError):
        return  # the script's own failure
    for part in parts:
        yield from _imported_by(part)
    if _PICKLED in text:
        words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
        yield from (word for word in words if image.distributions_of(word))


def _text(file: Path) -> str:
    """Return the content of a file; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _imported_by(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (ValueError, SyntaxError, RecursionError):
        return  # the script's own failure
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _cells(notebook: str) -> Sequence[str]:
    """Return the code of each cell of a notebook, without the commands of IPython.

    Source of the format: https://nbformat.readthedocs.io/en/latest/format_description.html
    """
    content = json.loads(notebook)
    cells = content.get("cells") if isinstance(content, dict) else None
    found = []
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source")
            lines = source if isinstance(source, list) else [source]
            text = "".join(line for line in lines if isinstance(line, str))
            found.append(_COMMAND.sub(r"\1pass", text))
    return found


_COMMAND: Final = re.compile(r"^([ \t]*)[%!].*", re.MULTILINE)
_READERS: Final[Mapping[str, Callable[[str], Sequence[str]]]] = {
    ".py": lambda text: [text],
    ".ipynb": _cells,
}


# --- The packages of this machine. ---


@dataclass(frozen=True, slots=True)
class _Package:
    """An installed package. Reading its folder is many times faster than `importlib.metadata`.

    Source of the files: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """

    metadata: Path

    @property
    def name(self) -> str:
        return normalized(self.metadata.stem.rpartition("-")[0])

    def files(self) -> Iterator[PurePath]:
        """Yield its files below its site-packages."""
        with contextlib.suppress(OSError):
            with (self.metadata / "RECORD").open(encoding="utf-8", newline="") as record:
                files = [PurePath(row[0]) for row in csv.reader(record) if row]
            yield from (file for file in files if not file.is_absolute() and ".." not in file.parts)

    def requires(self) -> Iterator[str]:
        """Yield the names of the packages that it needs without extras."""
        with contextlib.suppress(OSError):
            text = (self.metadata / "METADATA").read_text(encoding="utf-8")
            for line in text.partition("\n\n")[0].splitlines():
                header, _, requirement = line.partition(": ")
                match = _REQUIREMENT.match(requirement)
                if header == "Requires-Dist" and match and not _EXTRA.search(requirement):
                    yield normalized(match[0])


def _installed(folders: Sequence[Path]) -> Mapping[str, _Package]:
    found = (_Package(path) for folder in folders for path in folder.glob("*.dist-info"))
    return {package.name: package for package in found}


def _available(image: Image, installed: Mapping[str, _Package]) -> frozenset[str]:
    """Return the names of the packages that are in an image, and of their dependencies."""
    waiting = [name for name in image.distributions if name in installed]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [each for each in installed[name].requires() if each in installed]
    return frozenset(found)


def _link(image: Image, target: Path) -> None:
    """Link this machine's packages of an image into a folder."""
    folders = [Path(path) for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    installed = _installed(folders)
    names = _available(image, installed)
    others: dict[str, list[PurePath]] = {}
    for name in installed.keys() - names:
        for file in installed[name].files():
            others.setdefault(file.parts[0], []).append(file)
    for name in names:
        origin = installed[name].metadata.parent
        for file in installed[name].files():
            _link_file(origin, file, others.get(file.parts[0], ()), target)


def _link_file(origin: Path, file: PurePath, others: Sequence[PurePath], target: Path) -> None:
    """Link the largest folder around a file that has no file of another package, or the file."""
    for depth in range(1, len(file.parts) + 1):
        part = PurePath(*file.parts[:depth])
        link = target / part
        if depth < len(file.parts) and any(other.is_relative_to(part) for other in others):
            link.mkdir(exist_ok=True)
            continue
        if not link.is_symlink() and (origin / part).exists():
            link.symlink_to(origin / part)
        return


def _site_packages(folder: Path, version: tuple[int, int]) -> Path:
    major, minor = version
    return folder / "lib" / f"python{major}.{minor}" / "site-packages"


def uv_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that uv and pip need: settings, paths and proxies."""
    own = {
        name: value
        for name, value in environment.items()
        if name.startswith(("UV_", "LC_"))
        or name in {"HOME", "PATH", "LANG", "TMPDIR", "XDG_CACHE_HOME"}
    }
    return own | pip_variables(environment)


def pip_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that pip needs: its settings, such as the index, and proxies."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("PIP_", "SSL_"))
        or name.upper().endswith("_PROXY")
        or name == "REQUESTS_CA_BUNDLE"
    }


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of built environments, which outlive a local AWS; None if there is none.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/, which ignores relative
    paths.
    """
    cache, home = Path(environment.get("XDG_CACHE_HOME", "")), Path(environment.get("HOME", ""))
    if not cache.is_absolute():
        cache = home / ".cache"
    return cache / "cdk-braket-local" / "environments" if cache.is_absolute() else None
