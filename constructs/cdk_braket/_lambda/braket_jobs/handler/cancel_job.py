"""Ending jobs: those that CloudFormation lets go of, and those that nobody holds."""

from collections.abc import Mapping
from dataclasses import replace

from ..contract import OnDelete, Property
from .errors import (
    Failure,
    Kind,
    OutOfTimeFailure,
    ServiceError,
    UnconfirmedCancelFailure,
    UnreadableRecordFailure,
)
from .find_job import Search
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Event, Handling, Outcome
from .job_record import JobRecord, Run
from .properties import Definition, Location, digest_or_none, is_job_arn, request_or_empty, text_of
from .retries import CANCELLING, Record

_FOUND_SECONDS = 600.0  # how long after a call a search for its job is done again


class Ending:
    """Ends jobs, and sees that they are over."""

    def __init__(self, handling: Handling, search: Search) -> None:
        self._handling = handling
        self._event = handling.event
        self._calls = handling.calls
        self._gateway = handling.gateway
        self._search = search

    def delete(self) -> Outcome:
        """Let go of what the event names, and end it unless it is to be retained.

        Raises:
            Failure: A job may still run.
        """
        physical_id = self._event.physical_id
        held = is_job_arn(physical_id)
        wish = held and self._retains(self._event.properties)
        record = self._record_or_none()
        job_record = JobRecord() if record is None else self._release(record, held, wish)
        own = job_record.definition_of(physical_id)
        if own is not None and not job_record.runs[own].released:
            self._handling.log("ignored_late_delete", physical_id)
            return Outcome(physical_id, {})
        # What the stack never came to hold is not what the wish is about.
        retained = wish and (own is None or job_record.runs[own].accepted)
        if retained:
            self._handling.log("retained", physical_id)
        self._end_all([physical_id] if held and not retained else [], job_record, record)
        self._handling.log("deleted", physical_id if held else None)
        return Outcome(physical_id, {})

    def _record_or_none(self) -> Record | None:
        """Return the record, None when the properties are malformed: then no job was started."""
        try:
            place = Location.parse(text_of(self._event.properties, Property.RECORDS))
        except Failure:
            return None
        return self._handling.record_at(place)

    def _release(self, record: Record, held: bool, retained: bool) -> JobRecord:
        """Put on record that CloudFormation let go, before anything is cancelled."""
        try:
            return record.change(lambda old: self._let_go(old, retained))
        except (UnreadableRecordFailure, ServiceError) as error:
            # Where the bucket is gone, no job was started. Else a job that is known by its ARN
            # can be cancelled all the same.
            is_gone = isinstance(error, ServiceError) and error.kind is Kind.NOT_FOUND
            if not held and not is_gone:
                raise
            self._handling.log("no_record", self._event.physical_id, error=error)
            return JobRecord()

    def _let_go(self, old: JobRecord, retained: bool) -> JobRecord:
        own = old.definition_of(self._event.physical_id)
        if own is not None:
            new = self._let_run_go(old, own, retained and old.runs[own].accepted)
            is_last = old.current == own and new.runs[own].released
            others = _unsettled(old, except_for=own) if is_last else []
        else:
            new = old
            others = [] if is_job_arn(self._event.physical_id) else _unsettled(old)
        for digest in others:
            new = self._let_run_go(new, digest, retained=False)
        return new.seen(self._event.sent_at)

    def _let_run_go(self, old: JobRecord, digest: str, retained: bool) -> JobRecord:
        run = old.runs[digest]
        if self._came_before(run):
            return old
        return old.with_run(digest, run.let_go(self._event.id, retained=retained))

    def _came_before(self, run: Run) -> bool:
        """Say whether the run was asked for again after CloudFormation sent this Delete."""
        if self._event.id in run.released_by and not run.released:
            return True
        sent, asked = self._event.sent_at, run.asked_at
        return sent is not None and asked is not None and sent < asked

    def end_orphans(self, definition: Definition, record: Record) -> None:
        """End what earlier events started and CloudFormation never came to hold.

        In an Update CloudFormation holds one job, the physical id, and will hold the one that we
        answer with. It can go back to no other.
        """
        job_record = record.change(lambda old: self._without_orphans(old, definition))
        self._end_all([], job_record, record)

    def _without_orphans(self, old: JobRecord, definition: Definition) -> JobRecord:
        retains = definition.on_delete is OnDelete.RETAIN_JOB or self._retains(
            self._event.old_properties
        )
        # What an Update leaves without being its physical id was never held: its answer was lost.
        left = digest_or_none(self._event.old_properties)
        new = old
        for digest in _unsettled(old, except_for=definition.digest):
            run = old.runs[digest]
            is_held = run.job is not None and run.job == self._event.physical_id
            was_held = run.accepted and digest != left
            if not is_held and not (retains and was_held):
                new = new.with_run(digest, run.let_go(self._event.id))
        return new

    def _retains(self, properties: Mapping[str, object]) -> bool:
        return properties.get(Property.ON_DELETE) == OnDelete.RETAIN_JOB

    def _end_all(self, jobs: list[str], job_record: JobRecord, record: Record | None) -> None:
        """End these jobs, and those of all runs that this event released."""
        failures: list[Failure] = []
        settled: list[Run] = []
        for digest, run in self._mine(job_record).items():
            found = run.job or self._search_for(record, digest, run)
            jobs = [*jobs, found] if found else jobs
            if found or self._is_long_over(run):
                settled.append(run)
        for arn in dict.fromkeys(jobs):
            try:
                self.end(arn)
            except Failure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        if record is not None and settled:
            self._settle(record, {run.token for run in settled})

    def _is_long_over(self, run: Run) -> bool:
        """Say whether a search that found no job of the run is to be believed for good."""
        return (run.calling_until or 0.0) + _FOUND_SECONDS < self._calls.now()

    def _mine(self, job_record: JobRecord) -> dict[str, Run]:
        """Return the runs that this event released, and whose jobs are to end."""
        return {
            digest: run
            for digest, run in job_record.runs.items()
            if run.released and not run.retained and self._event.id in run.released_by
        }

    def _settle(self, record: Record, tokens: set[str]) -> None:
        """Note that the runs' jobs are over, so that no later event looks after them."""
        try:
            record.change(lambda old: _with_settled(old, tokens))
        except (Failure, ServiceError) as error:
            # The jobs are over all the same; the next event will look once more.
            self._handling.log("not_noted", None, error=error)

    def _search_for(self, record: Record | None, digest: str, run: Run) -> str | None:
        """Return the job of a run whose call of CreateJob never came back."""
        if record is None:
            return None
        run = self._search.wait_for_call(record, digest, run)
        return run.job or self._search.find(run, _request_of(self._event, digest))

    def end(self, arn: str) -> None:
        """Cancel a job unless it is over, and see that it is."""
        try:
            status = self._cancel_until_over(arn)
        except (ServiceError, OutOfTimeFailure) as error:
            self._handling.log("cancel_unconfirmed", arn, error=error)
            raise UnconfirmedCancelFailure(arn, str(error)) from error
        self._handling.log("ended", arn, status=status)

    def _cancel_until_over(self, arn: str) -> str:
        while True:
            job = self._calls.job_or_none(arn, APPEARS_SECONDS)
            if job is None:
                return "unknown to the service"
            if job.is_over:
                return job.status
            if job.status != CANCELLING:
                self._cancel(arn)
            self._calls.wait(POLL_SECONDS, f"the job is {job.status}")

    def _cancel(self, arn: str) -> None:
        try:
            self._calls.retry(lambda: self._gateway.cancel_job(arn))
        except ServiceError as error:
            # Not there, or over by now, or not yet to be cancelled: its status will tell.
            if error.kind not in {Kind.NOT_FOUND, Kind.CONFLICT}:
                raise


def _unsettled(job_record: JobRecord, except_for: str = "") -> list[str]:
    """Return the definitions whose job may run without CloudFormation's wish."""
    return [
        digest
        for digest, run in job_record.runs.items()
        if digest != except_for and not run.settled and not run.retained
    ]


def _with_settled(old: JobRecord, tokens: set[str]) -> JobRecord:
    new = old
    for digest, run in old.runs.items():
        if run.token in tokens and run.released:
            new = new.with_run(digest, replace(run, settled=True))
    return new


def _request_of(event: Event, digest: str) -> Mapping[str, object]:
    """Return the request with that digest; an empty one when the event carries another."""
    for properties in (event.properties, event.old_properties):
        if digest_or_none(properties) == digest:
            return request_or_empty(properties)
    return {}
