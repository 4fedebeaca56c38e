"""Runs commands as if the user's shell had started them, and outlives them."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long a command may take to end after SIGTERM or SIGHUP.
GRACE_SECONDS = 20.0
COMMAND_NOT_FOUND = 127
COMMAND_NOT_EXECUTABLE = 126


class Stopped(BaseException):
    """A signal stopped us while no command of the user was running.

    Attributes:
        exit_code: 128 plus the signal's number, as shells report it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread for SIGINT, SIGTERM and SIGHUP."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        raise Stopped(signum)

    with _handling(stop):
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold signals back, for cleaning up: they arrive when it is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command of the user to its end.

    In a terminal the command shares our place in it, so that shells and prompts work, and Ctrl-C
    reaches it from the terminal. Elsewhere it gets a new process group, signals are passed on,
    and processes that it leaves in that group are ended.

    Args:
        command: The program and its arguments.
        environment: Its whole environment; the program is searched on the PATH in it.

    Returns:
        Its exit code, or 128 plus the number of the signal that ended it. 127 if there is no such
        program, 126 if the file cannot be executed.
    """
    return _run(command, environment, _Step())[0]


def run_step(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    directory: Path,
    output: IO[bytes] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Run a command that is one step of a larger task, without a keyboard.

    It gets a new process group, and SIGTERM for each signal: on SIGINT, a Python program shows a
    traceback.

    Args:
        command: The program and its arguments.
        environment: Its whole environment; the program is searched on the PATH in it.
        directory: The folder that it runs in.
        output: The file for its output and errors. Default: ours.
        meanwhile: Called about once a second until the command has ended.

    Returns:
        Its exit code, as from `run`.

    Raises:
        Stopped: A signal stopped us. The command has ended by then.
    """
    step = _Step(directory, output, subprocess.DEVNULL, meanwhile)
    code, signum = _run(list(map(str, command)), environment, step)
    if signum:
        raise Stopped(signum)
    return code


class _Step(NamedTuple):
    directory: Path | None = None
    output: IO[bytes] | None = None
    stdin: int | None = None
    meanwhile: Callable[[], None] = lambda: None


def _run(
    command: Sequence[str], environment: Mapping[str, str], step: _Step
) -> tuple[int, int | None]:
    """Return the exit code of a command, and the signal that we received meanwhile."""
    is_step = step.stdin is not None
    in_terminal = not is_step and _owns_terminal()
    child: subprocess.Popen[bytes] | None = None
    received: int | None = None
    deadline = math.inf

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        nonlocal deadline, received
        received = signum
        # A shell or a prompt of the user continues after Ctrl-C.
        if signum != signal.SIGINT or is_step:
            deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
        if child is not None and not (in_terminal and signum == signal.SIGINT):
            _send(child, signal.SIGTERM if is_step else signum, to_group=not in_terminal)

    # Signals are held back until there is a child to pass them on to.
    with undisturbed(), _handling(pass_on):
        try:
            child = _start(command, environment, step, in_terminal=in_terminal)
        except FileNotFoundError:
            return COMMAND_NOT_FOUND, None
        except OSError:
            return COMMAND_NOT_EXECUTABLE, None
        try:
            _let_signals_through()
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(1.0)
                step.meanwhile()
                if time.monotonic() > deadline:
                    _send(child, signal.SIGKILL, to_group=not in_terminal)
        finally:
            # Also if `meanwhile` raises an error. Otherwise the command would keep running.
            if not in_terminal:
                _end_group(child.pid)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode, received


def _start(
    command: Sequence[str],
    environment: Mapping[str, str],
    step: _Step,
    *,
    in_terminal: bool,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=step.directory,
        stdin=step.stdin,
        stdout=step.output,
        stderr=subprocess.STDOUT if step.output else None,
        process_group=None if in_terminal else 0,
        preexec_fn=_let_signals_through,  # noqa: PLW1509 - the CLI has one thread
    )


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # A signal that we inherit as ignored (`nohup`) stays ignored, except SIGINT: shells ignore it
    # for background jobs, and a test that sends it means it.
    before = {
        signum: signal.signal(signum, handler)
        for signum in STOP_SIGNALS
        if signum == signal.SIGINT or signal.getsignal(signum) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for signum, earlier in before.items():
            signal.signal(signum, earlier)


def _let_signals_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _owns_terminal() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def _send(child: subprocess.Popen[bytes], signum: int, *, to_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if to_group:
            os.killpg(child.pid, signum)
        else:
            child.send_signal(signum)


def _end_group(group: int) -> None:
    """End the processes that a command has left in its process group; as a rule, none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        for _ in range(40):
            time.sleep(0.05)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
