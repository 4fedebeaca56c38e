"""The CDK app: `cdk deploy`, or `cdk deploy -c iterations=40`; others with `-c example=sweep`."""

import sys
from collections.abc import Callable
from typing import Final

from aws_cdk import App

from cdk_braket import ValidationError
from stacks.hybrid_job_stack import HybridJobStack
from stacks.many_jobs_stack import ManyJobsStack
from stacks.nightly_stack import NightlyStack
from stacks.results_reader_stack import ResultsReaderStack
from stacks.sweep_stack import SweepStack


def _job(app: App) -> HybridJobStack:
    return HybridJobStack(
        app,
        "HybridJobStack",
        shots=_number(app, "shots", 0),
        iterations=_number(app, "iterations", 40),
        seed=_number(app, "seed", 7),
    )


def _many(app: App) -> None:
    ManyJobsStack(app, "ManyJobsStack", iterations=_number(app, "iterations", 20))


def _sweep(app: App) -> None:
    SweepStack(
        app,
        "SweepStack",
        bond_lengths=_number(app, "lengths", 40),
        seeds=_number(app, "seeds", 3),
    )


def _reader(app: App) -> None:
    ResultsReaderStack(app, "ResultsReaderStack", job=_job(app).job)


def _nightly(app: App) -> None:
    NightlyStack(app, "NightlyStack", iterations=_number(app, "iterations", 20))


_EXAMPLES: Final[dict[str, Callable[[App], object]]] = {
    "job": _job,
    "many": _many,
    "sweep": _sweep,
    "reader": _reader,
    "nightly": _nightly,
}


def _number(app: App, name: str, default: int) -> int:
    """A whole number of the context, which the command line gives as a string."""
    value = app.node.try_get_context(name)
    if value is None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        sys.exit(f"{name}: expected a whole number, got {value}. Use -c {name}={default}.")


def main() -> None:
    """Create the cloud assembly."""
    app = App()
    example = app.node.try_get_context("example") or "job"
    if example not in _EXAMPLES:
        sys.exit(
            f"example: expected one of {', '.join(_EXAMPLES)}, got {example}. Use -c example=job."
        )
    try:
        _EXAMPLES[example](app)
    except ValidationError as error:
        sys.exit(str(error))
    app.synth()


main()
