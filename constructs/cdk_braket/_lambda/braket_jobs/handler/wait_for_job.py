"""Waiting for the end of a job, over several invocations."""

from collections.abc import Callable

from ..contract import COMPLETED, JOB_LOG_GROUP, Attribute, console_url, log_stream_prefix
from ..issue import Issue
from .errors import Failure, OutOfTimeFailure, UnfinishedWait
from .gateway import Job
from .properties import Wait
from .retries import Calls

_POLL_SECONDS = 5.0
APPEARS_SECONDS = 120.0
"""The time for which a GetJob without a result is retried: the job may be new."""

_LONGEST_REASON = 600  # bytes, of the 4096 of a response, so that the links fit after it


def wait_for_end(
    calls: Calls, job_arn: str, wait: Wait, until: float, redact: Callable[[str], str]
) -> dict[str, str]:
    """Wait for a job.

    Args:
        calls: The calls, with retries.
        job_arn: The job.
        wait: The settings.
        until: The end of the wait (seconds since the epoch), over all invocations.
        redact: Removes secrets from a whole string: the job's reason may contain some.

    Returns:
        The job's terminal state and failure reason, as attributes.

    Raises:
        Failure: It did not complete, and that fails the stack.
        UnfinishedWait: There is no time left in this invocation.
    """
    try:
        job = _last_seen(calls, job_arn, until)
    except OutOfTimeFailure:
        raise UnfinishedWait(until, job_arn) from None
    if job is None:
        raise Failure(f"The job {job_arn} is unknown to the service. Deploy again")
    reason = _cut(redact(job.failure_reason))
    if job.status != COMPLETED and wait.fails_stack:
        raise Failure(_why(job, wait, reason))
    return {
        Attribute.JOB_STATUS: job.status,
        Attribute.FAILURE_REASON: reason,
    }


def _last_seen(calls: Calls, job_arn: str, until: float) -> Job | None:
    """Return the job at its end, or at the end of the wait."""
    while True:
        job = calls.job_or_none(job_arn, APPEARS_SECONDS)
        if job is None or job.has_ended or calls.now() >= until:
            return job
        calls.wait(min(_POLL_SECONDS, max(until - calls.now(), 0.1)), f"the job is {job.status}")


def _why(job: Job, wait: Wait, reason: str) -> Issue:
    if job.has_ended:
        said = f": {reason}" if reason else ""
        return Issue("", f"The job {job.arn} ended as {job.status}{said}", _addresses(job))
    waited = f"after {wait.seconds:.0f} s, as long as the deployment waits"
    fix = "Wait longer, as far as CloudFormation does, or do not wait"
    return Issue("", f"The job {job.arn} is {job.status} {waited}", f"{_addresses(job)} {fix}")


def _addresses(job: Job) -> str:
    """Return links for details: the log with the traceback, the console, the results."""
    log = log_stream_prefix(job.name, job.arn)
    console = console_url(job.arn.split(":")[3], job.arn)
    results = f" Its results are below {job.results_path}." if job.results_path else ""
    return (
        f"Its log has the details: log group {JOB_LOG_GROUP}, log streams {log}*. "
        f"Console: {console} .{results}"
    )


def _cut(reason: str) -> str:
    return reason.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")
