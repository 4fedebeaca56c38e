"""What does the local AWS cost: its start, its memory, a job's overhead, many jobs, many tasks?"""

import json
import re
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from benchmarks.figures import OURS, Figures, seconds_of, stopwatch
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs

_NOTHING = "def main(): pass\n"
_SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
_BELL = json.dumps(
    {
        "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
        "source": "OPENQASM 3.0; qubit[2] q; bit[2] b; h q[0]; cnot q[0], q[1]; b = measure q;",
    }
)


def measure(small: bool) -> Sequence[Figures]:
    """Return times and memory of one local AWS."""
    row, queued, tasks = (3, 4, 4) if small else (100, 50, 500)
    with tempfile.TemporaryDirectory() as directory:
        with stopwatch() as elapsed:
            aws = LocalAws.start(Path(directory) / "aws")
            started = elapsed()
        with aws:
            jobs = Jobs(aws)
            jobs.run(_NOTHING)
            before = _megabytes(aws)
            each = [seconds_of(lambda: jobs.run(_NOTHING)) for _ in range(row)]
            after = _megabytes(aws)
            side_by_side = seconds_of(lambda: _queued(jobs, queued))
            many_tasks = seconds_of(lambda: _tasks(aws, jobs, tasks))
    part = max(1, row // 10)
    first, last = statistics.median(each[:part]), statistics.median(each[-part:])
    return [
        _figures("Start of the local AWS", "s", "start", {"1": started}, "2 s at most", limit=2.0),
        _figures(
            "Time of a job that does nothing, in a row of jobs",
            "s",
            "position",
            {"first": first, "last": last},
            "1 s at most",
            limit=1.0,
        ),
        _figures(
            "Memory of the server",
            "MB",
            "jobs",
            {"1": before, str(row + 1): after},
            "the same after many jobs",
        ),
        _figures(
            "Jobs that are queued at once",
            "s",
            "jobs",
            {str(queued): side_by_side},
            "linear in the number of jobs",
        ),
        _figures("Quantum tasks on SV1", "s", "tasks", {str(tasks): many_tasks}, "all complete"),
    ]


def _figures(
    question: str,
    unit: str,
    by: str,
    values: dict[str, float],
    goal: str,
    *,
    limit: float | None = None,
) -> Figures:
    rounded = {size: round(value, 2) for size, value in values.items()}
    return Figures(question, unit, by, {OURS: rounded}, goal, limit)


def _queued(jobs: Jobs, number: int) -> None:
    arns = [jobs.start(_NOTHING) for _ in range(number)]
    for arn in arns:
        jobs.over(arn)


def _tasks(aws: LocalAws, jobs: Jobs, number: int) -> None:
    braket = boto3.client("braket", **aws.client_settings)

    def create(index: int) -> str:
        return braket.create_quantum_task(
            deviceArn=_SV1,
            action=_BELL,
            shots=10,
            outputS3Bucket=jobs.bucket,
            outputS3KeyPrefix="tasks",
            clientToken=f"task-{index}",
        )["quantumTaskArn"]

    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(create, range(number)))
    for arn in arns:
        while braket.get_quantum_task(quantumTaskArn=arn)["status"] not in ("COMPLETED", "FAILED"):
            pass


def _megabytes(aws: LocalAws) -> float:
    status = Path(f"/proc/{aws.process_group}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1000
