"""Child processes that end with us, whatever ends us. Standard library only."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a child gets to clean up before it is killed.
GRACE_SECONDS = 20.0


class Stopped(BaseException):
    """The user or the system asked us to stop.

    Attributes:
        exit_code: 128 plus the signal's number, as shells report it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


def raise_stopped_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into `Stopped` in the main thread.

    A signal that our parent had us ignore (`nohup`) stays ignored, except SIGINT: shells make
    background jobs ignore it, and a test that sends it means it.
    """

    def stop(signum: int, _frame: FrameType | None) -> None:
        raise Stopped(signum)

    for signum in STOP_SIGNALS:
        if signum == signal.SIGINT or signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, stop)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> int:
    """Run a command in a process group of its own and wait for it.

    Args:
        command: The command and its arguments.
        cwd: Where it runs.
        environment: Its whole environment; by default ours.
        output: Where its output and errors go; by default where ours go.
        meanwhile: Called about once a second until the command has ended.

    Returns:
        The exit code, as shells report it: 128 plus the number for a signal.

    Raises:
        Stopped: We were asked to stop; the whole group has ended by then.
        OSError: The command could not be started.
    """
    with _signals_held_back():
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
            preexec_fn=_let_signals_through,  # noqa: PLW1509 - we have one thread
        )
        try:
            _let_signals_through()
            code = _wait(process, meanwhile or (lambda: None))
        except BaseException:
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            _end_group(process)
            raise
    return code if code >= 0 else 128 - code


def _wait(process: subprocess.Popen[bytes], meanwhile: Callable[[], None]) -> int:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(1)
        meanwhile()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    # Not SIGINT, which makes a Python program show where it was.
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold stop signals back while a child starts (it could be lost) or is being ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        _let_signals_through()


def _let_signals_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
