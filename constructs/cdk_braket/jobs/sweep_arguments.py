"""The checks of a sweep's arguments: of each point, as if it were a job."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aws_cdk import Duration, Token

from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.plain import Hyperparameter, hyperparameter_text, plain_hyperparameter
from cdk_braket.core.tokens import is_unknown
from cdk_braket.request.sweep_points import Grid, SweepPoints

from .binding import BoundJob

# Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
_MOST_CONCURRENCY: Final = 10_000
_MOST_PERCENT: Final = 100
_LONGEST_INTERVAL: Final = 24 * 60 * 60
_MOST_SHOWN: Final = 20

_Point = Mapping[str, Hyperparameter]
_Values = dict[str, Hyperparameter]


@dataclass(slots=True)
class CheckedPoints:
    """The points of a sweep.

    Attributes:
        points: The points; empty if only the deployment knows them.
        problems: Their problems.
    """

    points: list[dict[str, Hyperparameter]] = field(default_factory=list)
    problems: list[Issue] = field(default_factory=list)

    def text(self) -> str:
        """Return the points as the JSON file that the state machine reads."""
        return json.dumps(self.points, separators=(",", ":"), ensure_ascii=False)


def checked_points(
    definition: BoundJob, given: Grid | SweepPoints | Iterable[_Point]
) -> CheckedPoints:
    """Read the points, and check each one as the hyperparameters of a job.

    Args:
        definition: The job.
        given: The points.
    """
    found = CheckedPoints()
    values: Iterable[object] = []
    if isinstance(given, SweepPoints):
        found.problems += given._issues()  # noqa: SLF001 - internal to this library
        if found.problems or given.bucket is not None:
            return found
        try:
            values = given._read()  # noqa: SLF001
        except (OSError, ValueError) as error:
            rule = f"cannot be read as points: {error}"
            found.problems.append(Issue("parameters", rule, "Fix the file", shorten(given.given)))
            return found
    else:
        values = given
    numbered = dict(_collected(found, values))
    found.points = list(numbered.values())
    if not found.points and not found.problems:
        rule = "expected at least one point, got none"
        found.problems.append(Issue("parameters", rule, "Pass a Grid with values"))
    found.problems += _duplicates(numbered)
    found.problems += _issues(definition, numbered)
    if (more := len(found.problems) - _MOST_SHOWN) > 0:
        text = f"{more} more problems of points are not shown"
        found.problems[_MOST_SHOWN:] = [Issue("parameters", text)]
    return found


def _collected(found: CheckedPoints, values: Iterable[object]) -> Iterator[tuple[int, _Values]]:
    """Yield each valid point with its number, and note the problems of the others."""
    for index, value in enumerate(values):
        if not isinstance(value, Mapping):
            rule = f"expected a mapping of hyperparameters, got {type(value).__name__}"
            found.problems.append(Issue(f"parameters[{index}]", rule, "Use {'name': value}"))
            continue
        wrong = [
            name
            for name, each in value.items()
            if not isinstance(name, str) or hyperparameter_text(each) is None
        ]
        unknown = [name for name, each in value.items() if is_unknown(each)]
        for name in wrong:
            rule = f"expected a string, number or bool, got {type(value[name]).__name__}"
            argument = f"parameters[{index}][{name!r}]"
            found.problems.append(Issue(argument, rule, "Use a plain value"))
        for name in unknown:
            rule = "is known only to the deployment, and points are a file"
            argument = f"parameters[{index}][{name!r}]"
            found.problems.append(Issue(argument, rule, "Put it into the definition instead"))
        if not wrong and not unknown:
            yield index, {key: _json_value(each) for key, each in value.items()}


def _json_value(value: Hyperparameter) -> Hyperparameter:
    """Return a value as JSON can hold it: a number that is not finite as a string."""
    found = plain_hyperparameter(value)
    return str(found) if isinstance(found, float) and not math.isfinite(found) else found


def _duplicates(points: Mapping[int, _Values]) -> Iterator[Issue]:
    """Yield the points that equal another: they would be one job."""
    seen: dict[str, int] = {}
    for index, point in points.items():
        text = json.dumps({key: str(value) for key, value in point.items()}, sort_keys=True)
        first = seen.setdefault(text, index)
        if first != index:
            rule = f"equals parameters[{first}], and equal points are one job"
            fix = "Remove it, or add a hyperparameter such as a seed"
            yield Issue(f"parameters[{index}]", rule, fix)


def _issues(definition: BoundJob, points: Mapping[int, _Values]) -> Iterator[Issue]:
    """Yield the problems of points.

    Values that the container casts in the same way are checked once for each hyperparameter. Ten
    thousand points have thousands of different numbers, and every check reads the script.
    """
    checked: set[object] = set()
    for index, point in points.items():
        new: set[object] = {(key, _kind(value)) for key, value in point.items()}
        new.add(frozenset(point))
        if new <= checked:
            continue
        checked |= new
        for issue in definition.hyperparameter_issues(point):
            where = issue.argument.removeprefix("hyperparameters")
            yield Issue(
                f"parameters[{index}]{where}",
                issue.rule,
                issue.fix,
                issue.shown,
                issue.severity,
                issue.check,
            )


def _kind(value: Hyperparameter) -> object:
    """Return the kind of a value: for a number, its type and its length.

    The kind of any other text is the text itself.
    """
    text = str(value)
    for cast in (int, float):
        try:
            cast(text)
        except ValueError:
            continue
        return cast.__name__, len(text)
    return text


def wrong_limits(
    max_concurrency: object, percentage: object, count: object, poll_interval: object
) -> Iterator[Issue]:
    """Yield the problems of a sweep's limits; values of wrong types are passed over."""
    ranges: tuple[tuple[str, object, float, float | None], ...] = (
        ("max_concurrency", max_concurrency, 1, _MOST_CONCURRENCY),
        ("tolerated_failure_percentage", percentage, 0, _MOST_PERCENT),
        ("tolerated_failure_count", count, 0, None),
    )
    for name, value, least, most in ranges:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or Token.is_unresolved(value):
            continue
        number = float(str(value))
        if number < least or (most is not None and number > most):
            end = "more" if most is None else f"{most:,}"
            rule = f"expected a number from {least:g} to {end}, got {value}"
            yield Issue(name, rule, f"Use {name}={least if number < least else most}")
    if isinstance(poll_interval, Duration) and poll_interval.is_unresolved():
        rule = "is known only to the deployment, and the time limit of a point depends on it"
        yield Issue("poll_interval", rule, "Use Duration.minutes(5)")
    elif isinstance(poll_interval, Duration):
        seconds = seconds_of(poll_interval)
        if not 1 <= seconds <= _LONGEST_INTERVAL or seconds != int(seconds):
            rule = f"expected whole seconds from 1 second to 1 day, got {seconds:g} s"
            yield Issue("poll_interval", rule, "Use Duration.minutes(5)")
