"""Cancelling orphaned jobs, and confirming that they ended."""

from collections.abc import Mapping

from ..contract import CANCELLING
from .errors import Failure, Kind, OutOfTimeFailure, ServiceError, UnconfirmedCancelFailure
from .find_job import find, wait_for_call
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Invocation
from .job_record import JobRecord, Run, State, Step
from .properties import digest_or_none, request_or_empty

_SEARCHED_SECONDS = 600.0
"""The time after a call of CreateJob for which a search for its job is repeated."""

_YOUNG_SECONDS = 300.0
"""The time after its creation for which a job exists, even if the service does not find it."""

_UNKNOWN = ""


class Cancellation:
    """Cancels jobs."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._calls = invocation.calls

    def end_released(self, record: JobRecord) -> None:
        """Cancel the jobs of all released runs, and record those that ended.

        Raises:
            Failure: A job may still run. The others are cancelled.
        """
        failures: list[Failure] = []
        ended: dict[str, tuple[str | None, str]] = {}
        for run in record.in_state(State.RELEASED):
            try:
                jobs = [run.job] if run.job else self._lost_jobs(run)
                for job in jobs:
                    ended[run.token] = (job, self.end(job, run.calling_until))
                if not jobs and self._is_search_final(run):
                    ended[run.token] = (None, _UNKNOWN)
            except Failure as failure:
                failures.append(failure)
            except ServiceError as error:
                failures.append(Failure(f"{error}"))
        if ended:
            self._note(ended)
        if failures:
            raise failures[0]

    def request_released(self, record: JobRecord) -> None:
        """Request the cancellation of the known jobs of all released runs, without waiting."""
        for run in record.in_state(State.RELEASED):
            if run.job:
                # A refusal shows when the end is confirmed.
                self._request(run.job, None)

    def _lost_jobs(self, run: Run) -> list[str]:
        """Return the jobs of a run whose call of CreateJob never returned."""
        run = wait_for_call(self._invocation, run)
        if run.job:
            return [run.job]
        return find(self._invocation, run, self._request_of(run.definition))

    def _is_search_final(self, run: Run) -> bool:
        """Return whether a search that found no job of the run is final."""
        return (run.calling_until or 0.0) + _SEARCHED_SECONDS < self._calls.now()

    def _request_of(self, definition: str) -> Mapping[str, object]:
        """Return the request with that digest; an empty one if the event has another."""
        event = self._invocation.event
        for properties in (event.properties, event.old_properties):
            if digest_or_none(properties) == definition:
                return request_or_empty(properties)
        return {}

    def _note(self, ended: Mapping[str, tuple[str | None, str]]) -> None:
        """Record that the runs' jobs ended, so that no later event searches for them."""

        def noted(old: JobRecord) -> JobRecord:
            for token, (job, status) in ended.items():
                run = old.runs.get(token)
                # Its job may be known by now, or it is requested again.
                if run is not None and run.job in {None, job}:
                    old = old.with_run(run.after(Step.END, job=job, ended_as=status))
            return old

        self._invocation.note(noted)

    def end(self, arn: str, created_by: float | None = None) -> str:
        """Cancel a job unless it has ended, and wait for its end.

        CancelJob is the first call, even if no time is left. The next calls only confirm it.

        Args:
            arn: The job.
            created_by: When the job existed at the latest (seconds since the epoch); None if that
                was long ago.

        Returns:
            Its terminal state; empty if the service does not know it.

        Raises:
            UnconfirmedCancelFailure: It may still run.
        """
        try:
            status = self._cancelled(arn, created_by)
        except (ServiceError, OutOfTimeFailure) as error:
            self._invocation.log("cancel_unconfirmed", arn, error=error)
            raise UnconfirmedCancelFailure(arn, str(error)) from error
        self._invocation.log("ended", arn, status=status or "unknown to the service")
        return status

    def _cancelled(self, arn: str, created_by: float | None) -> str:
        refusal = self._request(arn, created_by)
        while True:
            try:
                job = self._calls.job_or_none(arn, self._patience(created_by))
            except ServiceError as error:
                raise refusal or error from error
            if job is None:
                return _UNKNOWN
            if job.has_ended:
                return job.status
            if refusal is not None:
                raise refusal
            self._calls.wait(POLL_SECONDS, f"the job is {job.status}")
            if job.status != CANCELLING:
                refusal = self._request(arn, created_by)

    def _request(self, arn: str, created_by: float | None) -> ServiceError | None:
        """Request the cancellation; return why it was refused, if it was."""
        try:
            self._calls.retry(
                lambda: self._calls.jobs.cancel_job(arn),
                missing=self._patience(created_by),
                at_once=True,
            )
        except ServiceError as error:
            # Missing, ended by now, or not cancellable yet: its status decides.
            return None if error.kind in {Kind.NOT_FOUND, Kind.CONFLICT} else error
        return None

    def _patience(self, created_by: float | None) -> float:
        """Return the time for which "not found" is not final."""
        if created_by is None:
            return APPEARS_SECONDS
        return max(APPEARS_SECONDS, created_by + _YOUNG_SECONDS - self._calls.now())
