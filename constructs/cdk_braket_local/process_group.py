"""Finds and ends the processes that a local AWS started: none of them must outlive it.

A process can leave its process group, and its session, but not its ancestors: what `adopt_orphans`
was called in is the parent of every descendant whose own parent has ended. Linux only, as the local
AWS is.
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
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent has ended, in place of the system's first."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


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
