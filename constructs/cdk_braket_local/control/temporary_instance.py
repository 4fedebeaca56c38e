"""Opens a local AWS for the command line: every reason why it cannot is one line for the user."""

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cdk_braket_local import processes
from cdk_braket_local.control import foreground_command

if TYPE_CHECKING:
    from cdk_braket_local.control.instance import LocalAws

_DISTRIBUTION = "cdk-braket"
_PREFIX = "cdk-braket-local-"
_LOCK = ".cdk-braket-local-lock"
_STATE = "aws"
# What processes of a killed one get to be gone.
_KILL_SECONDS = 5.0
_NEEDED = ("ministack", "hypercorn", "braket")


class NotOpenedError(Exception):
    """A local AWS could not be started; the message is one line for the user."""


def install_command() -> str:
    """Return the command that installs the extra from where this package was installed from."""
    requirement = f"{_DISTRIBUTION}[local]"
    with contextlib.suppress(metadata.PackageNotFoundError):
        # Absent if it came from an index. Source:
        # https://packaging.python.org/en/latest/specifications/direct-url/
        text = metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
        origin = json.loads(text) if text else {}
        vcs = origin.get("vcs_info")
        if vcs:
            requirement += f" @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
        elif origin:
            requirement += f" @ {origin['url']}"
    return f'pip install "{requirement}"'


@contextlib.contextmanager
def local_aws(state_directory: Path, port: int | None) -> Iterator["LocalAws"]:
    """Have a local AWS for the length of a `with` block.

    Args:
        state_directory: Where it keeps its state.
        port: The port it listens on, on 127.0.0.1; by default a free one.

    Yields:
        The local AWS, answering.

    Raises:
        NotOpenedError: It could not be started.
    """
    if not all(importlib.util.find_spec(name) for name in _NEEDED):
        raise NotOpenedError(f"the local AWS is not installed; run: {install_command()}")
    # Only now: without the extra, `--help` and this message must still work.
    from cdk_braket_local.control.instance import LocalAws, LocalAwsError  # noqa: PLC0415

    try:
        aws = LocalAws.start(state_directory, port=port)
    except LocalAwsError as error:
        raise NotOpenedError(str(error)) from error
    try:
        yield aws
    finally:
        with foreground_command.undisturbed():
            aws.stop()


@contextlib.contextmanager
def fresh_local_aws(
    port: int | None = None, within: Path | None = None
) -> Iterator[tuple["LocalAws", Path]]:
    """Have a local AWS whose state is thrown away with it, and what killed ones left.

    Args:
        port: The port it listens on, on 127.0.0.1; by default a free one.
        within: The directory for its temporary one; by default the system's.

    Yields:
        The local AWS, and its temporary directory, with room for more files.

    Raises:
        NotOpenedError: It could not be started. If the message names a log, the log is there,
            until the next one is opened.
    """
    directory, lock = _temporary_directory(within)
    keep = False
    try:
        with local_aws(directory / _STATE, port) as aws:
            yield aws, directory
    except NotOpenedError as error:
        keep = str(directory) in str(error)
        raise
    finally:
        if not keep:
            with foreground_command.undisturbed():
                shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def private_file(path: Path) -> IO[bytes]:
    """Open a new file for writing that its user alone can read, whatever the umask."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _temporary_directory(within: Path | None) -> tuple[Path, int]:
    """Make a directory, with the lock in it that keeps others from sweeping it away."""
    parent = Path(within or tempfile.gettempdir())
    _sweep(parent)
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        (directory / _LOCK).touch(mode=0o600)
        lock = _locked(directory / _LOCK)
        # Another may just have swept it, before it was locked.
        if lock is not None and directory.exists():
            return directory, lock


def _sweep(parent: Path) -> None:
    """Remove the directories of local AWSs that were killed; those of living ones are locked."""
    for directory in parent.glob(f"{_PREFIX}*"):
        lock = _locked(directory / _LOCK)
        if lock is None:
            continue
        state = _locked(directory / _STATE)
        # The server ends a little after the command that it was for.
        if state is not None or not (directory / _STATE).exists():
            processes.kill_marked(directory, _KILL_SECONDS)
            shutil.rmtree(directory, ignore_errors=True)
        for descriptor in filter(None, (lock, state)):
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Lock a file or folder of this user's, unless it is locked, another's, or a link."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(BlockingIOError):
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    os.close(lock)
    return None
