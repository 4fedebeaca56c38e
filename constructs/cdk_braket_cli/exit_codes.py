"""The exit codes of `cdk-braket`. docs/reference/cli.md lists them."""

from typing import Final

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
JOB_FAILED: Final = 3
JOB_CANCELLED: Final = 4
TIMEOUT: Final = 5
SIGNALED: Final = 128
"""Plus the number of the signal, as shells report it."""

_OF_STATUS: Final = {"COMPLETED": OK, "FAILED": JOB_FAILED, "CANCELLED": JOB_CANCELLED}


def of_status(status: str) -> int:
    """Return the exit code for a job in a terminal state."""
    return _OF_STATUS.get(status, ERROR)
