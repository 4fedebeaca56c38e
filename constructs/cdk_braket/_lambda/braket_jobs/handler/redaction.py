"""Removing an event's secrets from every string that leaves the handler."""

import os
from collections.abc import Iterator, Mapping

from ..contract import PointMember, RunProperty
from .errors import hyperparameter_values, redacted
from .properties import request_or_empty

_CREDENTIALS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def without_secrets_of(event: Mapping[str, object], text: str) -> str:
    """Return the text without the event's secrets and the function's credentials.

    The secrets are the values of hyperparameters, the ResponseURL and task tokens.

    Args:
        event: The event.
        text: The text, whole: a part of a secret is not recognized.
    """
    return redacted(text, _secrets(event))


def _secrets(event: Mapping[str, object]) -> Iterator[str]:
    yield from filter(None, (os.environ.get(name) for name in _CREDENTIALS))
    for name in ("ResponseURL", RunProperty.TASK_TOKEN):
        value = event.get(name)
        if isinstance(value, str) and value:
            yield value
    for name in ("ResourceProperties", "OldResourceProperties", RunProperty.PROPERTIES):
        properties = event.get(name)
        if isinstance(properties, Mapping):
            yield from hyperparameter_values(request_or_empty(properties))
    point = event.get(RunProperty.POINT)
    of_point = point.get(PointMember.PARAMETERS) if isinstance(point, Mapping) else None
    for more in (event.get(RunProperty.HYPERPARAMETERS), of_point):
        if isinstance(more, Mapping):
            yield from hyperparameter_values({"hyperParameters": _as_strings(more)})


def _as_strings(values: Mapping[object, object]) -> dict[str, str]:
    return {str(name): value for name, value in values.items() if isinstance(value, str)}
