"""Entry point of the handler: reads the event, has it dealt with, answers.

Every event that names where to answer is answered, whatever happens. Nothing here logs the event:
it holds the presigned ResponseURL and the request with its hyperparameters.
"""

import hashlib
import itertools
import json
import random
import sys
import threading
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from time import strptime, time
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from ..api import model_rules
from ..contract import (
    CATCH_UP_TYPE,
    FAILED_JOBS,
    JOB_ARN_DIMENSION,
    JOB_STATE_CHANGE,
    METRICS_NAMESPACE,
)
from .aws_gateway import AwsGateway
from .errors import Failure, Kind, ServiceError, UnfinishedWait
from .invocation import Event, Outcome, RequestType
from .lifecycle import Lifecycle
from .missed_events import CatchUp
from .retries import FAILED, Budget, Gateway
from .workflow_runs import RunningGateway, Tools, is_asked, run

LARGEST_BODY = 4096
"""Bytes of a response document.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

LARGEST_PHYSICAL_ID = 1024
"""Bytes of a physical id. Same source."""

NOTHING_MADE = "no-job-was-created"
"""The physical id when a creation fails before there is a job. Not a job's ARN, so the Delete that
follows looks in the record for what may have been started after all."""

_LONGEST_NAME = 512  # bytes; CloudFormation's own ids are shorter
_LATEST_TIME = 1e11  # seconds since the epoch; what is later is no time
_ANSWER_SHARE, _ANSWER_MOST = 0.1, 45.0
_CLEANUP_SHARE, _CLEANUP_MOST = 0.2, 90.0
_ANSWER_LEAST = 5.0  # seconds kept for answering when the wait cannot go on
ANSWER_ATTEMPTS = 6
_HTTP_TOO_MANY, _HTTP_ERROR = 429, 500


WAITS_UNTIL = "CdkBraketWaitsUntil"
"""What an event gets when another invocation goes on waiting: until when, since the epoch."""


class Context(Protocol):
    """What is used of Lambda's context."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's own ARN."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""


class AnsweringGateway(RunningGateway, Protocol):
    """A gateway that can also answer CloudFormation."""

    def put_answer(self, url: str, body: bytes) -> int:
        """Send a response document; return the HTTP status."""

    def invoke_again(self, function_arn: str, event: Mapping[str, object]) -> None:
        """Have the function run once more, with this event."""


@dataclass(frozen=True, slots=True)
class _Answer:
    physical_id: str
    reason: str | None = None
    attributes: Mapping[str, str] | None = None


_aws = AwsGateway()


class HybridJobError(Exception):
    """What a state machine sees of a job that could not be run."""


def handler(event: object, context: Context) -> Mapping[str, object] | None:
    """Handle one event of CloudFormation, or of a state machine, schedule or rule of ours."""
    if isinstance(event, Mapping) and is_asked(event):
        return run_for(event, context, _aws)
    respond_to(event, context, _aws)
    return None


def run_for(
    event: Mapping[str, object],
    context: Context,
    gateway: AnsweringGateway,
    rng: random.Random | None = None,
) -> Mapping[str, object]:
    """Do what a state machine, a schedule or a rule asks for.

    Args:
        event: The event.
        context: Lambda's.
        gateway: Every call that leaves the process.
        rng: Random numbers for the pauses between retries; by default fresh ones.

    Raises:
        HybridJobError: It could not be done. It may be asked for again.
    """
    ends = gateway.now() + context.get_remaining_time_in_millis() / 1000
    tools = Tools(gateway, _budget(gateway, ends), log, rng or random.Random())  # noqa: S311
    try:
        return run(event, tools)
    except Failure as failure:
        raise HybridJobError(str(failure)) from None
    except Exception as error:  # noqa: BLE001 - its text may hold parts of the request
        place = _place(error)
        log("unexpected_error", {"error": type(error).__name__, "at": place})
        reason = f"The handler failed unexpectedly ({type(error).__name__} at {place})."
        raise HybridJobError(reason) from None


def respond_to(
    event: object,
    context: Context,
    gateway: AnsweringGateway,
    rng: random.Random | None = None,
) -> None:
    """Handle one event through a gateway.

    Args:
        event: The event.
        context: Lambda's.
        gateway: Every call that leaves the process.
        rng: Random numbers for the pauses between retries; by default fresh ones.

    Raises:
        ServiceError: The answer could not be delivered. Lambda then runs the event again, which
            is safe: it finds what this run did on record.
    """
    url = _response_url(event)
    if url is None or not isinstance(event, Mapping):
        _take_note(event)
        return
    ends = gateway.now() + context.get_remaining_time_in_millis() / 1000
    work = _Work(event, gateway, _budget(gateway, ends), rng or random.Random())  # noqa: S311 - jitter
    answer = _dealt_with(work, gateway)
    if isinstance(answer, UnfinishedWait):
        again = {**event, WAITS_UNTIL: answer.until}
        failure = _gone_on(again, context.invoked_function_arn, gateway, ends)
        if failure is None:
            return
        answer = _Answer(answer.physical_id, failure)
    _deliver(url, body_of(event, answer), gateway, ends)
    if answer.reason is None:
        work.replay_later()


def _take_note(event: object) -> None:
    """Write of a job that failed, as an event of the service or of a catch-up tells."""
    detail = event.get("detail") if isinstance(event, Mapping) else None
    told = event.get("detail-type") if isinstance(event, Mapping) else None
    if told != JOB_STATE_CHANGE or not isinstance(detail, Mapping):
        log("unanswerable", {})
        return
    arn = _text(detail, "jobArn")
    if _text(detail, "status") == FAILED and not model_rules.check("JobArn", arn):
        log("job_failed", {"jobArn": arn})


def _response_url(event: object) -> str | None:
    url = event.get("ResponseURL") if isinstance(event, Mapping) else None
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return url if valid else None


# --- Dealing with the event, in a thread, so that nothing in it can outlast the time. ---


def _budget(gateway: Gateway, ends: float) -> Budget:
    remaining = max(ends - gateway.now(), 0.0)
    answer_seconds = min(_ANSWER_MOST, remaining * _ANSWER_SHARE)
    cleanup_seconds = min(_CLEANUP_MOST, remaining * _CLEANUP_SHARE)
    cleanup_ends = ends - answer_seconds
    return Budget(work_ends=cleanup_ends - cleanup_seconds, ends=cleanup_ends)


def _dealt_with(work: "_Work", gateway: Gateway) -> "_Answer | UnfinishedWait":
    thread = threading.Thread(target=work.run, daemon=True)
    thread.start()
    thread.join(max(work.budget.ends - gateway.now(), 0.0))
    return work.result()


class _Work:
    """The event's work, and its result as far as there is one."""

    def __init__(
        self,
        event: Mapping[str, object],
        gateway: Gateway,
        budget: Budget,
        rng: random.Random,
    ) -> None:
        self.budget = budget
        self._raw = event
        self._rng = rng
        self._gateway = gateway
        self._answer: _Answer | UnfinishedWait | None = None
        self._broken: BaseException | None = None
        self._handling: Lifecycle | CatchUp | None = None

    def run(self) -> None:
        """Deal with the event; never raises."""
        try:
            self._answer = self._deal()
        except Failure as failure:
            self._answer = _Answer(self._physical_id(), str(failure))
        except UnfinishedWait as unfinished:
            unfinished.physical_id = self._physical_id()
            self._answer = unfinished
        except Exception as error:  # noqa: BLE001 - an event is answered whatever happens
            log("unexpected_error", {"error": type(error).__name__, "at": _place(error)})
            reason = (
                f"The handler failed unexpectedly ({type(error).__name__} at {_place(error)}). "
                "Its log has the details. Deploy again; if it stays so, report it."
            )
            self._answer = _Answer(self._physical_id(), reason)
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller's thread
            self._broken = error

    def result(self) -> "_Answer | UnfinishedWait":
        """Return the answer; a failure when the work is not done by now."""
        if self._broken is not None:
            raise self._broken
        if self._answer is not None:
            return self._answer
        log("out_of_time", {})
        return _Answer(self._physical_id(), "A call did not return in time. Deploy again.")

    def replay_later(self) -> None:
        """Do what is done only after the answer, when that was a success."""
        if isinstance(self._handling, CatchUp):
            self._handling.replay_later()

    def _deal(self) -> _Answer:
        event = read_event(self._raw)

        def log_with_names(decision: str, details: Mapping[str, object]) -> None:
            log(decision, {"logicalId": event.logical_id, "type": event.type, **details})

        kind = CatchUp if _text(self._raw, "ResourceType") == CATCH_UP_TYPE else Lifecycle
        self._handling = kind(event, self._gateway, self.budget, log_with_names, self._rng)
        outcome: Outcome = self._handling.handle()
        return _Answer(outcome.physical_id, attributes=outcome.attributes)

    def _physical_id(self) -> str:
        known = self._handling.physical_id if self._handling else ""
        return known or _text(self._raw, "PhysicalResourceId")


def _place(error: BaseException) -> str:
    """Say where an error was raised: file and line, never a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


# --- Reading the event. ---


def read_event(raw: Mapping[str, object]) -> Event:
    """Read CloudFormation's event.

    Raises:
        Failure: It is not one.
    """
    kind = _text(raw, "RequestType")
    if kind not in set(RequestType):
        raise Failure(f"The event's RequestType is none of {', '.join(RequestType)}.")
    for name in ("StackId", "LogicalResourceId", "RequestId"):
        if not _is_name(_text(raw, name)):
            raise Failure(f"The event's {name} is missing or too long.")
    url = _text(raw, "ResponseURL")
    sent_at, expires_at = _times(url)
    delivery = f"{_text(raw, 'RequestId')}\n{url}".encode("utf-8", "surrogatepass")
    return Event(
        type=RequestType(kind),
        id=hashlib.sha256(delivery).hexdigest()[:32],
        stack_id=_text(raw, "StackId"),
        logical_id=_text(raw, "LogicalResourceId"),
        physical_id=_text(raw, "PhysicalResourceId"),
        properties=_mapping(raw, "ResourceProperties"),
        old_properties=_mapping(raw, "OldResourceProperties"),
        sent_at=sent_at,
        expires_at=expires_at,
        waits_until=_time_in(raw, WAITS_UNTIL),
    )


def _is_name(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:  # JSON can hold what UTF-8 cannot
        return False


def _times(url: str) -> tuple[float | None, float | None]:
    """Return when a presigned URL was signed and when it expires, if it says.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    query = parse_qs(urlsplit(url).query)
    try:
        signed = float(timegm(strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ")))
        return signed, signed + int(query["X-Amz-Expires"][0])
    except (KeyError, ValueError):
        return None, None


def _text(raw: Mapping[str, object], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _time_in(raw: Mapping[str, object], name: str) -> float | None:
    value = raw.get(name)
    if not isinstance(value, int | float) or not 0 < value < _LATEST_TIME:
        return None
    return float(value)


def _mapping(raw: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


# --- Answering. ---


def body_of(event: Mapping[str, object], answer: _Answer) -> bytes:
    """Return the response document, never larger than CloudFormation takes."""
    fields: dict[str, object] = {
        "PhysicalResourceId": _valid_physical_id(answer.physical_id),
        "StackId": _echo(event, "StackId"),
        "RequestId": _echo(event, "RequestId"),
        "LogicalResourceId": _echo(event, "LogicalResourceId"),
    }
    reason = answer.reason
    if reason is None:
        body = _encoded({"Status": "SUCCESS", **fields, "Data": answer.attributes or {}})
        if len(body) <= LARGEST_BODY:
            return body
        reason = "The job's paths are too long to be answered to CloudFormation: use shorter ones."
    fields["Status"] = "FAILED"
    room = LARGEST_BODY - len(_encoded({**fields, "Reason": ""}))
    while reason and len(_encoded(reason)) - 2 > room:
        reason = reason[: max(len(reason) * 9 // 10 - 1, 0)]
    return _encoded({**fields, "Reason": reason})


def _echo(event: Mapping[str, object], name: str) -> str:
    text = _text(event, name).encode("utf-8", "replace")
    return text[:_LONGEST_NAME].decode("utf-8", "ignore")


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _valid_physical_id(physical_id: str) -> str:
    size = len(physical_id.encode("utf-8", "replace"))
    return physical_id if 0 < size <= LARGEST_PHYSICAL_ID else NOTHING_MADE


def _gone_on(
    event: Mapping[str, object], function_arn: str, gateway: AnsweringGateway, ends: float
) -> str | None:
    """Have another invocation go on; return why that cannot be, if it cannot."""
    for attempt in itertools.count():
        try:
            gateway.invoke_again(function_arn, event)
        except ServiceError as error:
            log("not_gone_on", {"error": error.code})
            pause = 0.5 * 2**attempt
            if error.kind is not Kind.TRANSIENT or gateway.now() + pause >= ends - _ANSWER_LEAST:
                return f"The wait for the job could not go on: {error}. Deploy again."
            gateway.sleep(pause)
        else:
            log("goes_on", {})
            return None
    raise AssertionError("unreachable")


def _deliver(url: str, body: bytes, gateway: AnsweringGateway, ends: float) -> None:
    for attempt in range(ANSWER_ATTEMPTS):
        try:
            status = gateway.put_answer(url, body)
        except ServiceError as error:
            log("answer_not_delivered", {"error": error.code})
        else:
            log("answered", {"httpStatus": status})
            if not _may_be_delivered_later(status):
                return  # taken; or refused, as it will be each time
        pause = 0.5 * 2**attempt
        if gateway.now() + pause >= ends:
            break
        gateway.sleep(pause)
    raise ServiceError("PutAnswer", "Undeliverable", "the answer was not taken", Kind.TRANSIENT)


def _may_be_delivered_later(status: int) -> bool:
    return status >= _HTTP_ERROR or status == _HTTP_TOO_MANY


# --- Logging. ---


def log(decision: str, details: Mapping[str, object]) -> None:
    """Write one line of JSON; what an alarm may wait for is a metric, too."""
    line: dict[str, object] = {"decision": decision, **details}
    if decision == "cancel_unconfirmed":
        line |= _metric("UnconfirmedCancels")
    if decision == "job_failed":
        line |= _metric(FAILED_JOBS, {JOB_ARN_DIMENSION: str(details["jobArn"])})
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


def _metric(name: str, dimensions: Mapping[str, str] | None = None) -> dict[str, object]:
    """Return the members that make a log line a metric.

    Source:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    directive = {
        "Namespace": METRICS_NAMESPACE,
        "Dimensions": [sorted(dimensions or {})],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
    return {
        **(dimensions or {}),
        name: 1,
        "_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [directive]},
    }
