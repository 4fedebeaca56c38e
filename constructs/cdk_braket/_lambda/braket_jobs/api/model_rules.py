"""The constraints of the Braket API, read from botocore's service model.

The constructs use this module during synth, the handler uses it after tokens are resolved, and so
does the local Braket service. It is pure: no AWS CDK, no client, no network.

These rules are stricter than botocore's own parameter validation. Botocore leaves maxima, patterns
and enumerations to the service, and accepts a bool for an integer. The service refuses them.

Example:
    >>> from cdk_braket._lambda.braket_jobs.api import model_rules
    >>> [problem] = model_rules.check("JobStoppingCondition", {"maxRuntimeInSeconds": 0})
    >>> problem.path, problem.rule.value, problem.message
    (('maxRuntimeInSeconds',), 'min', 'expected 1 to 432000, got 0')
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache

from .service_model import Shape, UnknownShapeError, shape

_NAMED_ENUM_VALUES = 8  # more than this in one message is a wall of text
_LONGEST_NAME = 100  # characters compared when looking for a similar name
_LONGEST_NUMBER = 10**30  # Python refuses to print integers of thousands of digits


class Rule(StrEnum):
    """The kinds of constraint that a service model states."""

    REQUIRED = "required"
    TYPE = "type"
    MIN_LENGTH = "min_length"
    MAX_LENGTH = "max_length"
    PATTERN = "pattern"
    ENUM = "enum"
    MIN = "min"
    MAX = "max"
    MIN_ITEMS = "min_items"
    MAX_ITEMS = "max_items"
    UNKNOWN_MEMBER = "unknown_member"
    UNION = "union"


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a value breaks the service model.

    Attributes:
        path: Where, from the checked value inwards: member names, list indexes, map keys. A map
            key that is itself at fault ends the path.
        rule: Which kind of constraint.
        message: The rule and how it is broken, without the value: it may be a secret. Lengths
            and out-of-range numbers are named.
        value: The value at fault; the structure that lacks a member for `REQUIRED`. Kept out of
            `repr`.
    """

    path: tuple[str | int, ...]
    rule: Rule
    message: str
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a shape: length, size or value, and pattern.

    Attributes:
        minimum: Least length, size or value; None when the model has none.
        maximum: Greatest length, size or value; None when the model has none.
        pattern: Regular expression for the whole string; None when the model has none.
    """

    minimum: int | None
    maximum: int | None
    pattern: str | None


Skip = Callable[[object], bool]
_Path = tuple[str | int, ...]


def never(_value: object) -> bool:
    """Skip nothing: the default of `check`."""
    return False


def check(shape_name: str, value: object, *, skip: Skip = never) -> list[Problem]:
    """Return all problems of a value according to the service model.

    Args:
        shape_name: Name of the shape that the value is for, such as `CreateJobRequest`.
        value: The value, as you would pass it to boto3.
        skip: Returns True for a value or map key that is not known yet, such as an unresolved CDK
            token. Such a value is skipped with everything in it. Default: nothing is skipped.

    Returns:
        The problems in the order of the value; an empty list when there are none.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> check("JobPrimaryStatus", "QUEUED")
        []
    """
    return list(_problems(shape(shape_name), value, (), skip))


def enum_values(shape_name: str) -> tuple[str, ...]:
    """Return the values that the model allows for a shape; empty when it does not enumerate them.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> enum_values("CompressionType")
        ('NONE', 'GZIP')
    """
    return shape(shape_name).enum


def bounds(shape_name: str) -> Bounds:
    """Return the bounds and the pattern that the model sets for a shape.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> bounds("JobStoppingConditionMaxRuntimeInSecondsInteger").minimum
        1
    """
    found = shape(shape_name)
    return Bounds(found.minimum, found.maximum, found.pattern)


def shape_of(shape_name: str, *path: str | int) -> str:
    """Return the name of the shape at a path inside another shape.

    Args:
        shape_name: Where to start.
        *path: Member names; for a list any index, for a map any key (the value's shape is meant).

    Raises:
        UnknownShapeError: That path does not exist.

    Example:
        >>> shape_of("CreateJobRequest", "inputDataConfig", 0, "channelName")
        'InputFileConfigChannelNameString'
    """
    name = shape_name
    for step in path:
        inner = _inner(shape(name), step)
        if inner is None:
            raise UnknownShapeError(f"{name} has nothing at {step!r}")
        name = inner
    return name


def key_shape_of(shape_name: str, *path: str | int) -> str:
    """Return the name of the shape of a map's keys; the map is found as with `shape_of`.

    Raises:
        UnknownShapeError: There is no map at that path.
    """
    name = shape_of(shape_name, *path)
    key = shape(name).key
    if key is None:
        raise UnknownShapeError(f"{name} is not a map")
    return key


def _inner(outer: Shape, step: str | int) -> str | None:
    if outer.type == "structure":
        return outer.members.get(str(step))
    return outer.element


def describe(shape_name: str) -> str:
    """Describe in words the values that the model allows for a shape.

    Meant for errors and documentation; ends without a full stop.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> describe("CompressionType")
        'one of NONE, GZIP'
    """
    found = shape(shape_name)
    parts = [_describe_kind(found)]
    if found.pattern is not None:
        parts.append(f"matching {found.pattern}")
    return " ".join(parts)


def _describe_kind(found: Shape) -> str:
    if found.enum:
        return _one_of(found)
    if found.type == "structure":
        which = "exactly one of " if found.union else ""
        return f"an object with {which}{', '.join(found.members)}"
    if found.minimum is None and found.maximum is None:
        return _NOUNS[found.type]
    if found.type in _COUNTED:
        return f"{_range(found)} {_COUNTED[found.type][0]}"
    return f"{_NOUNS[found.type]}, {_range(found)}"


# --- The walk: one generator per kind of shape. ---


def _problems(expected: Shape, value: object, path: _Path, skip: Skip) -> Iterator[Problem]:
    if skip(value):
        return
    if not _TYPE_CHECKS[expected.type](value):
        message = f"expected {_NOUNS[expected.type]}, got {_kind(value)}"
        yield Problem(path, Rule.TYPE, message, value)
        return
    if isinstance(value, str):
        yield from _text_problems(expected, value, path)
    elif expected.type == "structure" and isinstance(value, Mapping):
        yield from _structure_problems(expected, value, path, skip)
    elif expected.type == "map" and isinstance(value, Mapping):
        yield from _map_problems(expected, value, path, skip)
    elif expected.type == "list" and isinstance(value, (list, tuple)):
        yield from _list_problems(expected, value, path, skip)
    elif isinstance(value, (int, float)):
        yield from _number_problems(expected, value, path)


def _structure_problems(
    expected: Shape, value: Mapping[object, object], path: _Path, skip: Skip
) -> Iterator[Problem]:
    for name in expected.required:
        if name not in value:
            yield Problem((*path, name), Rule.REQUIRED, "is required", value)
    if expected.union and len(value) != 1:
        message = f"expected exactly one of {', '.join(expected.members)}, got {len(value)}"
        yield Problem(path, Rule.UNION, message, value)
    for key, member in value.items():
        name = _name(key)
        inner = expected.members.get(name)
        if inner is not None:
            yield from _problems(shape(inner), member, (*path, name), skip)
        elif not skip(key):
            message = f"is not a member of {expected.name}{_did_you_mean(name, expected.members)}"
            yield Problem((*path, name), Rule.UNKNOWN_MEMBER, message, member)


def _map_problems(
    expected: Shape, value: Mapping[object, object], path: _Path, skip: Skip
) -> Iterator[Problem]:
    yield from _size_problems(expected, value, path)
    for key, element in value.items():
        inner = (*path, _name(key))
        if expected.key is not None:
            for problem in _problems(shape(expected.key), key, inner, skip):
                message = f"its key: {problem.message}"
                yield Problem(problem.path, problem.rule, message, key)
        yield from _problems(_element(expected), element, inner, skip)


def _list_problems(
    expected: Shape, value: list[object] | tuple[object, ...], path: _Path, skip: Skip
) -> Iterator[Problem]:
    yield from _size_problems(expected, value, path)
    for index, element in enumerate(value):
        yield from _problems(_element(expected), element, (*path, index), skip)


def _element(outer: Shape) -> Shape:
    if outer.element is None:
        raise UnknownShapeError(f"{outer.name} has no elements")
    return shape(outer.element)


def _text_problems(expected: Shape, value: str, path: _Path) -> Iterator[Problem]:
    if expected.type != "string":
        return
    if expected.enum and value not in expected.enum:
        got = f"got {value[:_LONGEST_NAME]!r}{_did_you_mean(value, expected.enum)}"
        message = f"expected {_one_of(expected)}, {got}"
        yield Problem(path, Rule.ENUM, message, value)
    yield from _size_problems(expected, value, path)
    if expected.pattern is not None and not _compiled(expected.pattern).fullmatch(value):
        yield Problem(path, Rule.PATTERN, f"expected a match of {expected.pattern}", value)


def _size_problems(
    expected: Shape,
    value: str | Mapping[object, object] | list[object] | tuple[object, ...],
    path: _Path,
) -> Iterator[Problem]:
    # Python and the model count text alike, in Unicode code points: Smithy's length trait is
    # the number of scalar values (https://smithy.io/2.0/spec/constraint-traits.html).
    size = len(value)
    noun, least, most = _COUNTED[expected.type]
    broken = _broken(expected, size, least, most)
    if broken is not None:
        yield Problem(path, broken, f"expected {_range(expected)} {noun}, got {size}", value)


def _number_problems(expected: Shape, value: float, path: _Path) -> Iterator[Problem]:
    broken = _broken(expected, value, Rule.MIN, Rule.MAX)
    if broken is not None:
        yield Problem(path, broken, f"expected {_range(expected)}, got {_digits(value)}", value)


def _broken(expected: Shape, amount: float, least: Rule, most: Rule) -> Rule | None:
    if expected.minimum is not None and amount < expected.minimum:
        return least
    if expected.maximum is not None and amount > expected.maximum:
        return most
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # ASCII: in the service's engine \d and \w are ASCII classes.
    return re.compile(pattern, re.ASCII)


# --- Words. ---

_COUNTED = {
    "string": ("characters", Rule.MIN_LENGTH, Rule.MAX_LENGTH),
    "list": ("items", Rule.MIN_ITEMS, Rule.MAX_ITEMS),
    "map": ("entries", Rule.MIN_ITEMS, Rule.MAX_ITEMS),
}

_NOUNS = {
    "structure": "an object",
    "list": "a list",
    "map": "a map",
    "string": "text",
    "integer": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "boolean": "true or false",
    "timestamp": "a time",
    "blob": "bytes",
}


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_time(value: object) -> bool:
    if isinstance(value, str):
        return _is_iso_time(value)
    return isinstance(value, datetime) or _is_number(value)


def _is_iso_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_TYPE_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "structure": lambda value: isinstance(value, Mapping),
    "list": lambda value: isinstance(value, (list, tuple)),
    "map": lambda value: isinstance(value, Mapping),
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "long": _is_integer,
    "float": _is_number,
    "double": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "timestamp": _is_time,
    "blob": lambda value: isinstance(value, (bytes, bytearray)),
}


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    return f"of type {type(value).__name__}"


def _range(limited: Shape) -> str:
    if limited.minimum is None:
        return f"at most {limited.maximum}"
    if limited.maximum is None:
        return f"at least {limited.minimum}"
    return f"{limited.minimum} to {limited.maximum}"


def _digits(value: float) -> str:
    return str(value) if abs(value) < _LONGEST_NUMBER else "far off"


def _one_of(limited: Shape) -> str:
    if len(limited.enum) <= _NAMED_ENUM_VALUES:
        return f"one of {', '.join(limited.enum)}"
    return f"one of the {len(limited.enum)} values of {limited.name}"


def _name(key: object) -> str:
    return key if isinstance(key, str) else f"({_kind(key)})"


def _did_you_mean(wrong: str, names: Mapping[str, str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(wrong[:_LONGEST_NAME], list(names), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""
