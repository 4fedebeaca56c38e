"""The searches of the API: filters of their results, and pages of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket_local.braket.protocol import BraketError

Found = TypeVar("Found")

_Comparison = Callable[[datetime, datetime], bool]
_COMPARISONS: Mapping[str, _Comparison] = {
    "LT": lambda created, at: created < at,
    "LTE": lambda created, at: created <= at,
    "EQUAL": lambda created, at: created == at,
    "GT": lambda created, at: created > at,
    "GTE": lambda created, at: created >= at,
}


def matching(
    request: Mapping[str, object],
    found: Sequence[Found],
    texts: Mapping[str, Callable[[Found], str | None]],
    created_at: Callable[[Found], datetime] | None = None,
) -> list[Found]:
    """Return those of the things found that match all filters of a request.

    Args:
        request: The request, with `filters`.
        found: Everything that the caller may see.
        texts: How to read each text that can be compared by EQUAL, by its name in a filter.
        created_at: How to read the time that `createdAt` is compared with, if there is one.

    Raises:
        BraketError: A filter has a name, operator or value that cannot be searched by.
    """
    filters = request.get("filters")
    given = filters if isinstance(filters, list) else []
    wanted = [_filter(each, texts, created_at) for each in given]
    return [each for each in found if all(matches(each) for matches in wanted)]


def page(
    request: Mapping[str, object], shape: str, found: Sequence[Mapping[str, object]], key: str
) -> tuple[Sequence[Mapping[str, object]], str | None]:
    """Return the page of a request, and the token of the next.

    Args:
        request: The request, with `maxResults` and `nextToken`.
        shape: The name of the request's shape, which has the largest page.
        found: All that was found.
        key: The member that identifies a thing found; the token is its value.

    Raises:
        BraketError: The token was not returned by a search like this.
    """
    largest = model_rules.bounds(model_rules.shape_of(shape, "maxResults")).maximum
    asked = request.get("maxResults")
    size = asked if isinstance(asked, int) else largest or len(found)
    first = _first(request.get("nextToken"), found, key)
    end = first + size
    return found[first:end], str(found[end][key]) if end < len(found) else None


def _first(token: object, found: Sequence[Mapping[str, object]], key: str) -> int:
    if token is None:
        return 0
    for index, each in enumerate(found):
        if each[key] == token:
            return index
    raise BraketError("ValidationException", "nextToken is none that was given out")


def _filter(
    raw: object,
    texts: Mapping[str, Callable[[Found], str | None]],
    created_at: Callable[[Found], datetime] | None,
) -> Callable[[Found], bool]:
    given = raw if isinstance(raw, Mapping) else {}
    name, values = given["name"], [str(value) for value in given["values"]]
    # Filters of devices have no operator: they compare as EQUAL does.
    operator = given.get("operator", "EQUAL")
    if name in texts and operator == "EQUAL":
        text_of = texts[name]
        return lambda each: text_of(each) in values
    if name == "createdAt" and created_at is not None:
        time_of = created_at
        if operator == "BETWEEN" and len(values) == 2:  # noqa: PLR2004 - a pair
            first, last = (_time(value) for value in values)
            return lambda each: first <= time_of(each) <= last
        if operator in _COMPARISONS and len(values) == 1:
            compare, at = _COMPARISONS[operator], _time(values[0])
            return lambda each: compare(time_of(each), at)
    raise BraketError(
        "ValidationException", f"the search cannot filter by {name} {operator} of {len(values)}"
    )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BraketError("ValidationException", "createdAt is compared with no time") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
