"""A local AWS that is kept running between commands, for `up`, `down`, `status` and `env`.

A keeper process holds it, and with it a lock on the state directory. That lock, not a process id,
shows whether it runs: the system frees it however the keeper ends.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdk_braket_local import processes
from cdk_braket_local.control import foreground_command, temporary_instance
from cdk_braket_local.files import FolderError, OwnedFolder
from cdk_braket_local.ministack_adapter.environment import inherited
from cdk_braket_local.settings import given

# How long the keeper may take to stop its local AWS before it is killed.
STOP_SECONDS = 30.0


class KeptError(Exception):
    """A local AWS cannot be kept, found or stopped; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Description:
    """A running local AWS.

    Attributes:
        keeper: The id of the process that holds it.
        born: When that process was started, in clock ticks since the machine was: an id is used
            again.
        started: When it was started, in seconds since the epoch.
        environment: The variables for a command that uses it. It holds credentials, if only
            local ones.
        settings: The variables with its settings, as far as they were set.
    """

    keeper: int
    born: int
    started: float
    environment: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint_url(self) -> str:
        """Where it answers."""
        return self.environment["AWS_ENDPOINT_URL"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A local AWS that was stopped.

    Attributes:
        was_running: Whether it ran until then; otherwise it had ended before.
        left: The names of files in the state directory that are not ours, and so stay.
    """

    was_running: bool
    left: tuple[str, ...]


class Place:
    """A state directory, in which at most one local AWS is kept.

    Args:
        directory: The state directory; `start` creates it, `stop` removes it.

    Attributes:
        directory: The same, absolute.
        log: The log of the local AWS.
        scratch: A folder for files of commands that prepare the local AWS.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / _LOG
        self.scratch = self.directory / _SCRATCH

    def describe(self) -> Description | None:
        """Return the local AWS that runs here, or None."""
        with _found(self.directory) as folder:
            return _description(folder) if folder and _is_held(folder) else None

    def has_remains(self) -> bool:
        """Return whether a local AWS ended here without being stopped."""
        with _found(self.directory) as folder:
            return bool(folder and folder.names().intersection(_OURS) and not _is_held(folder))

    def start(self, port: int | None) -> Description:
        """Start a local AWS here, afresh, and leave it running.

        Args:
            port: The port it listens on; by default a free one.

        Raises:
            KeptError: It did not start.
        """
        with _claimed(self.directory) as folder:
            try:
                problem = self._start_keeper(folder, port)
            except BaseException:
                with foreground_command.undisturbed():
                    _clear(folder)
                raise
            # A log that the message names stays, until the next one is started.
            if problem and str(self.directory) not in problem:
                _clear(folder)
        if problem:
            raise KeptError(problem)
        description = self.describe()
        if description is None:
            raise KeptError(f"the local AWS ended as soon as it had started; see {self.log}")
        return description

    def stop(self) -> Stopped | None:
        """Stop the local AWS that runs here and remove its state; None if there is none.

        Raises:
            KeptError: It is being started or stopped by another command, or the process that holds
                it is not ours, or something could not be removed.
        """
        with _found(self.directory) as folder:
            if folder is None:
                return None
            was_running = _is_held(folder)
            if was_running:
                self._end_keeper(folder)
            if not folder.lock():
                raise KeptError(_BUSY)
            if not was_running and not folder.names().intersection(_OURS):
                return None
            _clear(folder)
            return Stopped(was_running, tuple(sorted(folder.names())))

    def _start_keeper(self, folder: OwnedFolder, port: int | None) -> str:
        """Start the keeper and wait for its word; the problem there was, or nothing."""
        arguments = [str(self.directory), str(port or 0), str(folder.descriptor)]
        with folder.create(_LOG) as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "cdk_braket_local.control.kept_instance", *arguments],
                env=inherited(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=[folder.descriptor],
                start_new_session=True,
            )
        try:
            answer = keeper.stdout.readline() if keeper.stdout else ""
        except BaseException:
            with foreground_command.undisturbed():
                keeper.terminate()
                keeper.wait()
            raise
        finally:
            if keeper.stdout:
                keeper.stdout.close()
        if answer != _READY:
            keeper.wait()
            return answer.strip() or f"the local AWS ended while it started; see {self.log}"
        # It outlives this process; Python would warn of a child that was not waited for.
        keeper.returncode = 0
        return ""

    def keep(self, port: int | None, descriptor: int) -> int:
        """Hold a local AWS until a signal ends it; this is the keeper process.

        Its one line of output is that it is ready, or the reason why it is not. It holds the lock
        by having the folder open that the starting process locked.
        """
        os.set_inheritable(descriptor, False)
        folder = OwnedFolder(self.directory, descriptor)
        try:
            with (
                foreground_command.stopped_by_signals(),
                temporary_instance.local_aws(self.directory / _DATA, port) as aws,
            ):
                born = processes.start_time(os.getpid())
                description = Description(
                    os.getpid(), born, time.time(), dict(aws.environment), given(os.environ)
                )
                with folder.create(_DESCRIPTION) as file:
                    file.write(json.dumps(asdict(description)).encode())
                _report(_READY)
                aws.wait()
                return 1  # it has ended without our doing
        except temporary_instance.NotOpenedError as error:
            _report(f"{error}\n")
            return 1
        except foreground_command.Stopped:
            return 0

    def _end_keeper(self, folder: OwnedFolder) -> None:
        description = _description(folder)
        if description is None:
            raise KeptError(_BUSY)
        keeper = description.keeper

        def is_ours() -> bool:
            started = processes.start_time(keeper)
            return started == description.born and processes.has_open(keeper, folder.descriptor)

        # The first is a request. The local AWS itself ends with its keeper, however that ends.
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
            if not processes.send(keeper, number, only_if=is_ours) and _is_held(folder):
                raise KeptError(
                    f"process {keeper} is not the one that holds the local AWS in "
                    f"{self.directory}, and is left alone. Stop the process that has the folder "
                    f"open, then run `down` again."
                )
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not _is_held(folder):
                    return
                time.sleep(0.05)
        raise KeptError(f"the local AWS does not end (process {keeper})")


_READY = "ready\n"
_BUSY = "another command is starting or stopping the local AWS here; try again"

_LOG = "log"
_DESCRIPTION = "local-aws.json"
_DATA = "data"
_SCRATCH = "scratch"
_IGNORED = ".gitignore"
# All that is written in a state directory; `stop` removes this and nothing else.
_OURS = (_DESCRIPTION, _DATA, _SCRATCH, _LOG, _IGNORED)


@contextlib.contextmanager
def _found(directory: Path) -> Iterator[OwnedFolder | None]:
    folder = OwnedFolder.find(directory)
    if folder is None:
        yield None
        return
    with folder:
        yield folder


@contextlib.contextmanager
def _claimed(directory: Path) -> Iterator[OwnedFolder]:
    """Hold the lock of a state directory that is empty but for the files we need."""
    try:
        folder = OwnedFolder.claim(directory)
    except FolderError as error:
        raise KeptError(str(error)) from error
    with folder:
        if not folder.lock():
            raise KeptError(_BUSY)
        _remove_ours(folder)
        # Other people's projects need not know of it.
        with folder.create(_IGNORED) as file:
            file.write(b"*\n")
        folder.create_folders([_SCRATCH])
        yield folder


def _clear(folder: OwnedFolder) -> None:
    """Remove our files, and the folder; files of others stay, and the folder with them."""
    _remove_ours(folder)
    folder.give_up()


def _remove_ours(folder: OwnedFolder) -> None:
    # Jobs of a server that was killed here.
    processes.kill_marked(folder.path / _DATA, 5.0)
    try:
        folder.remove(_OURS)
    except (FolderError, OSError) as error:
        raise KeptError(str(error)) from error


def _description(folder: OwnedFolder) -> Description | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Description(**json.loads(folder.read(_DESCRIPTION)))
    return None


def _is_held(folder: OwnedFolder) -> bool:
    """Return whether another process has locked the folder. A copy of the lock is not ours."""
    other = OwnedFolder.find(folder.path)
    if other is None:
        return False
    with other:
        return not other.lock(fcntl.LOCK_SH)


def _report(line: str) -> None:
    """Report the one line, then close the pipe: its reader must not wait for us."""
    sys.stdout.write(line)
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(Place(Path(sys.argv[1])).keep(int(sys.argv[2]) or None, int(sys.argv[3])))
