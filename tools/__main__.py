"""`python -m tools MODULE ARGUMENTS` runs a module's `main`; Ctrl-C is quiet from the start."""

import importlib
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Until our own handlers are set, an interrupt ends us silently, as it would end `sh`.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Before the first set-up, the package is not installed.
    sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "constructs"))
    foreground = importlib.import_module("cdk_braket_local.control.foreground_command")
    main = importlib.import_module(sys.argv[1]).main
    try:
        with foreground.stopped_by_signals():
            sys.exit(main(sys.argv[2:]))
    except foreground.Stopped as stopped:
        print("dev: stopped.", file=sys.stderr)
        sys.exit(stopped.exit_code)
