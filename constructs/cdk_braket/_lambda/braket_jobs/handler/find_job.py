"""Finding a job whose ARN is not on record, by the client token in its tags."""

from collections.abc import Callable, Collection, Iterator, Mapping

from .. import contract
from .gateway import Job
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Event, Invocation
from .job_record import Run

_CLOCK_SKEW_SECONDS = 3600.0
"""How far the service's clock may be behind ours."""

_LONGEST_KNOWN_SECONDS = 90 * 86400.0
"""For how long the service knows a job.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs-first.html
"""

MOST_ATTEMPTS = 10_000
"""Attempts at one definition among which a job without a record is searched for.

Each attempt is a deployment that ran a job, so no resource has more while the service knows its
jobs."""


def find(
    invocation: Invocation,
    run: Run,
    request: Mapping[str, object],
    on_job: Callable[[], None] = lambda: None,
) -> list[str]:
    """Return the jobs that carry a run's token, those that are not over first.

    There is at most one, unless the service forgot the token while a call was under way for longer
    than its time-outs.

    Args:
        invocation: The invocation.
        run: The run.
        request: Its request; empty if the event does not have it.
        on_job: Called for each job that the search returns.
    """
    found = [job for _, job in _found(invocation, [run.token], request, run.since, on_job)]
    return [job.arn for job in sorted(found, key=lambda job: job.has_ended)]


def find_latest(
    invocation: Invocation, definition: str, request: Mapping[str, object]
) -> tuple[int, Job] | None:
    """Return the latest attempt at a definition that has a job, without any record."""
    tokens = {invocation.event.token(definition, n): n for n in range(1, MOST_ATTEMPTS + 1)}
    since = invocation.calls.now() - _LONGEST_KNOWN_SECONDS
    found = [(tokens[t], job) for t, job in _found(invocation, tokens, request, since)]
    return max(found, key=lambda one: one[0], default=None)


def attempt_of(event: Event, definition: str, job: Job | None) -> int | None:
    """Return which attempt at a definition of this resource a job is, by its token."""
    token = (job.tags or {}).get(contract.TOKEN_TAG) if job else None
    attempts = range(1, MOST_ATTEMPTS + 1) if token else ()
    return next((n for n in attempts if event.token(definition, n) == token), None)


def _found(
    invocation: Invocation,
    tokens: Collection[str],
    request: Mapping[str, object],
    since: float,
    on_job: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, Job]]:
    calls = invocation.calls
    created_after = since - _CLOCK_SKEW_SECONDS
    run_ids = {contract.run_id(token) for token in tokens}
    for job in calls.pages(lambda page: calls.jobs.find_jobs(created_after, page)):
        on_job()
        tags = job.tags
        # The search may return no tags: then GetJob returns those of a job with a run's name.
        if tags is None and (job.name == request.get("jobName") or _has_run_id(job.name, run_ids)):
            described = calls.job_or_none(job.arn, APPEARS_SECONDS)
            tags = described.tags if described else None
        token = (tags or {}).get(contract.TOKEN_TAG)
        if token in tokens:
            yield str(token), job


def _has_run_id(name: str, run_ids: Collection[str]) -> bool:
    length = contract.RUN_ID_LENGTH
    return any(name[start : start + length] in run_ids for start in range(len(name)))


def wait_for_call(invocation: Invocation, run: Run) -> Run:
    """Wait until no other invocation may be in the middle of CreateJob for this run."""
    while is_with_another(invocation, run):
        invocation.calls.wait(POLL_SECONDS, "another invocation is creating the job")
        run = invocation.store().read().runs.get(run.token, run)
    return run


def is_with_another(invocation: Invocation, run: Run) -> bool:
    """Return whether another invocation may be calling CreateJob for the run."""
    is_called = run.job is None and run.caller != invocation.me
    return is_called and (run.calling_until or 0.0) > invocation.calls.now()
