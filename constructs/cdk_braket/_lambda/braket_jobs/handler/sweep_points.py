"""The points of a sweep: each starts once, and ends as a row of a table.

A point belongs to a sweep as a resource belongs to a stack. The name of the sweep is its state
machine and the run that its input names. So another execution, or a redrive, finds the jobs of the
executions before it. It adopts a completed job, and runs a failed one again. The reasoning is in
docs/adr/0016-sweeps.md.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..api import model_rules
from ..api.service_rules import mapping_in
from ..api.sweep_table import Row, lines_of, summary_of, table_of
from ..contract import (
    COMPLETED,
    RUN_ID_PLACEHOLDER,
    RUN_WAITS_UNTIL,
    SWEEP_POINT_TAG,
    SWEEP_RUN,
    SWEEP_TAG,
    TABLE_FILE,
    Attribute,
    PointMember,
    Property,
    RunProperty,
)
from .errors import Failure, LateEventFailure, ServiceError
from .gateway import Job
from .invocation import MAY_EXIST, Event, RequestType
from .job_record import CLOCK_SKEW_SECONDS
from .lifecycle import Lifecycle
from .properties import Location, read_request
from .retries import Tools
from .run_events import LONGEST_CAUSE, digest, send, text_of, timeout_in, with_hyperparameters
from .run_objects import RunObjects, loaded, read_text
from .wait_for_job import APPEARS_SECONDS

_PREFIX = "point-"
_OVER = ".over"
_RECORD = "record"
_LONGEST_SLUG = 20
_LONGEST_METRICS = 100_000  # characters of JSON; an output of Step Functions has 256 KiB
_MOST_TAGS = 50
"""Source: https://docs.aws.amazon.com/braket/latest/APIReference/API_TagResource.html"""


@dataclass(frozen=True, slots=True)
class Point:
    """One attempt of one execution at a point.

    Attributes:
        execution: The sweep's execution.
        sweep: The name of the sweep's run, the same in all executions that share their jobs.
        machine: The name of the sweep's state machine.
        index: The number of the point, from 0.
        parameters: Its hyperparameters.
        attempt: Identifies this attempt among those of other executions and redrives.
        at: When the attempt began (seconds since the epoch).
    """

    execution: str
    sweep: str
    machine: str
    index: int
    parameters: Mapping[str, object]
    attempt: str
    at: float

    @classmethod
    def of(cls, event: Mapping[str, object]) -> "Point":
        """Read an event.

        Raises:
            Failure: A member is missing or has the wrong type.
        """
        point, child = (
            mapping_in(event, RunProperty.POINT),
            mapping_in(event, RunProperty.CHILD),
        )
        machine = text_of(point, PointMember.STATE_MACHINE)
        run = mapping_in(point, PointMember.INPUT).get(SWEEP_RUN, "")
        index = point.get(PointMember.INDEX)
        parameters = point.get(PointMember.PARAMETERS)
        if not isinstance(index, int) or isinstance(index, bool):
            raise Failure(f"{PointMember.INDEX} is not a number.")
        if not isinstance(parameters, Mapping):
            raise Failure(
                f"Point {index}: expected an object of hyperparameters. Use an object for each "
                "item, or a CSV file with a header."
            )
        redrives = child.get("RedriveCount") or 0
        began = child.get("RedriveTime") or text_of(child, "StartTime")
        return cls(
            execution=text_of(point, PointMember.EXECUTION),
            sweep=digest(f"{machine}\n{run}"),
            machine=machine.rpartition(":")[2].partition("/")[0],
            index=index,
            parameters=parameters,
            attempt=digest(f"{text_of(child, 'Id')}\n{redrives}"),
            at=_seconds(str(began)),
        )

    @property
    def resource(self) -> str:
        """The name of the point: its parameters, wherever in the list it is."""
        texts = {str(key): str(value) for key, value in self.parameters.items()}
        return digest(json.dumps(texts, sort_keys=True))

    @property
    def record(self) -> str:
        """The name of the attempt's object."""
        return f"{_PREFIX}{self.resource}-{self.attempt}"


def is_point(run: Mapping[str, object]) -> bool:
    """Return whether the run that waits for a job is a point of a sweep."""
    return _RECORD in run


def is_point_record(name: str) -> bool:
    """Return whether an object of an execution is about a point of a sweep."""
    return name.startswith(_PREFIX)


# --- Running a point. ---


def run_point(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    """Start the job of a point or find it, and answer the state once the job ends.

    Called again after each poll interval, with another task token: then it checks the job.
    """
    point = Point.of(event)
    token = text_of(event, RunProperty.TASK_TOKEN)
    properties = _properties_of(point, mapping_in(event, RunProperty.PROPERTIES))
    objects = RunObjects(tools, Location.parse(text_of(properties, Property.RECORDS)))
    known = objects.read(objects.of_execution(point.execution, point.record))
    run = mapping_in(known, "run")
    if not run:
        run = _started(point, properties, objects, token, timeout_in(event))
    elif _waiting(objects, text_of(run, Attribute.JOB_ARN)) in ({}, run[_RECORD]):
        _expect(objects, run, token)
    # Else another execution has found the job since. It receives the event, and this one polls.
    _wait(point, run, objects, token)
    return {}


def _started(
    point: Point,
    properties: Mapping[str, object],
    objects: RunObjects,
    token: str,
    seconds: float | None,
) -> Mapping[str, object]:
    place = objects.of_execution(point.execution, point.record)
    announced: dict[str, object] = {
        "sweep": point.sweep,
        "resource": point.resource,
        "at": point.at,
    }
    # First, so that an execution that is stopped from now on finds the point to cancel; then, so
    # that one that was stopped before is noticed. A redrive begins after the stop.
    objects.write(place, announced)
    stopped_at = objects.stopped_at(point.execution)
    if stopped_at is not None and point.at <= stopped_at:
        raise LateEventFailure("The sweep was stopped, so no job was started.")
    event = Event(
        type=RequestType.CREATE,
        id=point.attempt,
        stack_id=point.sweep,
        logical_id=point.resource,
        physical_id="",
        properties=properties,
        old_properties={},
        sent_at=point.at,
        is_point=True,
    )
    outcome = Lifecycle(event, objects.tools).handle()
    run: dict[str, object] = {
        _RECORD: {"execution": point.execution, "name": point.record},
        "point": {
            PointMember.INDEX.value: point.index,
            PointMember.PARAMETERS.value: point.parameters,
        },
        Attribute.JOB_ARN.value: outcome.physical_id,
        Attribute.JOB_NAME.value: outcome.attributes.get(Attribute.JOB_NAME, ""),
        Attribute.RESULTS_S3_URI.value: outcome.attributes.get(Attribute.RESULTS_S3_URI, ""),
    }
    if seconds is not None:
        run[RUN_WAITS_UNTIL] = objects.tools.gateway.now() + seconds
    # First, so that an attempt that is noted with a run already receives the event.
    _expect(objects, run, token)
    objects.write(place, {**announced, "job": outcome.physical_id, "run": run})
    return run


def _expect(objects: RunObjects, run: Mapping[str, object], token: str) -> None:
    """Have the event of the job's end return a token. The job is checked after that."""
    place = objects.of_job(text_of(run, Attribute.JOB_ARN))
    objects.write(place, {"token": token, "run": run})


def _waiting(objects: RunObjects, job: str) -> Mapping[str, object]:
    """Return the attempt that receives the event of a job's end; empty without one."""
    return mapping_in(mapping_in(objects.read(objects.of_job(job)), "run"), _RECORD)


def _wait(point: Point, run: Mapping[str, object], objects: RunObjects, token: str) -> None:
    tools = objects.tools
    arn = text_of(run, Attribute.JOB_ARN)
    job = tools.calls().job_or_none(arn, APPEARS_SECONDS)
    until = run.get(RUN_WAITS_UNTIL)
    if job is None or job.has_ended:
        answer_point(objects, token, run, job)
    elif isinstance(until, int | float) and tools.gateway.now() >= until:
        # All attempts of this execution. The job goes on if another execution shares it.
        names = objects.names(point.execution, f"{_PREFIX}{point.resource}-")
        failures = cancel_points(objects, point.execution, names, tools.gateway.now())
        if failures:
            raise failures[0]
        row = {**_row(run, job, {}), "FailureReason": "It was not over in time."}
        _fail(tools, token, "HybridJob.Timeout", row)


def _properties_of(point: Point, properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return the definition's properties as they are for a point."""
    request = with_hyperparameters(read_request(properties), point.parameters)
    name = request.get("jobName")
    if isinstance(name, str):
        request = {**request, "jobName": point_name(name, point.parameters)}
    tags = mapping_in(properties, Property.TAGS)
    ours = {SWEEP_TAG: point.machine, SWEEP_POINT_TAG: str(point.index)}
    # One place is for the tag with the client token.
    room = len(tags) + len(ours) < _MOST_TAGS
    return {
        **properties,
        Property.REQUEST.value: request,
        Property.TAGS.value: {**tags, **ours} if room else tags,
    }


def point_name(name: str, parameters: Mapping[str, object]) -> str:
    """Return the name of a point's job: the definition's, the parameters, the id of the run.

    The number of the point is not in it: the same point in another place is the same job.
    """
    text = "-".join(f"{key}-{value}" for key, value in sorted(parameters.items()))
    slug = re.sub("[^A-Za-z0-9]+", "-", text)[:_LONGEST_SLUG].strip("-")
    tail = f"-{RUN_ID_PLACEHOLDER}" if name.endswith(f"-{RUN_ID_PLACEHOLDER}") else ""
    longest = model_rules.bounds(model_rules.shape_of("CreateJobRequest", "jobName")).maximum
    room = int(longest or len(name)) - len(tail) - len(slug) - 1
    stem = name.removesuffix(tail)[:room].strip("-")
    return "-".join(part for part in (stem, slug) if part) + tail


# --- The end of a point. ---


def answer_point(
    objects: RunObjects, token: str, run: Mapping[str, object], job: Job | None
) -> None:
    """Report to the state that waits how the point's job ended."""
    tools, record = objects.tools, mapping_in(run, _RECORD)
    name = text_of(record, "name")
    over = objects.of_execution(text_of(record, "execution"), f"{name}{_OVER}")
    objects.write(over, {"status": job.status if job else ""})
    status = job.status if job else "unknown"
    tools.log("point_over", {"jobArn": run.get(Attribute.JOB_ARN), "status": status})
    if status == COMPLETED:
        row = _row(run, job, _metrics(tools, run))
        send(tools, lambda: tools.gateway.send_task_success(token, row))
        return
    reason = (job.failure_reason if job else "") or f"The job is {status}."
    _fail(
        tools,
        token,
        f"HybridJob.{status.capitalize()}",
        {**_row(run, job, {}), "FailureReason": reason[: LONGEST_CAUSE // 4]},
    )


def _fail(tools: Tools, token: str, error: str, row: Mapping[str, object]) -> None:
    # The cause is the row: without it the table would not know the job of a point that failed. The
    # parameters, which are in the input, could exceed its length.
    cause = json.dumps({key: value for key, value in row.items() if key != PointMember.PARAMETERS})
    send(tools, lambda: tools.gateway.send_task_failure(token, error, cause))


def _row(
    run: Mapping[str, object], job: Job | None, metrics: Mapping[str, object]
) -> dict[str, object]:
    """Return the row of a point."""
    point = mapping_in(run, "point")
    started = job.started_at if job else ""
    ended = job.ended_at if job else ""
    seconds = _seconds(ended) - _seconds(started) if started and ended else 0.0
    return {
        **point,
        "JobStatus": job.status if job else "",
        "JobArn": run.get(Attribute.JOB_ARN, ""),
        "JobName": run.get(Attribute.JOB_NAME, ""),
        "ResultsS3Uri": run.get(Attribute.RESULTS_S3_URI, ""),
        "StartedAt": started,
        "EndedAt": ended,
        "Seconds": round(seconds, 3),
        "InstanceHours": round(seconds * (job.instances if job else 1) / 3600, 6),
        "Metrics": dict(metrics),
    }


def _metrics(tools: Tools, run: Mapping[str, object]) -> Mapping[str, object]:
    """Return the numbers that the script has saved as its result.

    The table is of use without them, so nothing here fails the point.
    """
    uri = run.get(Attribute.RESULTS_S3_URI)
    try:
        place = Location.parse(uri if isinstance(uri, str) else "")
        found = tools.calls().retry(lambda: tools.gateway.read_metrics(place))
    except (Failure, ServiceError) as error:
        code = getattr(error, "code", type(error).__name__)
        tools.log("no_metrics", {"jobArn": run.get(Attribute.JOB_ARN), "error": code})
        return {}
    if len(json.dumps(found)) > _LONGEST_METRICS:
        tools.log("no_metrics", {"jobArn": run.get(Attribute.JOB_ARN), "error": "TooLarge"})
        return {}
    return found


# --- Cancelling. ---


def cancel_points(
    objects: RunObjects, execution: str, names: list[str], at: float
) -> list[Failure]:
    """Cancel the points among an execution's objects that are not over.

    Every cancellation is requested before any is waited for: jobs then end side by side. An attempt
    that began after that time stays: it belongs to a redrive, and the event of a stop may be late.

    Returns:
        A failure for each job that may still run.
    """
    over = {name.removesuffix(_OVER) for name in names if name.endswith(_OVER)}
    alive = [
        name
        for name in names
        if is_point_record(name) and not name.endswith(_OVER) and name not in over
    ]
    undone: dict[str, Lifecycle] = {}
    failures: list[Failure] = []
    for name in alive:
        try:
            record = objects.read(objects.of_execution(execution, name)) or {}
            if _began_before(record, at):
                undone[name] = _undo(objects, name, record, at)
                undone[name].release()
        except (Failure, ServiceError) as error:
            failures.append(_as_failure(error))
    for name, lifecycle in undone.items():
        try:
            lifecycle.handle()
            objects.write(objects.of_execution(execution, f"{name}{_OVER}"), {})
        except (Failure, ServiceError) as error:
            failures.append(_as_failure(error))
    return failures


def _began_before(record: Mapping[str, object], at: float) -> bool:
    began = record.get("at")
    return not isinstance(began, int | float) or began <= at + CLOCK_SKEW_SECONDS


def _as_failure(error: Failure | ServiceError) -> Failure:
    return error if isinstance(error, Failure) else Failure(f"{error}")


def _undo(objects: RunObjects, name: str, record: Mapping[str, object], at: float) -> Lifecycle:
    """Return the Delete of an attempt at a point: its job is cancelled if no other shares it."""
    attempt = name.rpartition("-")[2]
    event = Event(
        type=RequestType.DELETE,
        id=digest(f"{RequestType.DELETE}\n{attempt}\n{at}"),
        stack_id=text_of(record, "sweep"),
        logical_id=text_of(record, "resource"),
        physical_id=f"{MAY_EXIST}:{attempt}",
        properties={Property.RECORDS.value: objects.records.uri},
        old_properties={},
        sent_at=at,
        is_point=True,
    )
    return Lifecycle(event, objects.tools)


# --- The table. ---


def collect_points(event: Mapping[str, object], tools: Tools) -> Mapping[str, object]:
    """Write the table of a sweep whose points have ended, beside the manifest of its results.

    A job that no state waits for any more is cancelled first.
    """
    objects = RunObjects(tools, Location.parse(text_of(event, RunProperty.RECORDS)))
    execution = text_of(event, RunProperty.EXECUTION)
    names = objects.names(execution)
    failures = cancel_points(objects, execution, names, tools.gateway.now())
    if failures:
        raise failures[0]
    details = mapping_in(event, RunProperty.MANIFEST)
    manifest = Location(text_of(details, "Bucket"), text_of(details, "Key"))
    rows = _rows(tools, manifest)
    table = replace(manifest, key=f"{manifest.key.rpartition('/')[0]}/{TABLE_FILE}")
    text = table_of(rows)
    tools.calls().retry(lambda: tools.gateway.overwrite(table, text, "text/csv; charset=utf-8"))
    tools.log("collected", {"points": len(rows)})
    return {**summary_of(rows), "TableS3Uri": table.uri, "ManifestS3Uri": manifest.uri}


def _rows(tools: Tools, manifest: Location) -> list[Row]:
    files = mapping_in(loaded(read_text(tools, manifest) or ""), "ResultFiles")
    rows: list[Row] = []
    for status, found in files.items():
        for each in found if isinstance(found, list) else []:
            place = replace(manifest, key=text_of(each, "Key"))
            lines = lines_of(read_text(tools, place) or "")
            rows += [Row.of(loaded(line), status) for line in lines]
    return sorted(rows, key=lambda row: row.index)


def _seconds(iso: str) -> float:
    try:
        parsed = datetime.fromisoformat(iso)
    except ValueError as error:
        raise Failure("A time is not of the form of ISO 8601.") from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
