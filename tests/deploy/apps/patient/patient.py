"""Waits, then saves the given time. It needs no SDK, whose import is slow."""

import json
import os
import time
from pathlib import Path


def main(seconds: int, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Wait for a number of seconds and save it as the SDK saves results."""
    print(f"waiting {seconds} s", flush=True)
    time.sleep(seconds)
    saved = {"dataDictionary": {"waited": seconds}, "dataFormat": "plaintext"}
    folder = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    (folder / "results.json").write_text(json.dumps(saved), encoding="utf-8")
