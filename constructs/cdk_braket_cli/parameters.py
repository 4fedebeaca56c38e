"""Types of options that several commands have."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_PERIOD: Final = re.compile(r"(\d+)([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Time(click.ParamType[datetime]):
    """A time, or a period before now."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        given = str(value)
        try:
            if period := _PERIOD.fullmatch(given):
                return datetime.now(UTC) - timedelta(**{_UNITS[period[2]]: int(period[1])})
            # A time without a time zone is that of the machine.
            return datetime.fromisoformat(given).astimezone()
        except (ValueError, OverflowError):
            self.fail(
                f"expected a period such as 30m, 12h or 7d, or a time such as 2026-01-31, "
                f"got {given!r}.",
                param,
                ctx,
            )


TIME: Final = _Time()
"""A time, or a period before now, as `--since` accepts."""
