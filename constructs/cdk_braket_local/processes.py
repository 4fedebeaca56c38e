"""Finds and ends the processes that a local AWS started: none of them must outlive it.

A process can leave its process group, and its session, but not its ancestors. The process that
called `adopt_orphans` is the parent of each descendant whose own parent has ended. When that one is
killed as well, its descendants are known by the mark that each has inherited in its environment.
Linux only, as the local AWS is.
"""

import contextlib
import ctypes
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
# Source: prctl(2).
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Of what follows the name in /proc/<id>/stat. Source: proc(5), field 22.
_START_TIME = 19
_HELD_AT_ONCE = 256
_MARK = "CDK_BRAKET_LOCAL_JOB"


def adopt_orphans() -> None:
    """Adopt descendants whose parent has ended, in place of the system's first process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def wake_at_end_of_parent() -> None:
    """Be continued when our parent ends, so that we see it even if somebody has halted us."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def mark(folder: Path) -> dict[str, str]:
    """The variable that marks a process, and all that it starts, as those of a folder."""
    return {_MARK: str(folder)}


def others(group: int) -> set[int]:
    """The ids of the living processes of a group, without our own and without zombies."""
    return {each.id for each in _processes() if each.group == group} - {os.getpid()}


def descendants(ancestor: int) -> set[int]:
    """The ids of the living processes that a process has started, or that those have."""
    children: dict[int, list[int]] = {}
    for each in _processes():
        children.setdefault(each.parent, []).append(each.id)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        born = children.get(waiting.pop(), [])
        found.update(born)
        waiting += born
    return found


def end_others(group: int, grace: float) -> None:
    """End every process of a group but our own, and every descendant of ours; wait for their end.

    Args:
        group: The process group.
        grace: The seconds that they get between SIGTERM and SIGKILL.
    """

    def left() -> set[int]:
        return others(group) | descendants(os.getpid())

    _signal(left, signal.SIGTERM)
    if not _happens(lambda: not left(), grace):
        _kill(left, grace)


def kill_descendants(ancestor: int, seconds: float) -> None:
    """Kill every descendant of a process, also those just being born, and wait for their end.

    Args:
        ancestor: The process.
        seconds: The longest time to go on with it.
    """
    _kill(lambda: descendants(ancestor), seconds)


def kill_marked(folder: Path, seconds: float) -> None:
    """Kill every process that is marked with a folder or one below it, and wait for their end.

    Args:
        folder: The folder.
        seconds: The longest time to go on with it.
    """
    _kill(lambda: _marked(folder), seconds)


def start_time(process: int) -> int:
    """Return when a process was started, in clock ticks since the machine was; 0 if it is gone."""
    try:
        return int(_stat(_PROC / str(process))[_START_TIME])
    except (OSError, ValueError, IndexError):
        return 0


def has_open(process: int, descriptor: int) -> bool:
    """Return whether a process has the file or folder open that a descriptor of ours refers to."""
    wanted = os.fstat(descriptor)
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(process) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.path.samestat(entry.stat(), wanted):
                    return True
    return False


def send(process: int, number: signal.Signals, *, only_if: Callable[[], bool]) -> bool:
    """Send a signal to a process, if it is the right one.

    Args:
        process: Its id, which another process may have by now.
        number: The signal.
        only_if: Whether the process that has the id now is the right one.

    Returns:
        Whether the signal was sent.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError), _held(process) as held:
        if only_if():
            _send(process, held, number)
            return True
    return False


@contextlib.contextmanager
def _held(process: int) -> Iterator[int | None]:
    """Hold a process by a descriptor, which, unlike its id, refers to one process for good.

    Yields None where the system has no such descriptors, or there are too many.
    """
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        raise
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _send(process: int, held: int | None, number: signal.Signals) -> None:
    if held is None:
        os.kill(process, number)
    else:
        signal.pidfd_send_signal(held, number)


def _marked(folder: Path) -> set[int]:
    start = os.fsencode(f"{_MARK}={folder}")
    return {
        each.id
        for each in _processes()
        if each.id != os.getpid()
        and any(value == start or value.startswith(start + b"/") for value in _variables(each.id))
    }


def _variables(process: int) -> list[bytes]:
    """The variables of a process; none where we may not read them."""
    try:
        return (_PROC / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _kill(left: Callable[[], set[int]], seconds: float) -> None:
    def are_gone() -> bool:
        return not _signal(left, signal.SIGKILL)

    _happens(are_gone, seconds)


def _signal(look: Callable[[], set[int]], number: signal.Signals) -> set[int]:
    """Send a signal to the processes that a look finds; return their ids.

    Between two looks an id can pass to another process. Only a process that a second look finds
    again, while the process is held, gets the signal.
    """
    with contextlib.ExitStack() as stack:
        held = {}
        # The rest is found again: each of them takes a descriptor.
        for process in itertools.islice(look(), _HELD_AT_ONCE):
            with contextlib.suppress(ProcessLookupError):
                held[process] = stack.enter_context(_held(process))
        found = look() if held else set()
        for process in found & held.keys():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                _send(process, held[process], number)
    return found


def _happens(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class _Process(NamedTuple):
    id: int
    parent: int
    group: int


def _processes() -> Iterator[_Process]:
    """All living processes of the machine; zombies, which hold nothing, do not count."""
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        # It may end while we read.
        with contextlib.suppress(OSError):
            state, parent, group = _stat(entry)[:3]
            if state != "Z":
                yield _Process(int(entry.name), int(parent), int(group))


def _stat(entry: Path) -> list[str]:
    """Return the fields of a process that follow its name."""
    # The name, in parentheses, may itself hold parentheses and spaces.
    return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
