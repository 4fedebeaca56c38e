"""Entry point of the handler: reads the event, handles it, and responds.

Every event with a ResponseURL gets a response, even after an error. No code here logs the event,
which contains the presigned ResponseURL and the request with its hyperparameters. Every string in a
response or an error is redacted here.
"""

import os
import random
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from ..api.service_rules import mapping_in, text_in
from ..contract import (
    CATCH_UP_TYPE,
    FAILED,
    JOB_STATE_CHANGE,
    SWEEP_TYPE,
    RunAction,
    RunProperty,
)
from .aws_gateway import AwsGateway
from .cloudformation import (
    ANSWER_ATTEMPTS,
    WAITS_UNTIL,
    Answer,
    body_of,
    deliver,
    read_event,
    response_url,
)
from .errors import (
    DeferredFailure,
    Failure,
    Kind,
    OutOfTimeFailure,
    ServiceError,
    UnfinishedWait,
)
from .gateway import Gateway
from .lifecycle import Lifecycle
from .log import log, place_of
from .missed_events import CatchUp
from .properties import is_job_arn
from .redaction import without_secrets_of
from .retries import Budget, Calls, Tools
from .sweep_start import SweepStart
from .workflow_runs import is_run_event, run

_ANSWER_SHARE, _ANSWER_MOST = 0.1, 45.0
_CLEANUP_SHARE, _CLEANUP_MOST = 0.2, 90.0
_ANSWER_LEAST = 5.0  # seconds reserved for the response if the wait cannot continue

__all__ = ["ANSWER_ATTEMPTS", "WAITS_UNTIL", "Context", "HybridJobError", "handler"]


class Context(Protocol):
    """The parts of Lambda's context that are used."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's own ARN."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the function's remaining time."""


_aws = AwsGateway()
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _aws.create_clients()


class HybridJobError(Exception):
    """The error that a state machine receives for a job that could not be run."""


class HybridJobThrottlingError(Exception):
    """The error of a sweep's start that was refused for its rate, or of a step out of time."""


class HybridJobQuotaError(Exception):
    """The error of a start that Amazon Braket refused because a quota is used up."""


def handler(event: object, context: Context) -> Mapping[str, object] | None:
    """Handle one event of CloudFormation, or of our state machines, schedules or rules."""
    if isinstance(event, Mapping) and is_run_event(event):
        return run_for(event, context, _aws)
    respond_to(event, context, _aws)
    return None


def run_for(
    event: Mapping[str, object],
    context: Context,
    gateway: Gateway,
    rng: random.Random | None = None,
) -> Mapping[str, object]:
    """Run the action of an event of a state machine, a schedule or a rule.

    Args:
        event: The event.
        context: Lambda's.
        gateway: Every call that leaves the process.
        rng: Random numbers for the pauses between retries; by default fresh ones.

    Raises:
        HybridJobError: The action failed. The same event may be sent again.
    """
    tools, _ = _tools(context, gateway, rng)
    try:
        return run(event, tools)
    except Failure as failure:
        raise _error_of(event, failure)(without_secrets_of(event, str(failure))) from None
    except Exception as error:  # noqa: BLE001 - its message may contain parts of the request
        raise HybridJobError(_unforeseen(error)) from None


def _error_of(event: Mapping[str, object], failure: Failure) -> type[Exception]:
    """Return the error whose name decides whether a sweep retries the state."""
    if isinstance(failure, DeferredFailure):
        return HybridJobQuotaError if failure.is_quota else HybridJobThrottlingError
    is_of_sweep = event.get(RunProperty.ACTION) in {RunAction.RUN_POINT, RunAction.COLLECT_POINTS}
    is_late = isinstance(failure, OutOfTimeFailure)
    return HybridJobThrottlingError if is_late and is_of_sweep else HybridJobError


def respond_to(
    event: object,
    context: Context,
    gateway: Gateway,
    rng: random.Random | None = None,
) -> None:
    """Handle one event through a gateway.

    Args:
        event: The event.
        context: Lambda's.
        gateway: Every call that leaves the process.
        rng: Random numbers for the pauses between retries; by default fresh ones.

    Raises:
        ServiceError: The response could not be delivered, or GetJob failed. Lambda then runs the
            event again.
    """
    tools, ends = _tools(context, gateway, rng)
    url = response_url(event)
    if not isinstance(event, Mapping) or url is None or not gateway.accepts_answers(url):
        _count_failure(event, Calls(tools))
        return
    work = _Work(event, tools)
    answer = work.answer()
    if isinstance(answer, UnfinishedWait):
        again = {**event, WAITS_UNTIL: answer.until}
        failure = _invoked_again(again, context.invoked_function_arn, tools, ends)
        if failure is None:
            return
        answer = work.failed_wait(answer.job, failure)
    deliver(url, body_of(event, _redacted(event, answer)), gateway, ends)
    if answer.reason is None:
        work.after_success()


def _redacted(event: Mapping[str, object], answer: Answer) -> Answer:
    if answer.reason is None:
        return answer
    return Answer(answer.physical_id, without_secrets_of(event, answer.reason))


def _unforeseen(error: Exception) -> str:
    """Log an unexpected error; return its description without secrets."""
    place = place_of(error)
    log("unexpected_error", {"error": type(error).__name__, "at": place})
    return (
        f"The handler failed unexpectedly ({type(error).__name__} at {place}). "
        "Its log has the details. Try again; if it fails again, report it."
    )


def _count_failure(event: object, calls: Calls) -> None:
    """Count a failed job after the service confirmed the event.

    Raises:
        ServiceError: GetJob failed.
    """
    detail = mapping_in(event, "detail")
    if not detail or text_in(event, "detail-type") != JOB_STATE_CHANGE:
        log("unanswerable", {})
        return
    arn = text_in(detail, "jobArn")
    if text_in(detail, "status") != FAILED or not is_job_arn(arn):
        return
    try:
        job = calls.job_or_none(arn)
    except Failure as failure:
        raise ServiceError("GetJob", "OutOfTime", "no answer", Kind.TRANSIENT) from failure
    if job is not None and job.status == FAILED:
        log("job_failed", {"jobArn": arn})


# --- Handling the event, in a thread, so that nothing in it can outlast the time. ---


def _tools(context: Context, gateway: Gateway, rng: random.Random | None) -> tuple[Tools, float]:
    """Return the tools of an invocation, and its end (seconds since the epoch)."""
    now = gateway.now()
    remaining = max(context.get_remaining_time_in_millis() / 1000, 0.0)
    cleanup_ends = now + remaining - min(_ANSWER_MOST, remaining * _ANSWER_SHARE)
    work_ends = cleanup_ends - min(_CLEANUP_MOST, remaining * _CLEANUP_SHARE)
    rng = rng or random.Random()  # noqa: S311 - jitter
    return Tools(gateway, Budget(work_ends, cleanup_ends), log, rng), now + remaining


_KINDS: Mapping[str, type[Lifecycle | CatchUp]] = {
    CATCH_UP_TYPE: CatchUp,
    SWEEP_TYPE: SweepStart,
}


class _Work:
    """The event's work, and its result as far as there is one."""

    def __init__(self, event: Mapping[str, object], tools: Tools) -> None:
        self._raw = event
        self._tools = tools
        self._answer: Answer | UnfinishedWait | None = None
        self._broken: BaseException | None = None
        self._handling: Lifecycle | CatchUp | None = None

    def answer(self) -> Answer | UnfinishedWait:
        """Return the response; a failure if the work is not done in time."""
        thread = threading.Thread(target=self._run, daemon=True)
        seconds = max(self._tools.budget.ends - self._tools.gateway.now(), 0.0)
        thread.start()
        thread.join(seconds)
        if self._broken is not None:
            raise self._broken
        if self._answer is not None:
            return self._answer
        log("out_of_time", {})
        return self._failed("A call did not return in time. Deploy again.")

    def failed_wait(self, job: str, reason: str) -> Answer:
        """Return the response for a wait that cannot continue."""
        if isinstance(self._handling, Lifecycle):
            self._handling.fail_wait(job, reason)
        return self._failed(reason)

    def after_success(self) -> None:
        """Run the steps after the response, which must not send it again."""
        try:
            if isinstance(self._handling, CatchUp):
                self._handling.replay_later()
            elif self._handling is not None:
                self._handling.note_answered()
        except (Failure, ServiceError) as error:
            log("not_noted", {"error": type(error).__name__})
        except Exception as error:  # noqa: BLE001 - the event is answered
            _unforeseen(error)

    def _run(self) -> None:
        try:
            self._answer = self._handled()
        except UnfinishedWait as unfinished:
            self._answer = unfinished
        except Failure as failure:
            self._answer = self._failed(str(failure))
        except Exception as error:  # noqa: BLE001 - an event gets a response after any error
            self._answer = self._failed(_unforeseen(error))
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller's thread
            self._broken = error

    def _handled(self) -> Answer:
        event = read_event(self._raw)

        def log_with_names(decision: str, details: Mapping[str, object]) -> None:
            log(decision, {"logicalId": event.logical_id, "type": event.type, **details})

        kind = _KINDS.get(text_in(self._raw, "ResourceType"), Lifecycle)
        self._handling = kind(event, replace(self._tools, log=log_with_names))
        outcome = self._handling.handle()
        return Answer(outcome.physical_id, attributes=outcome.attributes)

    def _failed(self, reason: str) -> Answer:
        known = self._handling.physical_id if self._handling else ""
        return Answer(known or text_in(self._raw, "PhysicalResourceId"), reason)


def _invoked_again(
    event: Mapping[str, object], function_arn: str, tools: Tools, ends: float
) -> str | None:
    """Continue in another invocation; return the reason if this fails."""
    ends -= _ANSWER_LEAST
    calls = Calls(replace(tools, budget=Budget(ends, ends)), _ANSWER_MOST)
    try:
        calls.retry(lambda: tools.gateway.invoke_again(function_arn, event))
    except (Failure, ServiceError) as error:
        log("not_gone_on", {"error": getattr(error, "code", type(error).__name__)})
        reason = str(error).removesuffix(" Deploy again.").removesuffix(".")
        return f"The wait for the job could not continue: {reason}. Deploy again."
    log("goes_on", {})
    return None
