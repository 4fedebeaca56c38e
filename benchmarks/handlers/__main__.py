"""Run one Create event through a handler, and print the highest memory in MB."""

import importlib
import json
import sys
from pathlib import Path


class _Context:
    """The part of Lambda's context that handlers read."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:handler"
    aws_request_id = "request"
    log_stream_name = "stream"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time of a function with the longest timeout."""
        return 900_000


def main(module: str, event: str) -> None:
    """Import the handler, and let it handle the event."""
    handler = importlib.import_module(module).handler
    handler(json.loads(event), _Context())
    # The value of getrusage starts with the memory of the parent process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
