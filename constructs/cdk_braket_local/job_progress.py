"""Follows a hybrid job on the terminal until it has ended."""

import re
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TextIO

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import FINAL, JOB_LOG_GROUP, RESULTS_FILE

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import OutputLogEventTypeDef

# The line that the SDK's `log_metric` prints: `Metrics - timestamp=…; energy=-1.1; iteration…;`.
_METRIC_LINE: Final = re.compile(r"Metrics - (.*)")
_ASSIGNMENT: Final = re.compile(r"(\w+)\s*=\s*([^;]+?)\s*;")
_EVENTS_READ: Final = 10
_CLEAR_LINE: Final = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended.

    Attributes:
        status: Its final status, such as `COMPLETED`.
        failure_reason: The service's reason for a failure; empty otherwise.
        results_s3_uri: Where the results are, if the job got as far as writing them.
        elapsed: From the job's creation to its end.
    """

    status: str
    failure_reason: str
    results_s3_uri: str
    elapsed: timedelta


def follow(
    job_arn: str,
    *,
    braket_client: "BraketClient",
    logs_client: "CloudWatchLogsClient",
    stream: TextIO,
    poll_seconds: float = 1.0,
) -> JobEnd:
    """Show a job's status, elapsed time and last log or metric line until it has ended.

    Args:
        job_arn: The job.
        braket_client: Where the job is.
        logs_client: Where its logs are. That they cannot be read is shown, and stops nothing.
        stream: A terminal gets one line that changes; anything else a line for each change.
        poll_seconds: How long to wait between looks, in seconds.

    Raises:
        botocore.exceptions.ClientError: The job cannot be described.
    """
    display = _Display(stream)
    try:
        while True:
            job = braket_client.get_job(jobArn=job_arn)
            line = _last_line(job, logs_client)
            display.show(job["status"], elapsed(job), line)
            if job["status"] in FINAL:
                return _end(job)
            time.sleep(poll_seconds)
    finally:
        display.close()


def elapsed(job: "GetJobResponseTypeDef") -> timedelta:
    """Return the time since a job was created, or until it ended."""
    until = job.get("endedAt") or datetime.now(UTC)
    # Our clock may be behind the service's.
    return max(until - job["createdAt"], timedelta(0))


def ending(end: JobEnd) -> str:
    """Return one line on how a job ended: its status, time, failure reason and results."""
    seconds = f"{end.status} after {end.elapsed.total_seconds():.0f} s"
    reason = f": {readable(end.failure_reason)}" if end.failure_reason else ""
    results = f"; results: {end.results_s3_uri}" if end.status == "COMPLETED" else ""
    return f"{seconds}{reason}{results}"


def _end(job: "GetJobResponseTypeDef") -> JobEnd:
    return JobEnd(
        status=job["status"],
        failure_reason=job.get("failureReason", ""),
        results_s3_uri=f"{job['outputDataConfig']['s3Path'].rstrip('/')}/{RESULTS_FILE}",
        elapsed=elapsed(job),
    )


# --- The logs -------------------------------------------------------------------------------------


def _last_line(job: "GetJobResponseTypeDef", logs_client: "CloudWatchLogsClient") -> str:
    try:
        events = _events(job, logs_client)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # Before a job's first line there may be no log group.
        return "" if code == "ResourceNotFoundException" else f"its logs cannot be read: {code}"
    newest = max(events, key=lambda event: event["timestamp"], default=None)
    return readable(newest["message"]) if newest else ""


def _events(
    job: "GetJobResponseTypeDef", logs_client: "CloudWatchLogsClient"
) -> list["OutputLogEventTypeDef"]:
    """Return the last lines of each stream of the job, with text in them, oldest first."""
    streams = logs_client.describe_log_streams(
        logGroupName=JOB_LOG_GROUP, logStreamNamePrefix=f"{job['jobName']}/"
    )["logStreams"]
    events: list[OutputLogEventTypeDef] = []
    for stream in streams:
        answer = logs_client.get_log_events(
            logGroupName=JOB_LOG_GROUP,
            logStreamName=stream["logStreamName"],
            # Another job of the same name may have been there before.
            startTime=int(job["createdAt"].timestamp() * 1000),
            startFromHead=False,
            limit=_EVENTS_READ,
        )
        events += [event for event in answer["events"] if event["message"].strip()]
    # `max` takes the first of equals, and the last line of one millisecond is wanted.
    return events[::-1]


def readable(message: str) -> str:
    """Return a log line for people: metrics in short, and nothing that a terminal obeys."""
    lines = message.strip().splitlines()
    line = "".join(character for character in lines[-1] if character.isprintable()) if lines else ""
    metric = _METRIC_LINE.search(line)
    values = dict(_ASSIGNMENT.findall(metric[1])) if metric else {}
    if not values:
        return line
    values.pop("timestamp", None)
    iteration = values.pop("iteration_number", None)
    text = ", ".join(f"{name} = {_short(value)}" for name, value in values.items())
    return f"{text} (iteration {iteration})" if iteration else text


def _short(value: str) -> str:
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value


# --- The terminal ---------------------------------------------------------------------------------


class _Display:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._shown: tuple[str, str] | None = None

    def show(self, status: str, elapsed: timedelta, line: str) -> None:
        text = f"{status:<10} {clock(elapsed)}  {line}".rstrip()
        if self._is_terminal:
            # A line that wraps cannot be cleared.
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR_LINE}{text[:width]}")
        elif self._shown != (status, line):
            self._write(f"{text}\n")
        self._shown = (status, line)

    def close(self) -> None:
        if self._is_terminal and self._shown:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def clock(elapsed: timedelta) -> str:
    """Return a time as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, seconds = divmod(int(elapsed.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
