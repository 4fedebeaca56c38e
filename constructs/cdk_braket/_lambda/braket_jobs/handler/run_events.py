"""The members of the events of state machines, and the answers to waiting states."""

import hashlib
import math
from collections.abc import Callable, Mapping

from ..api.service_rules import is_unicode, mapping_in
from ..contract import RunProperty
from ..issue import Issue
from .errors import Failure, ServiceError
from .retries import Tools

LONGEST_CAUSE = 30_000  # characters; Step Functions accepts 32,768
_LONGEST_SHOWN = 200
_LONGEST_TIMEOUT = 99_999_999  # seconds; what Step Functions accepts


def send(tools: Tools, answer: Callable[[], None]) -> None:
    """Answer a state, unless it no longer waits."""
    try:
        tools.calls().retry(answer)
    except ServiceError as error:
        if error.code not in {"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"}:
            raise
        tools.log("nobody_waits", {"error": error.code})


def digest(text: str) -> str:
    """Return a short name for a string of any length."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def timeout_in(event: Mapping[str, object]) -> float | None:
    """Return the longest duration of a job (seconds); None if it is unlimited."""
    value = event.get(RunProperty.TIMEOUT_SECONDS)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = float(str(value)) if is_number else math.nan
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        name = RunProperty.TIMEOUT_SECONDS
        raise Failure(f"{name} is not a number of seconds up to {_LONGEST_TIMEOUT}")
    return seconds


def text_of(values: Mapping[str, object], name: str) -> str:
    """Return a string that must be there.

    Raises:
        Failure: It is missing, empty or not a string.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise Failure(f"{name} is missing or is not text")
    return value


def with_device(request: Mapping[str, object], event: Mapping[str, object]) -> Mapping[str, object]:
    """Return a request with the device of a run, which must be one of the allowed devices.

    Raises:
        Failure: The device is not a string, or not allowed.
    """
    if RunProperty.DEVICE not in event:
        return request
    given, allowed = event[RunProperty.DEVICE], event.get(RunProperty.ALLOWED_DEVICES)
    names = [str(each) for each in allowed] if isinstance(allowed, list) else []
    if not isinstance(given, str) or given not in names:
        rule = f"expected one of allowed_devices ({', '.join(names)})"
        fix = "Pass one of them, or add the device to allowed_devices and deploy again"
        raise Failure(Issue(RunProperty.DEVICE, rule, fix, repr(given)[:_LONGEST_SHOWN]))
    return {**request, "deviceConfig": {**mapping_in(request, "deviceConfig"), "device": given}}


def with_hyperparameters(request: Mapping[str, object], given: object) -> Mapping[str, object]:
    """Return a request with more hyperparameters, or with others in their place.

    Raises:
        Failure: They are not strings, numbers and bools by name.
    """
    if not isinstance(given, Mapping) or not all(
        isinstance(value, str | int | float) for value in given.values()
    ):
        rule = "expected an object of strings, numbers and bools"
        raise Failure(Issue(RunProperty.HYPERPARAMETERS, rule))
    if not given:
        return request
    known = mapping_in(request, "hyperParameters")
    merged = {**known, **{str(k): str(v) for k, v in given.items()}}
    return {**request, "hyperParameters": merged}
