"""Opens a local AWS for the command line: every reason why it cannot is one line for the user."""

import contextlib
import importlib.util
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_client import installation
from cdk_braket_local import processes
from cdk_braket_local.control import foreground_command
from cdk_braket_local.files import FolderError, OwnedFolder

if TYPE_CHECKING:
    from cdk_braket_local.control.instance import LocalAws

_PREFIX = "cdk-braket-local-"
_STATE = "aws"
# What processes of a killed one get to be gone.
_KILL_SECONDS = 5.0
_NEEDED = ("ministack", "hypercorn", "braket")


class NotOpenedError(Exception):
    """A local AWS could not be started; the message is one line for the user."""


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
        command = installation.install_command("local")
        raise NotOpenedError(f"the local AWS is not installed; run: {command}")
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
    """Have a local AWS whose state is deleted with it, and so is the state of killed ones.

    Args:
        port: The port it listens on, on 127.0.0.1; by default a free one.
        within: The directory for its temporary one; by default the system's.

    Yields:
        The local AWS, and its temporary directory, with room for more files.

    Raises:
        NotOpenedError: It could not be started. If the message names a log, the log is there,
            until the next one is opened.
    """
    folder = _temporary_folder(within)
    keep = False
    try:
        with local_aws(folder.path / _STATE, port) as aws:
            yield aws, folder.path
    except NotOpenedError as error:
        keep = str(folder.path) in str(error)
        raise
    finally:
        if not keep:
            with foreground_command.undisturbed():
                _remove(folder)
        folder.close()


def _temporary_folder(within: Path | None) -> OwnedFolder:
    """Create a folder, locked, which keeps others from sweeping it away."""
    parent = Path(within or tempfile.gettempdir())
    _sweep(parent)
    while True:
        try:
            folder = OwnedFolder.claim(parent / f"{_PREFIX}{secrets.token_hex(4)}")
        except FolderError as error:
            raise NotOpenedError(str(error)) from error
        # Another may just have swept it, before it was locked.
        if folder.lock() and folder.path.exists():
            return folder
        folder.close()


def _sweep(parent: Path) -> None:
    """Remove the folders of local AWSs that were killed; those of living ones are locked."""
    for path in parent.glob(f"{_PREFIX}*"):
        folder = OwnedFolder.find(path)
        if folder is None:
            continue
        with folder:
            if folder.lock() and not _has_living_server(folder):
                processes.kill_marked(folder.path, _KILL_SECONDS)
                _remove(folder)


def _has_living_server(folder: OwnedFolder) -> bool:
    """Whether the server, which ends a little after the command that it was for, still runs."""
    state = OwnedFolder.find(folder.path / _STATE)
    if state is None:
        return False
    with state:
        return not state.lock()


def _remove(folder: OwnedFolder) -> None:
    try:
        folder.remove(folder.names())
        folder.give_up()
    except (FolderError, OSError) as error:
        sys.stderr.write(f"cdk-braket-local: {error}\n")
