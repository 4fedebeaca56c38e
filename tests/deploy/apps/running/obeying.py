"""Ends as requested: completes, fails, or waits to be cancelled."""

import time

from braket.jobs import save_job_result


def main(does: str, seed: int = 0, note: str = "") -> None:
    """Do it."""
    while does == "wait":
        time.sleep(0.2)
    if does == "fail":
        raise RuntimeError("no minimum was found")
    save_job_result({"seed": int(seed), "noted": bool(note)})
