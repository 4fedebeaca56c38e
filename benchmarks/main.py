"""The command `./dev bench`."""

import argparse
import dataclasses
import importlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import page, plots
from benchmarks.figures import Figures

QUESTIONS: Final = ("template", "synth", "packing", "handler", "deployment", "local_aws")
RESULTS: Final = Path(__file__).parent / "results.json"


def main(arguments: Sequence[str]) -> int:
    """Measure, and update the results, the plots and the page.

    With `--small`, nothing is kept: it shows that every question can be measured.
    """
    given = _parser().parse_args(arguments)
    # aws-cdk-lib's own checks of templates would last longer than all else, for each contender.
    os.environ["CDK_VALIDATION"] = "false"
    measured = {name: _measured(name, given.small) for name in given.questions or QUESTIONS}
    if given.small:
        return 0
    document = _read() if RESULTS.exists() else {"questions": {}}
    document["machine"] = _machine()
    document["questions"] |= {
        name: [dataclasses.asdict(each) for each in figures] for name, figures in measured.items()
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page.update(document)
    plots.draw(document)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev bench", description=main.__doc__)
    parser.add_argument("--small", action="store_true", help="measure small sizes, keep nothing")
    parser.add_argument("questions", nargs="*", choices=[[], *QUESTIONS], metavar="QUESTION")
    return parser


def _measured(name: str, small: bool) -> Sequence[Figures]:
    figures: Sequence[Figures] = importlib.import_module(f"benchmarks.questions.{name}").measure(
        small
    )
    for each in figures:
        print("\n".join(page.table(each)), flush=True)
    return figures


def _read() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return document


def _machine() -> Mapping[str, object]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
