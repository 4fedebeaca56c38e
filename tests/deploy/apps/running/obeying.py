"""Ends as requested: completes, fails, or waits to be cancelled.

It needs no SDK, whose import is slow.
"""

import json
import os
import time
from pathlib import Path


def main(does: str, seed: int = 0, note: str = "") -> None:
    """Do it, and save the result as the SDK does."""
    while does == "wait":
        time.sleep(0.2)
    if does == "fail":
        raise RuntimeError("no minimum was found")
    saved = {"dataDictionary": {"seed": int(seed), "noted": bool(note)}, "dataFormat": "plaintext"}
    folder = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    (folder / "results.json").write_text(json.dumps(saved), encoding="utf-8")
