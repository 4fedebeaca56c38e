"""The log of a hybrid job: its streams, its lines, and the metrics in them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP, log_stream_prefix

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsResponseTypeDef

_NOT_FOUND: Final = "ResourceNotFoundException"

LOCAL_CONTAINER: Final = "[cdk-braket-local]"
"""The start of lines that do not come from the script, in the log of a job of the local AWS."""

# The line that the SDK's `log_metric` prints: `Metrics - timestamp=…; energy=-1.1; iteration…;`.
_METRIC_LINE: Final = re.compile(r"Metrics - (.*)")
_ASSIGNMENT: Final = re.compile(r"(\w+)\s*=\s*([^;]+?)\s*;")
_TIMESTAMP: Final = "timestamp"
_ITERATION: Final = "iteration_number"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event of a job's log.

    Attributes:
        time: The time at which it was logged.
        stream: The name of its log stream.
        message: The line, without control characters and without a newline.
    """

    time: datetime
    stream: str
    message: str


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One call of the SDK's `log_metric`.

    Attributes:
        time: The script's clock; the log's if the line has none.
        iteration: The iteration; None if the script passed none.
        values: The values by name.
    """

    time: datetime
    iteration: float | None
    values: dict[str, float]


@dataclass(slots=True)
class JobLog:
    """Reads a job's log.

    Args:
        logs: The client of the job's region.
        job_name: The job's name.
        job_arn: The job's ARN.
    """

    logs: "CloudWatchLogsClient"
    job_name: str
    job_arn: str
    _positions: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The start of the names of the job's streams."""
        return log_stream_prefix(self.job_name, self.job_arn)

    def streams(self) -> list[str]:
        """Return the names of the job's streams; none before the job has logged anything.

        Raises:
            botocore.exceptions.ClientError: They cannot be read.
        """
        pages = self.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=JOB_LOG_GROUP, logStreamNamePrefix=self.prefix
        )
        try:
            return [found["logStreamName"] for page in pages for found in page["logStreams"]]
        except ClientError as error:
            # The first job of an account creates the log group.
            if error.response["Error"]["Code"] != _NOT_FOUND:
                raise
            return []

    def last_lines(self, limit: int) -> list[LogLine]:
        """Return the last lines of the log, the oldest first.

        Args:
            limit: How many lines of each stream.

        Raises:
            botocore.exceptions.ClientError: They cannot be read.
        """
        found = [
            line
            for stream in self.streams()
            for line in _lines(stream, self._events(stream, from_head=False, limit=limit))
        ]
        return sorted(found, key=lambda line: line.time)

    def new_lines(self) -> Iterator[LogLine]:
        """Yield the lines that this object has not yielded yet, the oldest of each stream first.

        Raises:
            botocore.exceptions.ClientError: They cannot be read.
        """
        for stream in self.streams():
            yield from self._new_lines_of(stream)

    def _new_lines_of(self, stream: str) -> Iterator[LogLine]:
        while True:
            before = self._positions.get(stream)
            answer = self._events(stream, from_head=True, position=before)
            yield from _lines(stream, answer)
            # At the end of a stream the service returns the token that it received.
            self._positions[stream] = answer["nextForwardToken"]
            # A page without events can come before others.
            if answer["nextForwardToken"] == before:
                return

    def _events(
        self, stream: str, *, from_head: bool, position: str | None = None, limit: int = 10_000
    ) -> "GetLogEventsResponseTypeDef":
        if position is None:
            return self.logs.get_log_events(
                logGroupName=JOB_LOG_GROUP,
                logStreamName=stream,
                startFromHead=from_head,
                limit=limit,
            )
        return self.logs.get_log_events(
            logGroupName=JOB_LOG_GROUP,
            logStreamName=stream,
            startFromHead=from_head,
            limit=limit,
            nextToken=position,
        )


def _lines(stream: str, answer: "GetLogEventsResponseTypeDef") -> Iterator[LogLine]:
    for event in answer["events"]:
        time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        for line in event["message"].rstrip().splitlines() or [""]:
            yield LogLine(time, stream, printable(line))


def printable(text: str) -> str:
    """Return a line without characters that control a terminal; tabs are spaces."""
    spaced = text.replace("\t", "    ")
    return "".join(character for character in spaced if character.isprintable())


# --- Metrics --------------------------------------------------------------------------------------


def metrics(lines: Iterable[LogLine]) -> Iterator[MetricLine]:
    """Yield the metrics in the lines of a log."""
    for line in lines:
        values = _assignments(line.message)
        time = _number(values.pop(_TIMESTAMP, ""))
        iteration = _number(values.pop(_ITERATION, ""))
        numbers = {name: _number(value) for name, value in values.items()}
        found = {name: value for name, value in numbers.items() if value is not None}
        if found:
            yield MetricLine(_time_or(time, line.time), iteration, found)


def readable(message: str) -> str:
    """Return the last line of a log message for people: metrics in short, no terminal controls."""
    lines = message.strip().splitlines()
    line = printable(lines[-1]) if lines else ""
    values = _assignments(line)
    if not values:
        return line
    values.pop(_TIMESTAMP, None)
    iteration = values.pop(_ITERATION, None)
    text = ", ".join(f"{name} = {_short(value)}" for name, value in values.items())
    return f"{text} (iteration {iteration})" if iteration else text


def _assignments(line: str) -> dict[str, str]:
    metric = _METRIC_LINE.search(line)
    return dict(_ASSIGNMENT.findall(metric[1])) if metric else {}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time_or(seconds: float | None, default: datetime) -> datetime:
    try:
        return default if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a script can log any number
        return default


def _short(value: str) -> str:
    number = _number(value)
    return value if number is None else f"{number:.6g}"
