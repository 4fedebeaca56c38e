"""The handler's log: one JSON object a line, and never an event or a part of a request."""

import json
import sys
from collections.abc import Mapping
from time import time

from ..contract import FAILED_JOBS, JOB_ARN_DIMENSION, METRICS_NAMESPACE


def log(decision: str, details: Mapping[str, object]) -> None:
    """Write one line of JSON; a decision with an alarm is also a metric."""
    line: dict[str, object] = {"decision": decision, **details}
    if decision == "cancel_unconfirmed":
        line |= _metric("UnconfirmedCancels")
    if decision == "job_failed":
        line |= _metric(FAILED_JOBS, {JOB_ARN_DIMENSION: str(details["jobArn"])})
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


def _metric(name: str, dimensions: Mapping[str, str] | None = None) -> dict[str, object]:
    """Return the members with which CloudWatch extracts a metric from a log line.

    Source:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": METRICS_NAMESPACE,
        "Dimensions": [sorted(dimensions or {})],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
    return {
        **(dimensions or {}),
        name: 1,
        "_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [directive]},
    }


def place_of(error: BaseException) -> str:
    """Return where an error was raised: file and line, never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
