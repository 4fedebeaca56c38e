"""Starts a tool so that Ctrl-C is quiet from the first moment, imports included."""

import importlib
import signal
import sys
from collections.abc import Sequence


def start(module: str, arguments: Sequence[str]) -> int:
    """Run the `main` of a module.

    Args:
        module: Its full name.
        arguments: What its `main` gets.

    Returns:
        The exit code of its `main`, or 128 plus the number of the signal that stopped it.
    """
    # Until we have handlers of our own, an interrupt ends us silently, as it would end `sh`.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tool = importlib.import_module(module)
    processes = importlib.import_module("tools.processes")
    try:
        processes.raise_stopped_on_signals()
        return int(tool.main(arguments))
    except processes.Stopped as stopped:
        print("dev: stopped.", file=sys.stderr)
        return int(stopped.exit_code)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1], sys.argv[2:]))
