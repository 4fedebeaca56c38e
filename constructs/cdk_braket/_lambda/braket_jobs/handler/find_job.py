"""Finding the job of a call of CreateJob whose answer was lost."""

from collections.abc import Mapping

from .. import contract
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Handling
from .job_record import Run
from .properties import render
from .retries import Job, Record

_CLOCK_SKEW_SECONDS = 300.0


class Search:
    """Looks for the jobs that a run may have started."""

    def __init__(self, handling: Handling) -> None:
        self._handling = handling
        self._calls = handling.calls
        self._gateway = handling.gateway

    def find(
        self, run: Run, request: Mapping[str, object], *, called: bool | None = None
    ) -> str | None:
        """Return the job that carries the run's token, if a call may have made one."""
        was_called = run.calling_until is not None if called is None else called
        if not was_called:
            return None
        name = render(request, run.token).get("jobName")

        def search() -> str | None:
            for job in self._gateway.find_jobs(run.since - _CLOCK_SKEW_SECONDS):
                if self._carries(job, run.token, name):
                    return job.arn
            return None

        return self._calls.retry(search)

    def _carries(self, job: Job, token: str, name: object) -> bool:
        tags = job.tags
        if tags is None and job.name == name:  # the search told no tags: ask for them
            # The search has just told of it: that it is unknown is not believed at once.
            found = self._calls.job_or_none(job.arn, APPEARS_SECONDS)
            tags = None if found is None else found.tags
        return tags is not None and tags.get(contract.TOKEN_TAG) == token

    def wait_for_call(self, record: Record, digest: str, run: Run) -> Run:
        """Wait until no other invocation may be in the middle of CreateJob for this run."""
        while self._in_others_hands(run):
            self._calls.wait(POLL_SECONDS, "another invocation is creating the job")
            run = record.read().runs.get(digest, run)
        return run

    def _in_others_hands(self, run: Run) -> bool:
        return (
            run.job is None
            and run.caller != self._handling.me
            and run.calling_until is not None
            and run.calling_until > self._calls.now()
        )
