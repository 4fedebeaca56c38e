"""Sends a job's output to CloudWatch Logs while it runs, with bounded memory."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

FIRST_LINES = 20_000
FIRST_BYTES = 2 * 1024**2
LAST_LINES = 2_000
LAST_BYTES = 1024**2
LONGEST_LINE = 64 * 1024
"""The limits of a job's log, in lines and bytes. The local AWS keeps all logs in memory, about one
kilobyte an event. Without a limit, a job's log could fill the memory."""

_FLUSH_SECONDS = 0.3
_READ_BYTES = 64 * 1024
# One call; CloudWatch accepts 10,000 events and 1 MiB.
_MOST_EVENTS = 1_000
_MOST_BYTES = 128 * 1024


def lines_of(descriptor: int) -> Iterator[list[bytes]]:
    """Yield the lines of a pipe as they arrive, a few at a time, until its end.

    A line that is longer than `LONGEST_LINE` is split, so output without line breaks needs no more
    memory than any other.

    Args:
        descriptor: The file descriptor of the pipe's read end.
    """
    rest = b""
    while chunk := os.read(descriptor, _READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        pieces = [piece for line in lines for piece in _split(line)]
        # The last piece may not be complete yet.
        *complete, rest = _split(rest)
        yield pieces + complete
    if rest:
        yield [rest]


def _split(line: bytes) -> list[bytes]:
    """Split a line into pieces of at most `LONGEST_LINE` bytes, never within a UTF-8 character."""
    pieces = []
    start = 0
    while len(line) - start > LONGEST_LINE:
        end = start + LONGEST_LINE
        # A continuation byte; a character has at most three of them.
        for _ in range(3):
            if line[end] & 0xC0 == 0x80:  # noqa: PLR2004 - 0b10xxxxxx
                end -= 1
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


class _Lines:
    """The lines to send: the first and the last lines of long output.

    The first lines are sent as they arrive. When there are more than the limit, the newest are kept
    until the output ends, and those in between are counted.
    """

    def __init__(self) -> None:
        self._due: deque[tuple[int, bytes]] = deque()
        self._last: deque[tuple[int, bytes]] = deque()
        self._last_bytes = 0
        self._left_out = 0
        self._lines_left, self._bytes_left = FIRST_LINES, FIRST_BYTES

    def add(self, lines: Iterable[bytes]) -> None:
        now = _milliseconds()
        for line in lines:
            if not self._last and self._lines_left and len(line) <= self._bytes_left:
                self._due.append((now, line))
                self._lines_left -= 1
                self._bytes_left -= len(line)
            else:
                self._add_to_last(now, line)

    def _add_to_last(self, now: int, line: bytes) -> None:
        if not self._last:
            self._note(
                f"the log is full; the last {LAST_LINES} lines follow when the script has ended"
            )
        self._last.append((now, line))
        self._last_bytes += len(line)
        while len(self._last) > LAST_LINES or self._last_bytes > LAST_BYTES:
            self._last_bytes -= len(self._last.popleft()[1])
            self._left_out += 1

    def end(self) -> None:
        """Mark the output as complete, so that the last lines are sent."""
        if self._left_out:
            self._note(f"{self._left_out} lines are omitted here")
        self._due += self._last
        self._last.clear()

    def next_batch(self) -> list[tuple[int, bytes]]:
        """Return the next lines for one call; empty when there are none."""
        batch: list[tuple[int, bytes]] = []
        size = 0
        while self._due and len(batch) < _MOST_EVENTS:
            size += len(self._due[0][1])
            if batch and size > _MOST_BYTES:
                break
            batch.append(self._due.popleft())
        return batch

    def _note(self, text: str) -> None:
        self._due.append((_milliseconds(), f"[cdk-braket-local: {text}]".encode()))


def _milliseconds() -> int:
    return int(time.time() * 1000)


class LogStream:
    """One log stream; lines are collected and sent a few times a second.

    Writing never waits for the log, so that it does not slow down the script. If the log cannot be
    written, the job continues, as it does on AWS, and `problem` has the reason.
    """

    def __init__(self, client: "CloudWatchLogsClient", group: str, stream: str) -> None:
        self._client = client
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._lines = _Lines()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.problem: str | None = None
        self._create()
        self._thread = threading.Thread(target=self._flush_until_closed, daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Add lines of the local AWS itself."""
        self.write_lines(text.encode("utf-8", "replace").split(b"\n"))

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Add lines, without their line breaks; each should be no longer than `LONGEST_LINE`."""
        with self._lock:
            self._lines.add(piece for line in lines for piece in _split(line))

    def close(self) -> None:
        """Send the rest."""
        with self._lock:
            self._lines.end()
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
        while batch := self._next_batch():
            try:
                self._client.put_log_events(
                    logGroupName=self._names["logGroupName"],
                    logStreamName=self._names["logStreamName"],
                    logEvents=[
                        # An empty message is refused.
                        {"timestamp": at, "message": _text(line) or " "}
                        for at, line in batch
                    ],
                )
            except (ClientError, BotoCoreError) as error:
                self.problem = str(error)

    def _next_batch(self) -> list[tuple[int, bytes]]:
        with self._lock:
            return self._lines.next_batch()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
