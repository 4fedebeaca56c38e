"""Finding a job whose ARN is not on record, by the client token in its tags."""

from collections.abc import Callable, Iterator, Mapping

from .. import contract
from .gateway import Job
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Invocation
from .job_record import Run
from .job_record_store import JobRecordStore
from .properties import render

_CLOCK_SKEW_SECONDS = 3600.0
"""How far the service's clock may be behind ours."""

_LONGEST_KNOWN_SECONDS = 90 * 86400.0
"""For how long the service knows a job.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs-first.html
"""

MOST_ATTEMPTS = 50
"""Attempts at one definition among which a job without a record is looked for."""


class JobSearch:
    """Looks for jobs that a run may have started."""

    def __init__(self, invocation: Invocation) -> None:
        self._calls = invocation.calls
        self._gateway = invocation.gateway
        self._me = invocation.me
        self._event = invocation.event

    def find(
        self, run: Run, request: Mapping[str, object], on_job: Callable[[], None] = lambda: None
    ) -> list[str]:
        """Return the jobs that carry the run's token, those that are not over first.

        There is one at most, unless the service forgot the token while a call was under way for
        longer than its time-outs.

        Args:
            run: The run.
            request: Its request; empty if the event does not have it.
            on_job: Called for each job that the search returns.
        """
        found = [job for _, job in self._found([run.token], request, run.since, on_job)]
        return [job.arn for job in sorted(found, key=lambda job: job.is_over)]

    def find_latest(self, definition: str, request: Mapping[str, object]) -> tuple[int, Job] | None:
        """Return the latest attempt at a definition that has a job, without any record."""
        tokens = {self._token(definition, n): n for n in range(1, MOST_ATTEMPTS + 1)}
        since = self._calls.now() - _LONGEST_KNOWN_SECONDS
        found = [(tokens[token], job) for token, job in self._found(tokens, request, since)]
        return max(found, key=lambda one: one[0], default=None)

    def attempt_of(self, definition: str, job: Job | None) -> int | None:
        """Return which attempt at a definition of this resource a job is, by its token."""
        token = (job.tags or {}).get(contract.TOKEN_TAG) if job else None
        numbers = range(1, MOST_ATTEMPTS + 1)
        return next((n for n in numbers if self._token(definition, n) == token), None)

    def _token(self, definition: str, attempt: int) -> str:
        event = self._event
        return contract.client_token(event.stack_id, event.logical_id, definition, attempt)

    def _found(
        self,
        tokens: "list[str] | dict[str, int]",
        request: Mapping[str, object],
        since: float,
        on_job: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[str, Job]]:
        created_after = since - _CLOCK_SKEW_SECONDS
        names = {str(render(request, token).get("jobName", "")) for token in tokens}
        run_ids = [contract.run_id(token) for token in tokens]
        pages = self._calls.pages(lambda page: self._gateway.find_jobs(created_after, page))
        for job in pages:
            on_job()
            tags = job.tags
            # The search may return no tags: then those are asked for whose name is a run's.
            if tags is None and (job.name in names or any(one in job.name for one in run_ids)):
                described = self._calls.job_or_none(job.arn, APPEARS_SECONDS)
                tags = described.tags if described else None
            token = (tags or {}).get(contract.TOKEN_TAG)
            if token in tokens:
                yield str(token), job

    def wait_for_call(self, store: JobRecordStore, run: Run) -> Run:
        """Wait until no other invocation may be in the middle of CreateJob for this run."""
        while self.is_with_another(run):
            self._calls.wait(POLL_SECONDS, "another invocation is creating the job")
            run = store.read().runs.get(run.token, run)
        return run

    def is_with_another(self, run: Run) -> bool:
        """Return whether another invocation may be calling CreateJob for the run."""
        return (
            run.job is None
            and run.caller != self._me
            and run.calling_until is not None
            and run.calling_until > self._calls.now()
        )
