"""Finds and ends the processes that a local AWS started: none of them must outlive it.

A process can leave its process group, and its session, but not its ancestors: what `adopt_orphans`
was called in is the parent of every descendant whose own parent has ended. When that one is killed
as well, its descendants are known by the mark that each has inherited in its environment. Linux
only, as the local AWS is.
"""

import contextlib
import ctypes
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
_MARK = "CDK_BRAKET_LOCAL_JOB"


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent has ended, in place of the system's first."""
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

    _signal(left(), signal.SIGTERM)
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


def _marked(folder: Path) -> set[int]:
    start = os.fsencode(f"{_MARK}={folder}")
    return {
        each.id
        for each in _processes()
        if each.id != os.getpid()
        and any(value == start or value.startswith(start + b"/") for value in _variables(each.id))
    }


def _variables(process: int) -> list[bytes]:
    """What a process was started with; nothing where we may not know it."""
    try:
        return (_PROC / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _kill(left: Callable[[], set[int]], seconds: float) -> None:
    def are_gone() -> bool:
        found = left()
        _signal(found, signal.SIGKILL)
        return not found

    _happens(are_gone, seconds)


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


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
            # The name, in parentheses, may itself hold parentheses and spaces.
            state, parent, group = (
                (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
            )
            if state != "Z":
                yield _Process(int(entry.name), int(parent), int(group))
