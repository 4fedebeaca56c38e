"""Jobs that state machines and schedules run: started, waited for, cancelled.

An execution is to a run what a stack is to a resource: a start is a Create, so that it may be
repeated at any point and is one job, and an execution that is stopped is a Delete.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from ..api.service_rules import is_unicode, mapping_in
from ..contract import (
    COMPLETED,
    RUN_ID,
    RUN_STATUS,
    RUN_WAITS_UNTIL,
    Attribute,
    Property,
    RunAction,
    RunProperty,
)
from ..issue import Issue
from .errors import Failure, Kind, LateEventFailure, ServiceError
from .gateway import Job
from .invocation import NOTHING_STARTED, Event, RequestType
from .lifecycle import Lifecycle
from .properties import Location, read_request
from .retries import PROPAGATION_SECONDS_OF_DELETE, Calls, Tools
from .wait_for_job import APPEARS_SECONDS

_LONGEST_CAUSE = 30_000  # characters; Step Functions takes 32,768
_LONGEST_TIMEOUT = 99_999_999  # seconds; what Step Functions takes

_STARTED_AT, _ENDED_AT = 0.0, 1.0
"""The order of a run's two events, as dates: a start that arrives after the end is late. A run
starts once, so neither clocks nor retries can change that."""

_STOPPED = "stopped"
"""The name of the object that says that an execution is over. No run has it: theirs are digests."""


def is_run_event(event: object) -> bool:
    """Return whether an event asks for an action."""
    action = event.get(RunProperty.ACTION) if isinstance(event, Mapping) else None
    # Another value than a string may not be hashable.
    return isinstance(action, str) and action in set(RunAction)


def run(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    """Do the action that an event asks for.

    Args:
        event: The event.
        tools: The means of the invocation.

    Returns:
        For a start, the job's attributes; else nothing.

    Raises:
        Failure: It could not be done.
    """
    actions = {
        RunAction.START: _start,
        RunAction.WAIT: _wait,
        RunAction.JOB_ENDED: _job_ended,
        RunAction.EXECUTION_ENDED: _execution_ended,
        RunAction.CANCEL: _cancel_run,
    }
    try:
        return actions[RunAction(str(event[RunProperty.ACTION]))](event, tools)
    except ServiceError as error:
        raise Failure(f"{error}") from error


# --- The actions. ---


def _start(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    execution = _text(event, RunProperty.EXECUTION)
    run_id = _text(event, RunProperty.RUN_ID)
    properties = _with_hyperparameters(event)
    seconds = _timeout(event)
    resource = _digest(run_id)
    records = Location.parse(_text(properties, Property.RECORDS))
    # First, so that an execution that is stopped from now on finds the run to cancel; then, so
    # that one that was stopped before is noticed: either it finds the run, or we find its end.
    _write(tools, _of_execution(records, execution, resource), json.dumps({"run": resource}))
    if _read(tools, _of_execution(records, execution, _STOPPED))[0] is not None:
        raise LateEventFailure("The execution is over, so no job was started.")
    created = _event(RequestType.CREATE, execution, resource, properties)
    outcome = Lifecycle(created, tools).handle()
    answer: dict[str, object] = {**outcome.attributes, RUN_ID: run_id}
    if seconds is not None:
        answer[RUN_WAITS_UNTIL] = tools.gateway.now() + seconds
    return answer


def _wait(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    started = mapping_in(event, RunProperty.RUN)
    arn = _text(started, Attribute.JOB_ARN)
    records = Location.parse(_text(event, RunProperty.RECORDS))
    token = _text(event, RunProperty.TASK_TOKEN)
    waiting = {"token": token, "run": started}
    # First, so that a job that ends from now on finds who waits for it.
    _write(tools, _of_job(records, arn), json.dumps(waiting))
    job = Calls(tools).job_or_none(arn, APPEARS_SECONDS)
    until = started.get(RUN_WAITS_UNTIL)
    if job is None or job.is_over:
        _answer(tools, token, started, job)
    elif isinstance(until, int | float) and tools.gateway.now() >= until:
        execution = _text(event, RunProperty.EXECUTION)
        resource = _digest(_text(started, RUN_ID))
        _cancel(tools, records, execution, resource)
        cause = f"The job {arn} was not over in time, and was cancelled."
        _send(tools, partial(tools.gateway.send_task_failure, token, "HybridJob.Timeout", cause))
    return {}


def _job_ended(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    records = Location.parse(_text(event, RunProperty.RECORDS))
    arn = _text(event, RunProperty.JOB_ARN)
    found, _ = _read(tools, _of_job(records, arn))
    if found is None:
        return {}  # nobody waits for this job: it is another's
    waiting = _loaded(found)
    job = Calls(tools).job_or_none(arn)
    if job is not None and job.is_over:
        _answer(tools, _text(waiting, "token"), mapping_in(waiting, "run"), job)
    return {}


def _execution_ended(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    """Cancel every run of an execution that is not over, and every one that is still to start."""
    records = Location.parse(_text(event, RunProperty.RECORDS))
    execution = _text(event, RunProperty.EXECUTION)
    _write(tools, _of_execution(records, execution, _STOPPED), json.dumps({"run": None}))
    below = _of_execution(records, execution, "")
    pages = Calls(tools, PROPAGATION_SECONDS_OF_DELETE).pages
    keys = list(pages(lambda token: tools.gateway.list_keys(below, token)))
    failures: list[Failure] = []
    for name in (key.removeprefix(below.key) for key in keys):
        try:
            if name != _STOPPED:
                _cancel(tools, records, execution, name)
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return {}


def _cancel_run(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    records = Location.parse(_text(event, RunProperty.RECORDS))
    execution = _text(event, RunProperty.EXECUTION)
    _cancel(tools, records, execution, _digest(_text(event, RunProperty.RUN_ID)))
    return {}


def _cancel(tools: Tools, records: Location, execution: str, resource: str) -> None:
    """Cancel a run; one whose start did not arrive yet is never started."""
    properties = {Property.RECORDS.value: records.uri}
    deleted = _event(RequestType.DELETE, execution, resource, properties)
    Lifecycle(deleted, tools).handle()


# --- What they share. ---


def _answer(tools: Tools, token: str, started: Mapping[str, object], job: Job | None) -> None:
    """Report the end of its job to the state that waits."""
    status = "unknown" if job is None else job.status
    tools.log("run_over", {"jobArn": started.get(Attribute.JOB_ARN), "status": status})
    if status == COMPLETED:
        output = {k: v for k, v in started.items() if k != RUN_WAITS_UNTIL}
        output[RUN_STATUS] = status
        _send(tools, partial(tools.gateway.send_task_success, token, output))
        return
    cause = (job.failure_reason if job else "") or f"The job is {status}."
    error = f"HybridJob.{status.capitalize()}"
    _send(tools, partial(tools.gateway.send_task_failure, token, error, cause[:_LONGEST_CAUSE]))


def _send(tools: Tools, send: Callable[[], None]) -> None:
    """Answer a state, if it still waits."""
    try:
        Calls(tools).retry(send)
    except ServiceError as error:
        if error.code not in {"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"}:
            raise
        tools.log("nobody_waits", {"error": error.code})


def _with_hyperparameters(event: Mapping[str, object]) -> Mapping[str, object]:
    """Return the definition's properties with the hyperparameters of this run."""
    properties = mapping_in(event, RunProperty.PROPERTIES)
    given = event.get(RunProperty.HYPERPARAMETERS) or {}
    if not isinstance(given, Mapping) or not all(
        isinstance(value, str | int | float) for value in given.values()
    ):
        rule = "must be an object of strings, numbers and bools"
        raise Failure(Issue(RunProperty.HYPERPARAMETERS, rule))
    request = read_request(properties)
    if given:
        known = mapping_in(request, "hyperParameters")
        merged = {**known, **{str(k): str(v) for k, v in given.items()}}
        request = {**request, "hyperParameters": merged}
    return {**properties, Property.REQUEST.value: request}


def _event(
    kind: RequestType, execution: str, resource: str, properties: Mapping[str, object]
) -> Event:
    return Event(
        type=kind,
        id=_digest(f"{kind}\n{execution}\n{resource}"),
        stack_id=execution,
        logical_id=resource,
        physical_id="" if kind is RequestType.CREATE else NOTHING_STARTED,
        properties=properties,
        old_properties={},
        sent_at=_STARTED_AT if kind is RequestType.CREATE else _ENDED_AT,
    )


def _of_execution(records: Location, execution: str, resource: str) -> Location:
    return replace(records, key=f"{records.key}/executions/{_digest(execution)}/{resource}")


def _of_job(records: Location, job_arn: str) -> Location:
    return replace(records, key=f"{records.key}/waiting/{_digest(job_arn)}")


def _read(tools: Tools, place: Location) -> tuple[str, str] | tuple[None, None]:
    """Return an object's text and version, if it exists."""
    return Calls(tools).retry(lambda: tools.gateway.read_record(place)) or (None, None)


def _write(tools: Tools, place: Location, text: str) -> None:
    """Write an object over the one that may exist: the last one who waits counts."""
    calls, attempt = Calls(tools), 0
    while True:
        found, version = _read(tools, place)
        if found == text:
            return
        try:
            calls.retry(partial(tools.gateway.write_record, place, text, version))
        except ServiceError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            calls.pause(attempt, "others change the record")
            attempt += 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _loaded(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Failure("The object of the state that waits is damaged")
    return value


def _timeout(event: Mapping[str, object]) -> float | None:
    """Return how long a job may take (seconds); None for any time."""
    value = event.get(RunProperty.TIMEOUT_SECONDS)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = float(str(value)) if is_number else math.nan
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        name = RunProperty.TIMEOUT_SECONDS
        raise Failure(f"{name} is not a number of seconds up to {_LONGEST_TIMEOUT}")
    return seconds


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise Failure(f"{name} is missing or is not text")
    return value
