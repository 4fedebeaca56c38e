"""Uses all that a job is given: input, checkpoints, results and log."""

import os
import time
from pathlib import Path


def main(seconds: int, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Read, write and wait."""
    words = Path(os.environ["AMZN_BRAKET_INPUT_DIR"], "words", "words.txt").read_text()
    checkpoints = Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"])
    older = (checkpoints / "older.txt").read_text()
    print(f"I read: {words.strip()}, {older}", flush=True)
    (checkpoints / "newer.txt").write_text("newer")
    Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"], "results.txt").write_text(words)
    time.sleep(seconds)
