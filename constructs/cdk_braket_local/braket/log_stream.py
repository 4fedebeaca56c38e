"""Sends a job's output to CloudWatch Logs while it runs."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

_FLUSH_SECONDS = 0.3
_LONGEST_LINE = 200_000  # characters; CloudWatch takes 256 KiB an event
_MOST_EVENTS = 1_000  # a call; CloudWatch takes 10,000 and 1 MiB
_MOST_CHARACTERS = 250_000


class LogStream:
    """One log stream; lines are collected and sent a few times a second.

    A job goes on when its log cannot be written, as it does on AWS; `problem` then says why.
    """

    def __init__(self, client: "CloudWatchLogsClient", group: str, stream: str) -> None:
        self._client = client
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._lines: list[InputLogEventTypeDef] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.problem: str | None = None
        self._create()
        self._thread = threading.Thread(target=self._flush_until_closed, daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Add a line."""
        event: InputLogEventTypeDef = {
            "timestamp": int(time.time() * 1000),
            # An empty message is refused.
            "message": line[:_LONGEST_LINE] or " ",
        }
        with self._lock:
            self._lines.append(event)

    def close(self) -> None:
        """Send what is left."""
        self._closed.set()
        self._thread.join()

    def _create(self) -> None:
        group, stream = self._names["logGroupName"], self._names["logStreamName"]
        exists = self._client.exceptions.ResourceAlreadyExistsException
        try:
            with contextlib.suppress(exists):
                self._client.create_log_group(logGroupName=group)
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)
        except (ClientError, BotoCoreError) as error:
            self.problem = str(error)

    def _flush_until_closed(self) -> None:
        while not self._closed.wait(_FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while batch := self._take():
            try:
                self._client.put_log_events(
                    logGroupName=self._names["logGroupName"],
                    logStreamName=self._names["logStreamName"],
                    logEvents=batch,
                )
            except (ClientError, BotoCoreError) as error:
                self.problem = str(error)

    def _take(self) -> "list[InputLogEventTypeDef]":
        with self._lock:
            size = count = 0
            for event in self._lines[:_MOST_EVENTS]:
                size += len(event["message"])
                if count and size > _MOST_CHARACTERS:
                    break
                count += 1
            batch, self._lines = self._lines[:count], self._lines[count:]
        return batch
