"""Finds and ends the processes of a process group: what a local AWS started must not outlive it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")


def others(group: int) -> set[int]:
    """The ids of the living processes of a group, without our own and without zombies."""
    found = _from_proc(group) if (_PROC / "self" / "stat").exists() else _from_ps(group)
    return found - {os.getpid()}


def end_others(group: int, grace: float) -> None:
    """End every process of a group but our own, and wait until they are gone.

    Args:
        group: The process group.
        grace: The seconds that they get between SIGTERM and SIGKILL.
    """
    _signal(others(group), signal.SIGTERM)
    if _happens(lambda: not others(group), grace):
        return
    _signal(others(group), signal.SIGKILL)
    _happens(lambda: not others(group), grace)


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


def _from_proc(group: int) -> set[int]:
    found = set()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        # It may end while we read.
        with contextlib.suppress(OSError):
            # The name, in parentheses, may itself hold parentheses and spaces.
            state, _parent, process_group = (
                (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
            )
            if int(process_group) == group and state != "Z":
                found.add(int(entry.name))
    return found


def _from_ps(group: int) -> set[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,state="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return {int(row[0]) for row in rows if int(row[1]) == group and row[2][0] != "Z"}
