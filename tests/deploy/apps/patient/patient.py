"""Waits, then saves the given time."""

import time

from braket.jobs import save_job_result


def main(seconds: int, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Wait for a number of seconds and save it as the result."""
    print(f"waiting {seconds} s", flush=True)
    time.sleep(seconds)
    save_job_result({"waited": seconds})
