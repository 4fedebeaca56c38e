"""The table of a sweep: one row for each point, from the files of a ResultWriter.

Source of their format:
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PARAMETER = "parameter."
METRIC = "metric."
"""Begin the names of columns that the user names, so that none is that of another column."""

FIXED = (
    "status",
    "job_arn",
    "job_name",
    "results_s3_uri",
    "started_at",
    "ended_at",
    "seconds",
    "instance_hours",
    "failure_reason",
)
"""The other columns, which follow `index` and the parameters; metrics are the last ones."""

SUCCEEDED, PENDING = "SUCCEEDED", "PENDING"
COMPLETED, NOT_STARTED, ABORTED = "COMPLETED", "NOT_STARTED", "ABORTED"


@dataclass(frozen=True, slots=True)
class Row:
    """A point of a sweep and its job.

    Attributes:
        index: The number of the point, from 0.
        parameters: Its hyperparameters.
        status: The status of its job; `NOT_STARTED` if there is none, `ABORTED` if the sweep ended
            while the point ran.
        values: The other columns, by the names of `FIXED`.
        metrics: The numbers of the job's result, by name.
    """

    index: int
    parameters: Mapping[str, object]
    status: str
    values: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, execution: Mapping[str, object], status: str) -> "Row":
        """Read the description of a child execution.

        Args:
            execution: The description, with `Input`, and `Output` or `Error` and `Cause`.
            status: The status of the file that it is in, such as `SUCCEEDED`.
        """
        point = _object(execution.get("Input"))
        ended = _object(execution.get("Output" if status == SUCCEEDED else "Cause"))
        index = point.get("Index")
        parameters, metrics = point.get("Parameters"), ended.get("Metrics")
        default = NOT_STARTED if status != SUCCEEDED else COMPLETED
        if execution.get("Status") == ABORTED:
            default = ABORTED
        job_status = str(ended.get("JobStatus") or default)
        reason = ended.get("FailureReason") or ended.get("errorMessage") or ""
        if status not in {SUCCEEDED, PENDING}:
            reason = reason or execution.get("Cause") or execution.get("Error") or ""
        return cls(
            index=index if isinstance(index, int) else -1,
            parameters=parameters if isinstance(parameters, Mapping) else {},
            status=job_status,
            values={
                "status": job_status,
                "job_arn": ended.get("JobArn", ""),
                "job_name": ended.get("JobName", ""),
                "results_s3_uri": ended.get("ResultsS3Uri", ""),
                "started_at": ended.get("StartedAt", ""),
                "ended_at": ended.get("EndedAt", ""),
                "seconds": ended.get("Seconds", ""),
                "instance_hours": ended.get("InstanceHours", ""),
                "failure_reason": reason,
            },
            metrics=metrics if isinstance(metrics, Mapping) else {},
        )


def lines_of(text: str) -> list[str]:
    """Return the lines of JSON Lines. Unlike `str.splitlines`, only a line feed ends one."""
    return [line for line in text.split("\n") if line.strip()]


def table_of(rows: Sequence[Row]) -> str:
    """Return the rows as CSV, with a header."""
    parameters = _names(row.parameters for row in rows)
    metrics = _names(row.metrics for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["index", *(PARAMETER + name for name in parameters), *FIXED]
        + [METRIC + name for name in metrics]
    )
    for row in rows:
        writer.writerow(
            [row.index, *(row.parameters.get(name, "") for name in parameters)]
            + [row.values.get(name, "") for name in FIXED]
            + [row.metrics.get(name, "") for name in metrics]
        )
    return text.getvalue()


def summary_of(rows: Sequence[Row]) -> dict[str, object]:
    """Return how many points there are, and how many have completed."""
    completed = sum(row.status == COMPLETED for row in rows)
    return {"Points": len(rows), "Completed": completed, "NotCompleted": len(rows) - completed}


def numbers_in(result: Mapping[str, object]) -> dict[str, int | float]:
    """Return the numbers at the top of a job's result, which are its metrics.

    The result is that of the SDK's `save_job_result`, whose data are in `dataDictionary`. NaN and
    infinities are left out: Step Functions refuses an output with them.
    """
    data = result.get("dataDictionary", result)
    if not isinstance(data, Mapping):
        return {}
    return {
        str(name): value
        for name, value in data.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    }


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)  # an int may be too large for a float


def _names(found: Iterable[Mapping[str, object]]) -> list[str]:
    """Return all names in the order in which they first appear."""
    return list(dict.fromkeys(str(name) for names in found for name in names))


def _object(text: object) -> Mapping[str, object]:
    if isinstance(text, Mapping):
        return text
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
