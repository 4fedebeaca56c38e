"""Waits, then saves how long it was told to wait."""

import time

from braket.jobs import save_job_result


def main(seconds: int) -> None:
    """Wait for a number of seconds and save it as the result."""
    print(f"waiting {seconds} s", flush=True)
    time.sleep(seconds)
    save_job_result({"waited": seconds})
