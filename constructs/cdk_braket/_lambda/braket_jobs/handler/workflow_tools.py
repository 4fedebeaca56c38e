"""The parts that the actions of state machines share: calls, records, task tokens."""

import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..api.service_rules import is_unicode
from ..contract import RunProperty
from .errors import Failure, Kind, ServiceError
from .gateway import Gateway
from .invocation import Log, RequestType
from .properties import Location
from .retries import (
    PROPAGATION_SECONDS,
    PROPAGATION_SECONDS_OF_DELETE,
    Budget,
    Calls,
)

APPEARS_SECONDS = 120.0
"""For how long a GetJob that finds no job is not believed: the job may just have been created."""

LONGEST_CAUSE = 30_000  # characters; Step Functions accepts 32,768
_LONGEST_TIMEOUT = 99_999_999  # seconds; what Step Functions accepts

STOPPED = "stopped"
"""The name of the object that marks an execution as ended. No run has it: theirs are digests."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of every action."""

    gateway: Gateway
    budget: Budget
    log: Log
    rng: random.Random

    def calls(self, kind: RequestType = RequestType.CREATE) -> Calls:
        """Return the calls of an action, with retries."""
        seconds = PROPAGATION_SECONDS
        if kind is RequestType.DELETE:
            seconds = PROPAGATION_SECONDS_OF_DELETE
        return Calls(self.gateway, self.budget, self.rng, seconds)


def of_execution(records: Location, execution: str, name: str) -> Location:
    """Return where an object about an execution is."""
    return replace(records, key=f"{records.key}/executions/{digest(execution)}/{name}")


def of_job(records: Location, job_arn: str) -> Location:
    """Return where the task token is that waits for a job."""
    return replace(records, key=f"{records.key}/waiting/{digest(job_arn)}")


def read(tools: Tools, place: Location) -> str | None:
    """Return an object's text; None if there is none."""
    found = tools.calls().retry(lambda: tools.gateway.read_record(place))
    return None if found is None else found[0]


def write(tools: Tools, place: Location, text: str) -> None:
    """Write an object over an existing one: the last writer wins."""
    calls = tools.calls()
    for attempt in itertools.count():
        found = calls.retry(lambda: tools.gateway.read_record(place))
        if found is not None and found[0] == text:
            return
        if _was_written(tools, place, text, None if found is None else found[1]):
            return
        calls.pause(attempt, "others change the record")


def _was_written(tools: Tools, place: Location, text: str, version: str | None) -> bool:
    try:
        tools.calls().retry(lambda: tools.gateway.write_record(place, text, version))
    except ServiceError as error:
        if error.kind is Kind.CONFLICT:
            return False
        raise
    return True


def names_below(tools: Tools, place: Location) -> list[str]:
    """Return the rest of each key that begins with the location's."""
    pages = tools.calls().pages(lambda token: tools.gateway.list_keys(place, token))
    return [key.removeprefix(place.key) for key in pages]


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


def loaded(text: str) -> Mapping[str, object]:
    """Read a JSON object.

    Raises:
        Failure: The text is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Failure("A record is not a JSON object.")
    return value


def timeout_in(event: Mapping[str, object]) -> float | None:
    """Return the longest duration of a job (seconds); None if it is unlimited."""
    value = event.get(RunProperty.TIMEOUT_SECONDS)
    if value is None:
        return None
    number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else value
    if not 0 <= number <= _LONGEST_TIMEOUT:
        raise Failure(
            f"{RunProperty.TIMEOUT_SECONDS} is not a number of seconds up to {_LONGEST_TIMEOUT}."
        )
    return float(number)


def text_of(values: Mapping[str, object], name: str) -> str:
    """Return a string that must be there.

    Raises:
        Failure: It is missing, empty or not a string.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise Failure(f"{name} is missing or is not text.")
    return value


def mapping_of(values: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object; an empty one if it is missing."""
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}


def with_hyperparameters(request: Mapping[str, object], given: object) -> Mapping[str, object]:
    """Return a request with more hyperparameters, or with others in their place.

    Raises:
        Failure: They are not strings, numbers and bools by name.
    """
    if not isinstance(given, Mapping):
        raise Failure("The hyperparameters are not an object of strings.")
    wrong = [k for k, v in given.items() if not isinstance(v, str | int | float)]
    if wrong:
        names = ", ".join(sorted(map(str, wrong)))
        raise Failure(f"Hyperparameters must be strings, numbers or bools: {names} are not.")
    if not given:
        return request
    known = mapping_of(request, "hyperParameters")
    merged = {**known, **{str(k): str(v) for k, v in given.items()}}
    return {**request, "hyperParameters": merged}
