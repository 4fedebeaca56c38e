"""How much time is needed to construct jobs, and to synthesize a stack of one?"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aws_cdk import App, Stack

from benchmarks import stacks
from benchmarks.calls_to_node import counted
from benchmarks.figures import OURS, Figures, by_size, in_turns, seconds_of

_ROOT = Path(__file__).resolve().parents[2]
_APP = """
import sys
from aws_cdk import App, Stack
from benchmarks import stacks
from benchmarks.calls_to_node import counted
app = App(outdir=sys.argv[2])
stacks.CONTENDERS[sys.argv[1]](Stack(app, "Stack"), 1)
app.synth()
"""
_BASE = "import aws_cdk, aws_cdk.aws_lambda, aws_cdk.aws_s3, aws_cdk.aws_kms, aws_cdk.aws_iam"


def measure(small: bool) -> Sequence[Figures]:
    """Return times and calls to Node."""
    sizes, rounds = ((1, 10), 1) if small else ((1, 100, 480), 3)
    by_hand = {OURS: stacks.ours, "by hand": stacks.bare}
    return [
        Figures(
            "Time to construct the jobs of a stack",
            "s",
            "jobs",
            by_size({name: _constructing(each) for name, each in _CHEAP.items()}, sizes, rounds),
            "3 times AwsCustomResource at most",
            3.0,
        ),
        Figures(
            "Calls to Node for a further job",
            "calls",
            "jobs",
            {name: {"2": _calls(each)} for name, each in stacks.CONTENDERS.items()},
            "12 at most",
        ),
        Figures(
            "Time to run the app of one default job",
            "s",
            "jobs",
            _once({name: _running(name) for name in by_hand}, 1 if small else 5),
            "1.1 times the same resources by hand at most",
            1.1,
        ),
        Figures(
            "Time to import `cdk_braket`, beyond `aws_cdk`",
            "s",
            "imports",
            {OURS: {"1": _import_seconds(1 if small else 5)}},
            "0.15 s at most",
            0.15,
        ),
    ]


_CHEAP: Mapping[str, Callable[[Stack, int], None]] = {
    OURS: stacks.ours,
    "by hand": stacks.bare,
    "AwsCustomResource": stacks.aws_custom_resource,
    "Provider framework": stacks.provider_framework,
}


def _constructing(declare: Callable[[Stack, int], None]) -> Callable[[int], float]:
    def seconds(jobs: int) -> float:
        with tempfile.TemporaryDirectory() as directory:
            stack = Stack(App(outdir=directory), "Stack")
            return seconds_of(lambda: declare(stack, jobs))

    return seconds


def _calls(declare: Callable[[Stack, int], None]) -> float:
    """Return the calls of a stack of two jobs beyond those of a stack of one."""
    return _counted(declare, 2) - _counted(declare, 1)


def _counted(declare: Callable[[Stack, int], None], jobs: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(App(outdir=directory), "Stack")
        with counted() as calls:
            declare(stack, jobs)
    return len(calls)


def _running(name: str) -> Callable[[], float]:
    def seconds() -> float:
        with tempfile.TemporaryDirectory() as directory:
            return seconds_of(lambda: _python(_APP, name, directory))

    return seconds


def _once(
    contenders: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, dict[str, float]]:
    return {name: {"1": round(value, 3)} for name, value in in_turns(contenders, rounds).items()}


def _import_seconds(rounds: int) -> float:
    both = {
        "with": lambda: seconds_of(lambda: _python(f"{_BASE}, cdk_braket; cdk_braket.HybridJob")),
        "without": lambda: seconds_of(lambda: _python(_BASE)),
    }
    values = in_turns(both, rounds)
    return round(values["with"] - values["without"], 3)


def _python(source: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-c", source, *arguments],
        cwd=_ROOT,
        env={**os.environ, "CDK_VALIDATION": "false"},
        check=True,
        capture_output=True,
    )
