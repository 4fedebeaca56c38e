"""The entry of `./dev`: quiet from the first moment that Ctrl-C can be pressed."""

import signal
import sys


def _start() -> int:
    # Until we have handlers of our own, an interrupt ends us silently, as it would end `sh`.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tools import dev, processes  # noqa: PLC0415 - after the line above, that is its point

    try:
        processes.raise_stopped_on_signals()
        return dev.main(sys.argv[1:])
    except processes.Stopped as stopped:
        dev.say("stopped.")
        return stopped.exit_code


if __name__ == "__main__":
    sys.exit(_start())
