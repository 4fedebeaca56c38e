"""The entry of `./dev`: quiet from the first moment that Ctrl-C can be pressed."""

import signal
import sys


def _start() -> int:
    # Until main() has its own handlers, an interrupt ends us silently, as it would end `sh`.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tools.dev import main  # noqa: PLC0415 - after the line above, and that is its point

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_start())
