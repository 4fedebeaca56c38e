"""Prints a given text. It needs no SDK, whose import is slow."""

import json
import os
from pathlib import Path


def main(text: str, note: str = "") -> None:  # noqa: ARG001 - a secret, not to be shown
    """Print the text and save it as the SDK does."""
    print(text)
    saved = {"dataDictionary": {"text": text}, "dataFormat": "plaintext"}
    folder = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    (folder / "results.json").write_text(json.dumps(saved), encoding="utf-8")
