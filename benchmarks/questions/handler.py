"""How long is the first invocation of the handler, with how much memory and how many calls?"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.canned_aws import ANSWER, serving
from benchmarks.figures import OURS, Figures
from tests.unit.handler.worlds import as_nested, properties, request

_ROOT = Path(__file__).resolve().parents[2]
_MODULES = {
    OURS: "benchmarks.handlers.ours",
    "crhelper": "benchmarks.handlers.with_crhelper",
    "by hand": "benchmarks.handlers.by_hand",
}


def measure(small: bool) -> Sequence[Figures]:
    """Return times, memory and calls of one Create in a new process."""
    seen: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in _MODULES}
    for _ in range(1 if small else 7):
        for name, module in _MODULES.items():
            seen[name].append(_invoked(module, _properties(name)))
    columns = {
        name: [round(statistics.median(column), 3) for column in zip(*rows, strict=True)]
        for name, rows in seen.items()
    }
    goal = "0.75 times crhelper at most"
    cold = "Cold start of the handler until"
    return [
        _figures(columns, 0, f"{cold} CreateJob is sent", "s", goal, limit=0.75),
        _figures(columns, 1, f"{cold} the answer", "s", goal, limit=0.75),
        _figures(columns, 2, "Peak memory of the handler", "MB", "below 128 MB"),
        _figures(columns, 3, "Calls to AWS of a Create", "calls", "those of the contract"),
    ]


def _figures(
    columns: Mapping[str, Sequence[float]],
    index: int,
    question: str,
    *more: str,
    limit: float | None = None,
) -> Figures:
    values = {name: {"1": column[index]} for name, column in columns.items()}
    unit, goal = more
    return Figures(question, unit, "invocation", values, goal, limit, "crhelper")


def _properties(name: str) -> Mapping[str, object]:
    if name == OURS:
        return as_nested(properties())
    return {"ServiceToken": "token", "Request": json.dumps({**request(), "clientToken": "token"})}


def _invoked(module: str, given: Mapping[str, object]) -> tuple[float, float, float, float]:
    """Return when CreateJob and the answer were sent, the memory and the number of calls."""
    with serving() as aws:
        event = {
            "RequestType": "Create",
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/Stack/5c3c5d30-0000",
            "RequestId": "5c3c5d30-0000-0000-0000-000000000000",
            "LogicalResourceId": "Job",
            "ResourceType": "Custom::BraketHybridJob",
            "ResponseURL": f"{aws.url}{ANSWER}?X-Amz-Date=20260101T000000Z",
            "ResourceProperties": given,
        }
        start = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.handlers", module, json.dumps(event)],
            cwd=_ROOT,
            env={**os.environ, **_environment(aws.url)},
            check=True,
            capture_output=True,
            text=True,
        )
        calls = [name for name, _ in aws.calls if name != "answer"]
        created, answered = aws.when("CreateJob"), aws.when("answer")
    memory = float(done.stdout.splitlines()[-1])
    return created - start, answered - start, memory, len(calls)


def _environment(url: str) -> Mapping[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "handler",
    }
