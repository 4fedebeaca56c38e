"""The output of commands: tables and lines for people, JSON for programs."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cdk_braket_client.job_log import printable

# A table that is piped is not wrapped.
_PIPED_WIDTH: Final = 10_000

_STYLES: Final = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "CANCELLING": "yellow",
    "RUNNING": "cyan",
}


class Output:
    """Shows the result of a command.

    Results go to the standard output; notes, progress and errors to the standard error.

    Args:
        as_json: Whether to write JSON in place of tables and lines.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = _console(stderr=False)
        self.notes = _console(stderr=True)

    def show(self, value: object, rendered: RenderableType) -> None:
        """Show a result.

        Args:
            value: The result for `--json`: JSON values, times and durations.
            rendered: The result for people.
        """
        if self.as_json:
            click.echo(_json(value, indent=2))
        else:
            # Lines are for copying, such as an address: only tables are fitted to the terminal.
            is_line = isinstance(rendered, str | Text)
            self.console.print(rendered, markup=False, highlight=False, soft_wrap=is_line)

    def line(self, value: object, line: str | Text) -> None:
        """Show one of many results, such as a line of a log; with `--json`, a JSON value a line."""
        if self.as_json:
            click.echo(_json(value))
        else:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Show a line that is not a result."""
        self.notes.print(text(line), soft_wrap=True)

    @contextmanager
    def progress(self, line: str) -> Iterator[None]:
        """Show on a terminal that something is going on."""
        with self.notes.status(Text(line)):
            yield

    @contextmanager
    def transfer(self, line: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show on a terminal how much of a download is done.

        Args:
            line: A title.
            total: Its size in bytes.

        Yields:
            A function to call with the number of bytes since its last call, from any thread.
        """
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, console=self.notes, transient=True) as progress:
            task = progress.add_task(line, total=total)
            yield lambda count: progress.advance(task, count)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    # An emoji code such as :cat: is part of a value.
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


def table(*columns: str) -> Table:
    """Return an empty table; the last column gets the rest of the width."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # A name can be that of a script.
        made.add_column(text(column), overflow="fold")
    return made


def pairs(rows: dict[str, str | Text | None]) -> Table:
    """Return a table of names and values, without the values that are None or empty."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            made.add_row(name, text(value) if isinstance(value, str) else value)
    return made


def text(value: str) -> Text:
    """Return a string of AWS or of a script, without control characters, markup or links."""
    return Text(printable(value))


def status_text(status: str) -> Text:
    """Return the status of a job in its color."""
    return Text(status, style=_STYLES.get(status, ""))


def time_text(time: datetime | None) -> str:
    """Return a time in the time zone of the machine."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def _json(value: object, indent: int | None = None) -> str:
    """Return JSON in ASCII, which every terminal and pipe can show; NaN and infinities are null."""
    dump = functools.partial(json.dumps, indent=indent, default=_plain)
    try:
        return dump(value, allow_nan=False)
    except ValueError:
        return dump(json.loads(dump(value), parse_constant=lambda _name: None))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case _:
            return str(value)
