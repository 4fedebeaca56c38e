"""Follows a hybrid job on the terminal until it has ended."""

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TextIO

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import FINAL, RESULTS_FILE

from .job_log import LOCAL_CONTAINER, JobLog, readable

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

_EVENTS_READ: Final = 10
_CLEAR_LINE: Final = "\r\x1b[K"


class FollowTimeoutError(Exception):
    """A job has not ended in time."""


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
    deadline: float | None = None,
) -> JobEnd:
    """Show a job's status, elapsed time and last log or metric line until it has ended.

    Args:
        job_arn: The job.
        braket_client: Where the job is.
        logs_client: Where its logs are. That they cannot be read is shown, and stops nothing.
        stream: A terminal gets one line that changes; anything else a line for each change.
        poll_seconds: The time between two requests, in seconds.
        deadline: When to stop, on the clock of `time.monotonic`. Default: never.

    Raises:
        FollowTimeoutError: The job has not ended at the deadline.
        botocore.exceptions.ClientError: The job cannot be described.
    """
    display = _Display(stream)
    try:
        while True:
            job = braket_client.get_job(jobArn=job_arn)
            line = _last_line(JobLog(logs_client, job["jobName"], job_arn))
            display.show(job["status"], elapsed(job), line)
            if job["status"] in FINAL:
                return end_of(job)
            _pause(poll_seconds, deadline)
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


def end_of(job: "GetJobResponseTypeDef") -> JobEnd:
    """Return how a job ended, from the answer of GetJob for a job that has ended."""
    return JobEnd(
        status=job["status"],
        failure_reason=job.get("failureReason", ""),
        results_s3_uri=f"{job['outputDataConfig']['s3Path'].rstrip('/')}/{RESULTS_FILE}",
        elapsed=elapsed(job),
    )


def _pause(seconds: float, deadline: float | None) -> None:
    if deadline is None:
        time.sleep(seconds)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise FollowTimeoutError
    time.sleep(min(seconds, left))


def _last_line(log: JobLog) -> str:
    try:
        lines = log.last_lines(_EVENTS_READ)
    except ClientError as error:
        return f"its logs cannot be read: {error.response['Error']['Code']}"
    texts = [line.message for line in lines[::-1] if line.message.strip()]
    of_script = [text for text in texts if not text.startswith(LOCAL_CONTAINER)]
    return next((readable(text) for text in of_script or texts), "")


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
