"""The metrics of jobs as series of points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_braket_client.job_log import JobLog, MetricLine, metrics
from cdk_braket_client.job_reference import find_job, region_of

from .command import Call

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

ITERATION = "iteration"
SECONDS = "seconds since the first metric"


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one metric of one job.

    Attributes:
        label: The metric, and the job if there are several.
        xs: The positions on the x axis.
        ys: The values.
    """

    label: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]


def read_metrics(
    call: Call, job: str, names: Sequence[str] = ()
) -> tuple["GetJobResponseTypeDef", list[MetricLine]]:
    """Return a job and its metrics, the oldest first.

    Args:
        call: The call of the command.
        job: The reference of the job.
        names: Only these metrics. Default: all.
    """
    found = find_job(call.clients, job)
    logs = call.clients.in_region(region_of(found["jobArn"])).logs
    lines = metrics(JobLog(logs, found["jobName"], found["jobArn"]).new_lines())
    chosen = (
        MetricLine(
            line.time,
            line.iteration,
            {key: value for key, value in line.values.items() if not names or key in names},
        )
        for line in lines
    )
    return found, sorted((line for line in chosen if line.values), key=lambda line: line.time)


def series_of(lines: Sequence[MetricLine], prefix: str, x_axis: str) -> list[Series]:
    """Return a series for each metric in the lines.

    Args:
        lines: The metrics of one job.
        prefix: The start of the labels; empty for none.
        x_axis: `ITERATION` or `SECONDS`.
    """
    names = dict.fromkeys(name for line in lines for name in line.values)
    return [_series(lines, name, f"{prefix}{name}", x_axis) for name in names]


def _series(lines: Sequence[MetricLine], name: str, label: str, x_axis: str) -> Series:
    found = [line for line in lines if name in line.values]
    begin = lines[0].time
    xs = [
        line.iteration
        if x_axis == ITERATION and line.iteration is not None
        else (line.time - begin).total_seconds()
        for line in found
    ]
    points = sorted(zip(xs, (line.values[name] for line in found), strict=True))
    return Series(label, tuple(x for x, _ in points), tuple(y for _, y in points))


def common_axis(lines: Sequence[MetricLine]) -> str:
    """Return the x axis of metrics: iterations if every line has one."""
    return ITERATION if all(line.iteration is not None for line in lines) else SECONDS
