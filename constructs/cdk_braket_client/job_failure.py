"""Leads from a failed job to its cause: log streams, last frame of the traceback, console."""

import re
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP, console_url

from .job_log import JobLog, printable

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
    log = JobLog(logs_client, job["jobName"], job["jobArn"])
    streams: list[str] = []
    try:
        streams = log.streams()
        traceback = last_frame(line.message for line in log.last_lines(_EVENTS_READ))
    except ClientError as error:
        traceback = [f"Its log cannot be read: {error.response['Error']['Code']}"]
    return [
        *traceback,
        f"Log: log group {JOB_LOG_GROUP}, log stream {', '.join(streams or [f'{log.prefix}*'])}",
        f"Console: {console_url(job['jobArn'].split(':')[3], job['jobArn'])}",
    ]


def last_frame(lines: "Iterable[str]") -> list[str]:
    """Return the last frame of the last traceback in a log, and its error; nothing without one."""
    frame, found = "", []
    for raw in lines:
        # A script's output must not control the terminal.
        line = printable(raw)
        if _FRAME.fullmatch(line):
            frame = line.strip()
        elif frame and line.strip() and not line.startswith(" "):
            found, frame = [frame, line], ""
    return found
