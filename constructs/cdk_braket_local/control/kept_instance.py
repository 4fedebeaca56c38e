"""A local AWS that is kept running between commands, for `up`, `down`, `status` and `env`.

A keeper process holds it, and with it a lock on a file in the state directory. That lock, not a
process id, says whether it runs: the system frees it however the keeper ends.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdk_braket_local import processes
from cdk_braket_local.control import foreground_command, temporary_instance
from cdk_braket_local.ministack_adapter.environment import taken_over

# How long the keeper may take to stop its local AWS before it is killed.
STOP_SECONDS = 30.0


class KeptError(Exception):
    """A local AWS cannot be kept, found or stopped; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Description:
    """A running local AWS.

    Attributes:
        keeper: The id of the process that holds it.
        started: When it was started, in seconds since the epoch.
        environment: What it wants set in a command's environment. It holds credentials, if only
            local ones.
    """

    keeper: int
    started: float
    environment: Mapping[str, str] = field(repr=False)

    @property
    def endpoint_url(self) -> str:
        """Where it answers."""
        return self.environment["AWS_ENDPOINT_URL"]


class Place:
    """A state directory, in which at most one local AWS is kept.

    Args:
        directory: The state directory; `start` makes it, `stop` removes it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "log"
        self._lock = self.directory / "lock"
        self._description = self.directory / "local-aws.json"
        self._data = self.directory / "data"
        self._ignored = self.directory / ".gitignore"

    def describe(self) -> Description | None:
        """The local AWS that runs here, or None."""
        if not self._is_held():
            return None
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Description(**json.loads(self._description.read_text(encoding="utf-8")))
        return None

    def has_remains(self) -> bool:
        """Whether a local AWS ended here without being stopped."""
        return self._lock.exists() and not self._is_held()

    def start(self, port: int | None) -> Description:
        """Start a local AWS here, afresh, and leave it running.

        Args:
            port: The port it listens on; by default a free one.

        Raises:
            KeptError: It did not start.
        """
        with self._claimed() as lock:
            problem = self._start_keeper(lock, port)
        if problem:
            with contextlib.suppress(KeptError):
                self._clear()
            raise KeptError(problem)
        description = self.describe()
        if description is None:
            raise KeptError(f"the local AWS ended as soon as it had started; see {self.log}")
        return description

    def stop(self) -> bool:
        """Stop the local AWS that runs here and remove its state; whether there was one.

        Raises:
            KeptError: It is being started or stopped by another command.
        """
        description = self.describe()
        if description is None and not self.has_remains():
            if self._is_held():
                raise KeptError("the local AWS here is being started or stopped; try again")
            return False
        if description is not None:
            self._end_keeper(description.keeper)
        self._clear()
        return description is not None

    def _start_keeper(self, lock: int, port: int | None) -> str:
        """Start the keeper and wait for its word; the problem there was, or nothing."""
        arguments = [str(self.directory), str(port or 0), str(lock)]
        with temporary_instance.private_file(self.log) as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "cdk_braket_local.control.kept_instance", *arguments],
                env=taken_over(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=[lock],
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
        # It goes on without us; Python would warn of a child that was not waited for.
        keeper.returncode = 0
        return ""

    def keep(self, port: int | None, lock: int) -> int:
        """Hold a local AWS until a signal ends it; this is the keeper process.

        Its one line of output is that it is ready, or what went wrong. Having the file open that
        the starting process locked is what holds the lock.
        """
        os.set_inheritable(lock, False)
        try:
            with (
                foreground_command.stopped_by_signals(),
                temporary_instance.local_aws(self._data, port) as aws,
            ):
                description = Description(os.getpid(), time.time(), dict(aws.environment))
                _write_private(self._description, json.dumps(asdict(description)))
                _say(_READY)
                aws.wait()
                return 1  # it has ended without our doing
        except temporary_instance.NotOpenedError as error:
            _say(f"{error}\n")
            return 1
        except foreground_command.Stopped:
            return 0

    def _end_keeper(self, keeper: int) -> None:
        # The first is a request. The local AWS itself ends with its keeper, however that ends.
        for signum, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(keeper, signum)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not self._is_held():
                    return
                time.sleep(0.05)
        raise KeptError(f"the local AWS does not end (process {keeper})")

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[int]:
        """Hold the lock of a state directory that is empty but for what we need."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._lock.exists() and any(self.directory.iterdir()):
                raise KeptError(f"{self.directory} is not empty, and not a state directory of ours")
            # It may have been there before.
            self.directory.chmod(0o700)
            lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise KeptError(
                f"{self.directory} cannot be the state directory: {error.strerror}"
            ) from error
        try:
            if not _try_lock(lock, fcntl.LOCK_EX):
                raise KeptError("another command is starting or stopping the local AWS here")
            self._clear_contents()
            # Other people's projects need not know of it.
            self._ignored.write_text("*\n", encoding="ascii")
            yield lock
        finally:
            os.close(lock)

    def _clear(self) -> None:
        self._clear_contents()
        self._ignored.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        self._lock.unlink(missing_ok=True)
        # What is not ours stays, and the directory with it.
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def _clear_contents(self) -> None:
        self._description.unlink(missing_ok=True)
        # Jobs of a server that was killed here.
        processes.kill_marked(self._data, 5.0)
        shutil.rmtree(self._data, ignore_errors=True)

    def _is_held(self) -> bool:
        try:
            lock = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)


_READY = "ready\n"


def _try_lock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
        file.write(text)


def _say(line: str) -> None:
    """Say the one line, then leave the pipe: its reader must not wait for us."""
    sys.stdout.write(line)
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


if __name__ == "__main__":
    sys.exit(Place(Path(sys.argv[1])).keep(int(sys.argv[2]) or None, int(sys.argv[3])))
