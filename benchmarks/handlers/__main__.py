"""Run one Create event through a handler, and print the highest memory in MB."""

import importlib
import json
import resource
import sys


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
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
