"""Jobs that state machines and schedules run: started, waited for, cancelled.

A run in an execution is handled like a resource in a stack. A start is a Create, so it may be
repeated at any point and starts one job. A stopped execution is a Delete.
"""

from collections.abc import Callable, Mapping
from functools import partial

from ..api.service_rules import mapping_in
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
from .errors import Failure, LateEventFailure, ServiceError
from .gateway import Job
from .invocation import NOTHING_STARTED, Event, RequestType
from .lifecycle import Lifecycle
from .properties import Location, read_request
from .retries import Tools
from .run_events import (
    LONGEST_CAUSE,
    digest,
    send,
    text_of,
    timeout_in,
    with_device,
    with_hyperparameters,
)
from .run_objects import STOPPED, RunObjects
from .sweep_points import (
    answer_point,
    cancel_points,
    collect_points,
    is_point,
    is_point_record,
    run_point,
)
from .wait_for_job import APPEARS_SECONDS

_STARTED_AT, _ENDED_AT = 0.0, 1.0
"""The order of a run's two events, as dates: a start that arrives after the end is late. A run
starts once, so neither clocks nor retries can change this."""


def is_run_event(event: object) -> bool:
    """Return whether an event requests an action."""
    action = event.get(RunProperty.ACTION) if isinstance(event, Mapping) else None
    # A value that is not a string may not be hashable.
    return isinstance(action, str) and action in set(RunAction)


def run(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    """Run the action of an event.

    Args:
        event: The event.
        tools: The tools of the invocation.

    Returns:
        For a start, the job's attributes; for a collection, its summary; else nothing.

    Raises:
        Failure: The action failed.
    """
    actions: dict[RunAction, Callable[[Mapping[str, object], Tools], Mapping[str, object]]] = {
        RunAction.START: _start,
        RunAction.WAIT: _wait,
        RunAction.JOB_ENDED: _job_ended,
        RunAction.EXECUTION_ENDED: _execution_ended,
        RunAction.CANCEL: _cancel_run,
        RunAction.RUN_POINT: run_point,
        RunAction.COLLECT_POINTS: collect_points,
    }
    try:
        return actions[RunAction(str(event[RunProperty.ACTION]))](event, tools)
    except ServiceError as error:
        raise Failure(f"{error}") from error


# --- The actions. ---


def _start(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    execution = text_of(event, RunProperty.EXECUTION)
    run_id = text_of(event, RunProperty.RUN_ID)
    properties = _properties_of_run(event)
    seconds = timeout_in(event)
    resource = digest(run_id)
    objects = RunObjects(tools, Location.parse(text_of(properties, Property.RECORDS)))
    # First write the run, then read the end. If the execution stops, either it finds the run, or
    # this start finds the end.
    objects.write(objects.of_execution(execution, resource), {"run": resource})
    if objects.stopped_at(execution) is not None:
        raise LateEventFailure("The execution has ended, so no job was started.")
    created = _event(RequestType.CREATE, execution, resource, properties)
    outcome = Lifecycle(created, tools).handle()
    answer: dict[str, object] = {**outcome.attributes, RUN_ID: run_id}
    if seconds is not None:
        answer[RUN_WAITS_UNTIL] = tools.gateway.now() + seconds
    return answer


def _wait(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    started = mapping_in(event, RunProperty.RUN)
    arn = text_of(started, Attribute.JOB_ARN)
    objects = _objects(event, tools)
    token = text_of(event, RunProperty.TASK_TOKEN)
    # First, so that a job that ends from now on finds the waiting state.
    objects.write(objects.of_job(arn), {"token": token, "run": started})
    job = tools.calls().job_or_none(arn, APPEARS_SECONDS)
    until = started.get(RUN_WAITS_UNTIL)
    if job is None or job.has_ended:
        _answer(tools, token, started, job)
    elif isinstance(until, int | float) and tools.gateway.now() >= until:
        execution = text_of(event, RunProperty.EXECUTION)
        resource = digest(text_of(started, RUN_ID))
        _cancel(objects, execution, resource)
        cause = f"The job {arn} did not end in time, and was cancelled."
        send(tools, partial(tools.gateway.send_task_failure, token, "HybridJob.Timeout", cause))
    return {}


def _job_ended(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    objects = _objects(event, tools)
    arn = text_of(event, RunProperty.JOB_ARN)
    waiting = objects.read(objects.of_job(arn))
    if waiting is None:
        return {}  # no execution waits for this job
    job = tools.calls().job_or_none(arn)
    if job is None or not job.has_ended:
        return {}
    started, token = mapping_in(waiting, "run"), text_of(waiting, "token")
    if is_point(started):
        answer_point(objects, token, started, job)
    else:
        _answer(tools, token, started, job)
    return {}


def _execution_ended(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    try:
        at = float(str(event.get(RunProperty.STOPPED_AT))) / 1000
    except ValueError:
        at = tools.gateway.now()
    cancel_all(_objects(event, tools), text_of(event, RunProperty.EXECUTION), at)
    return {}


def _cancel_run(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    execution = text_of(event, RunProperty.EXECUTION)
    _cancel(_objects(event, tools), execution, digest(text_of(event, RunProperty.RUN_ID)))
    return {}


def cancel_all(objects: RunObjects, execution: str, at: float) -> None:
    """Cancel every running run of an execution, and every one that has not started yet.

    Args:
        objects: The objects about the runs.
        execution: The execution's ARN.
        at: When it ended (seconds since the epoch). A redrive starts points after that.

    Raises:
        Failure: A job may still run. The others are cancelled.
    """
    objects.stop(execution, at)
    names = objects.names(execution)
    failures = cancel_points(objects, execution, names, at)
    for name in names:
        try:
            if name != STOPPED and not is_point_record(name):
                _cancel(objects, execution, name)
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _cancel(objects: RunObjects, execution: str, resource: str) -> None:
    """Cancel a run; a run whose start has not arrived yet is never started."""
    properties = {Property.RECORDS.value: objects.records.uri}
    deleted = _event(RequestType.DELETE, execution, resource, properties)
    Lifecycle(deleted, objects.tools).handle()


# --- Shared functions. ---


def _objects(event: Mapping[str, object], tools: Tools) -> RunObjects:
    return RunObjects(tools, Location.parse(text_of(event, RunProperty.RECORDS)))


def _answer(tools: Tools, token: str, started: Mapping[str, object], job: Job | None) -> None:
    """Report the end of the job to the waiting state."""
    status = "unknown" if job is None else job.status
    tools.log("run_over", {"jobArn": started.get(Attribute.JOB_ARN), "status": status})
    if status == COMPLETED:
        output = {k: v for k, v in started.items() if k != RUN_WAITS_UNTIL}
        output[RUN_STATUS] = status
        send(tools, partial(tools.gateway.send_task_success, token, output))
        return
    cause = (job.failure_reason if job else "") or f"The job is {status}."
    error = f"HybridJob.{status.capitalize()}"
    send(tools, partial(tools.gateway.send_task_failure, token, error, cause[:LONGEST_CAUSE]))


def _properties_of_run(event: Mapping[str, object]) -> Mapping[str, object]:
    """Return the definition's properties with the hyperparameters and the device of this run."""
    properties = mapping_in(event, RunProperty.PROPERTIES)
    request = with_hyperparameters(
        read_request(properties), event.get(RunProperty.HYPERPARAMETERS) or {}
    )
    request = with_device(request, event)
    return {**properties, Property.REQUEST.value: request}


def _event(
    kind: RequestType, execution: str, resource: str, properties: Mapping[str, object]
) -> Event:
    return Event(
        type=kind,
        id=digest(f"{kind}\n{execution}\n{resource}"),
        stack_id=execution,
        logical_id=resource,
        physical_id="" if kind is RequestType.CREATE else NOTHING_STARTED,
        properties=properties,
        old_properties={},
        sent_at=_STARTED_AT if kind is RequestType.CREATE else _ENDED_AT,
    )
