"""Leads from a failed job to its cause: log streams, last frame of the traceback, console."""

import re
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import (
    JOB_LOG_GROUP,
    console_url,
    log_stream_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

_FRAME: Final = re.compile(r'\s*File "[^"]+", line \d+(, in .+)?')
_EVENTS_READ: Final = 1_000


def describe(job: "GetJobResponseTypeDef", logs_client: "CloudWatchLogsClient") -> list[str]:
    """Return lines for people that lead to the cause of a job's failure.

    Args:
        job: The answer of GetJob.
        logs_client: Where the job's log is. If it cannot be read, the line reports that.

    Returns:
        The traceback's last frame and error as far as the log has them, the log group and streams,
        and the console's address.
    """
    prefix = log_stream_prefix(job["jobName"], job["jobArn"])
    streams, traceback = [f"{prefix}*"], []
    try:
        streams, lines = _log(prefix, logs_client)
        traceback = last_frame(lines)
    except ClientError as error:
        traceback = [f"Its log cannot be read: {error.response['Error']['Code']}"]
    return [
        *traceback,
        f"Log: log group {JOB_LOG_GROUP}, log stream {', '.join(streams or [f'{prefix}*'])}",
        f"Console: {console_url(job['jobArn'].split(':')[3], job['jobArn'])}",
    ]


def _log(prefix: str, logs_client: "CloudWatchLogsClient") -> tuple[list[str], list[str]]:
    """Return the names of a job's log streams, and their last lines."""
    found = logs_client.describe_log_streams(
        logGroupName=JOB_LOG_GROUP, logStreamNamePrefix=prefix
    )["logStreams"]
    names = [stream["logStreamName"] for stream in found]
    lines = [
        event["message"]
        for name in names
        for event in logs_client.get_log_events(
            logGroupName=JOB_LOG_GROUP,
            logStreamName=name,
            startFromHead=False,
            limit=_EVENTS_READ,
        )["events"]
    ]
    return names, lines


def last_frame(lines: "Iterable[str]") -> list[str]:
    """Return the last frame of the last traceback in a log, and its error; nothing without one."""
    frame, found = "", []
    for raw in lines:
        # A script's output must not control the terminal.
        line = "".join(character for character in raw if character.isprintable())
        if _FRAME.fullmatch(line):
            frame = line.strip()
        elif frame and line.strip() and not line.startswith(" "):
            found, frame = [frame, line], ""
    return found
