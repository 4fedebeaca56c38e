"""A local AWS whose server is killed, as by the system when memory is short."""

import os
import signal
import time

from cdk_braket_local.control.instance import LocalAws
from tests.patience import PATIENCE


def kill(aws: LocalAws) -> None:
    """Kill the server, and wait until it is dead."""
    os.kill(aws.process_group, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while aws.is_running():
        assert time.monotonic() < deadline, "it outlives SIGKILL"
        time.sleep(0.01)
