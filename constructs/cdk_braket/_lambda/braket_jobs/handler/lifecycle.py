"""The decisions of the handler: create, keep, replace, cancel.

All calls go through a `Gateway`, so that tests can run each history of events against one in
memory. The order of the steps is essential. The function may be killed between any two of them, and
the record must then be enough to continue or to clean up. docs/adr/0004-one-job-per-definition.md
has the contract and the reasoning.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace

from .. import contract
from ..contract import CANCELLED, CANCELLING, COMPLETED, FAILED, OnDelete, Property
from .cancel_job import Cancellation
from .create_job import Creation
from .errors import (
    Failure,
    Kind,
    LateEventFailure,
    ServiceError,
    UnconfirmedCancelFailure,
    explain,
    hyperparameter_values,
    redacted,
)
from .find_job import attempt_of, find_latest
from .gateway import Job
from .invocation import (
    APPEARS_SECONDS,
    NOTHING_STARTED,
    Event,
    Invocation,
    Outcome,
    RequestType,
)
from .job_record import (
    CLOCK_SKEW_SECONDS,
    CREATE,
    DELETE,
    LET_GO,
    JobRecord,
    Run,
    Seen,
    State,
    Step,
)
from .properties import (
    JobProperties,
    attributes_of,
    digest_or_none,
    is_run_arn,
    old_tags,
    read_definition,
    read_wait,
    refuse_problems,
    render,
    request_or_empty,
)
from .retries import Tools
from .tag_job import retag
from .wait_for_job import wait_for_end

_RECORD_SECONDS = 60.0
"""The time for which a Delete with a job tries to change the record before it cancels the job."""

_LAST_RECORD_SECONDS = 15.0
"""The time for which a Delete without a running job tries to change the record."""

_RECORD_ANSWERED_SECONDS = 5.0
"""The time for attempts to record that a response was received."""

_KNOWN_SECONDS = 80 * 86400.0
"""The age after which the service may have forgotten a job."""

_ANSWERED_MARGIN = 30.0
"""Seconds before CloudFormation's timeout in which a response may be too late."""


class Lifecycle:
    """Handles one event.

    `SweepStart` handles executions of sweeps in the same way.
    """

    creation: type[Creation] = Creation

    def __init__(self, event: Event, tools: Tools) -> None:
        self._event = event
        self._invocation = Invocation(event, tools)
        self._calls = self._invocation.calls
        self._cancellation = Cancellation(self._invocation)

    @property
    def physical_id(self) -> str:
        """The physical id of a FAILED response."""
        return self._invocation.physical_id

    def handle(self) -> Outcome:
        """Handle the event.

        Returns:
            The contents of the response.

        Raises:
            Failure: The response is FAILED, with its message as the reason.
            UnfinishedWait: Another invocation must continue the wait for the job.
        """
        try:
            if self._event.type is RequestType.DELETE:
                return self._delete()
            return self._waited_for(self._create_or_update())
        except ServiceError as error:
            request = request_or_empty(self._event.properties)
            raise Failure(explain(error, request, self._invocation.gateway.region)) from error

    def refuse_problems(self, definition: JobProperties) -> None:
        """Refuse an invalid definition.

        Raises:
            Failure: It has problems.
        """
        refuse_problems(definition, self._invocation.gateway.region)

    def attributes(self, arn: str, request: Mapping[str, object]) -> Mapping[str, str]:
        """Return the attributes of the resource, from a rendered request."""
        return attributes_of(arn, request)

    def release(self) -> None:
        """Release the jobs of a Delete, and request their cancellation, before `handle` waits.

        Raises:
            Failure: The Delete is late, or there was no time.
            ServiceError: The record could not be changed.
        """
        _, create = self._event.failed_create or ("", "")
        record = self._invocation.store().change(lambda old: self._without_create(old, create))
        self._cancellation.request_released(record)

    # --- Create and Update: find or create the job of the definition. ---

    def _create_or_update(self) -> Outcome:
        definition = read_definition(self._event.properties)
        if definition.digest != digest_or_none(self._event.old_properties):
            self.refuse_problems(definition)
        self._invocation.may_exist = True  # an earlier attempt may have done more
        store = self._invocation.store()
        try:
            record = store.change(lambda old: self._with_request(old, definition))
        except ServiceError as error:
            # Who may not write the record has not announced a call.
            self._invocation.may_exist = not error.is_denied
            if self._event.type is RequestType.CREATE:
                raise
            return self._held_without_record(definition, error)
        run = self._requested_run(record, definition)
        self._invocation.may_exist = run.was_called or run.job is not None
        self._cancellation.end_released(record)
        if run.job is None:
            creation = self.creation(self._invocation, definition, self._cancellation, self._accept)
            arn = creation.create(run)
            return Outcome(arn, self.attributes(arn, render(definition.request, run.token)))
        job = self._calls.job_or_none(run.job)
        outcome = self._adopted(run.job, job, definition, run)
        store.change(lambda old: self._accept(old, run))
        return outcome

    def _adopted(
        self,
        arn: str,
        job: Job | None,
        definition: JobProperties,
        run: Run | None,
    ) -> Outcome:
        """Update the tags of an existing job, and return it."""
        is_ours = attempt_of(self._event, definition.digest, job) if run is None else run.is_ours
        if job is not None and is_ours:
            retag(self._invocation, definition, job, run)
        is_kept = arn == self._event.physical_id
        self._invocation.log("kept" if is_kept else "adopted", arn, definition, run)
        request = dict(definition.request) if run is None else render(definition.request, run.token)
        if job is not None and (run is None or not _carries(job, run.token)):
            request |= {
                "jobName": job.name,
                "outputDataConfig": {"s3Path": job.results_path},
                "checkpointConfig": {"s3Uri": job.checkpoint_uri},
            }
        return Outcome(arn, self.attributes(arn, request))

    def _held_without_record(self, definition: JobProperties, error: ServiceError) -> Outcome:
        """Keep the resource's job if it is the definition's, although the record is unusable.

        The rollback of an Update that failed without the record must not need the record.
        """
        arn = self._event.physical_id
        keeps = definition.digest == digest_or_none(self._event.old_properties)
        job = self._calls.job_or_none(arn) if is_run_arn(arn) else None
        if not keeps and attempt_of(self._event, definition.digest, job) is None:
            raise error
        self._invocation.log("no_record", arn, definition, error=error)
        return self._adopted(arn, job, definition, None)

    # --- The run for the event. ---

    def _with_request(self, old: JobRecord, definition: JobProperties) -> JobRecord:
        """Return the record with this event and its run, and with orphaned jobs released."""
        self._refuse_late(old)
        is_repeated = old.knows(self._event.id)
        is_update = self._event.type is RequestType.UPDATE
        is_lost = not old.runs and (self._invocation.store().is_damaged or is_update)
        new = self._with_held_job(self._with_event(old))
        run = self._run_for(new, definition, is_lost=is_lost)
        if is_repeated and run is not None and self._event.id in run.askers:
            self._refuse_failed(run)
        else:
            run = self._chosen(run, definition)
            new = self._with_requested(new, run, definition)
        if is_update:
            new = self._with_orphans_released(new, self._requested_run(new, definition), definition)
        return new

    def _requested_run(self, record: JobRecord, definition: JobProperties) -> Run:
        asked = (run for run in record.runs.values() if self._event.id in run.askers)
        run = next(asked, record.latest_run(definition.digest))
        if run is None:
            raise LateEventFailure("The record of the resource's jobs was removed meanwhile.")
        return run

    def _run_for(
        self, record: JobRecord, definition: JobProperties, *, is_lost: bool
    ) -> Run | None:
        held = record.run_of(self._event.physical_id)
        if held is not None and held.definition == definition.digest:
            return held
        known = record.latest_run(definition.digest)
        if known is not None or not is_lost:
            return known
        found = find_latest(self._invocation, definition.digest, definition.request)
        if found is None:
            return None
        attempt, job = found
        return self._new_run(definition.digest, attempt, definition.tags, job.arn, job)

    def _chosen(self, run: Run | None, definition: JobProperties) -> Run:
        """Return the run for a new event."""
        if run is not None and not self._runs_again(run):
            return run
        return self._new_run(
            definition.digest, 1 if run is None else run.attempt + 1, definition.tags
        )

    def _with_requested(self, record: JobRecord, run: Run, definition: JobProperties) -> JobRecord:
        before = record.latest_run(definition.digest)
        if before is not None and before.token != run.token:
            # It must end first: two attempts never run at once.
            record = record.with_run(before.after(Step.RELEASE))
        is_taken_back = run.state in LET_GO or (
            run.state is State.HELD and record.current not in {None, run.token}
        )
        at = self._event.sent_at if is_taken_back else run.taken_back_at
        asked = run.after(
            Step.REQUEST,
            asked_by=self._event.id,
            also_asked_by=self._others_of(run),
            taken_back_at=at,
            failure=None,
        )
        return record.with_run(asked)

    def _others_of(self, run: Run) -> tuple[str, ...]:
        """Return the other events that share a run from now on."""
        if not self._event.is_point or run.state in LET_GO:
            return ()
        return tuple(one for one in run.askers if one not in {"", self._event.id})

    def _runs_again(self, run: Run) -> bool:
        """Return whether this event is a later deployment that repeats an ended definition."""
        if run.job is None:
            return run.state in LET_GO
        # The resource refers to it, in any state, or it was never released: then it is a rollback,
        # which keeps it unchanged.
        is_held = self._event.type is RequestType.UPDATE and run.state not in LET_GO
        if is_held or run.job == self._event.physical_id or run.ended_as == COMPLETED:
            return False
        job = self._calls.job_or_none(run.job, APPEARS_SECONDS)
        if job is None:
            # The service forgets jobs after some months. A job may have completed before.
            is_known_to_fail = run.ended_as in {FAILED, CANCELLED}
            return is_known_to_fail or self._calls.now() - run.since < _KNOWN_SECONDS
        if job.status == COMPLETED:
            return False
        # Another invocation may be cancelling a released job, so it is not reused.
        is_ending = run.failure is not None or run.state is State.RELEASED
        return is_ending or job.status in {FAILED, CANCELLED, CANCELLING}

    def _with_held_job(self, record: JobRecord) -> JobRecord:
        """Return the record with the job of an Update, if it was missing there.

        So a lost or damaged record is restored: the event contains the job and its definition, and
        the job's tags contain its token.
        """
        arn = self._event.physical_id
        old = digest_or_none(self._event.old_properties)
        is_update = self._event.type is RequestType.UPDATE
        if not is_update or old is None or record.run_of(arn) or not is_run_arn(arn):
            return record
        job = self._calls.job_or_none(arn)
        attempt = attempt_of(self._event, old, job)
        if attempt is None:
            known = record.latest_run(old)
            attempt = 1 if known is None else known.attempt + 1
        run = self._new_run(old, attempt, old_tags(self._event.old_properties), arn, job)
        is_ours = job is None or _carries(job, run.token)
        return replace(record.with_run(replace(run, is_ours=is_ours)), current=run.token)

    def _new_run(
        self,
        definition: str,
        attempt: int,
        tags: Mapping[str, str],
        arn: str | None = None,
        job: Job | None = None,
    ) -> Run:
        """Return a new run; with an ARN, the run of a current job that no record contains."""
        token = self._event.token(definition, attempt)
        return Run(
            definition=definition,
            attempt=attempt,
            token=token,
            tags={**tags, contract.TOKEN_TAG: token},
            since=self._calls.now(),
            state=State.HELD if arn else State.WANTED,
            job=arn,
            tag_keys=tuple(sorted(tags)),
            ended_as=job.status if job is not None and job.has_ended else "",
        )

    def _refuse_failed(self, run: Run) -> None:
        """Refuse an event that was refused before, or that a later one has reverted."""
        self._invocation.may_exist = run.was_called or run.job is not None
        if run.failure is not None:
            if run.job is not None:
                self._invocation.failed_job = run.job
            raise Failure(run.failure)
        if run.state in LET_GO:
            raise LateEventFailure(
                "CloudFormation has deleted the resource of this event, so no job was started."
            )

    # --- The jobs that the resource refers to. ---

    def _with_orphans_released(
        self, record: JobRecord, run: Run, definition: JobProperties
    ) -> JobRecord:
        """Return the record after an Update.

        The resource refers to one job, the physical id, and then to the one in the response. A
        rollback can restore no other.
        """
        physical = record.run_of(self._event.physical_id)
        held = {run.token} | ({physical.token} if physical else set())
        retains = definition.on_delete is OnDelete.RETAIN_JOB or _retains(
            self._event.old_properties
        )
        # Other jobs of an Update were never in a response that arrived.
        left = digest_or_none(self._event.old_properties)
        retained = {one.token for one in record.runs.values() if one.definition != left}
        return record.release_orphans(held, retained=retained if retains else ())

    def _accept(self, old: JobRecord, run: Run) -> JobRecord:
        """Return the record of a resource before the response with a run's job.

        While the deployment waits for the job, it may still fail: then the stack never had it.
        """
        waits = read_wait(self._event.properties) is not None
        return old if waits else _held(old, old.runs.get(run.token))

    def _with_event(self, record: JobRecord) -> JobRecord:
        if record.knows(self._event.id):
            return record
        return record.with_event(self._event.seen(self._calls.now(), record))

    def _refuse_late(self, record: JobRecord) -> None:
        if self._event.is_point:
            _refuse_undone(record, self._event)
            return
        expires = self._event.expires_at
        is_delete = self._event.type is RequestType.DELETE
        is_expired = not is_delete and expires is not None and expires < self._calls.now()
        if is_expired or record.is_overtaken(self._event.seen(self._calls.now(), record)):
            raise LateEventFailure(
                "CloudFormation no longer waits for this event, so no job was started."
            )

    # --- Waiting, and the steps after the response. ---

    def _waited_for(self, outcome: Outcome) -> Outcome:
        """Wait for the job of the response, if the deployment does."""
        wait = read_wait(self._event.properties)
        if wait is None:
            return outcome
        until = self._event.waits_until or self._calls.now() + wait.seconds
        job = outcome.physical_id
        self._invocation.log("waits", job)
        try:
            became = wait_for_end(self._calls, job, wait, until, self._without_secrets)
        except Failure as failure:
            self.fail_wait(job, str(failure))
            raise
        with self._calls.cleanup_time():
            self._invocation.store().change(lambda old: _held(old, old.run_of(job)))
        return replace(outcome, attributes={**outcome.attributes, **became})

    def _without_secrets(self, text: str) -> str:
        return redacted(text, hyperparameter_values(request_or_empty(self._event.properties)))

    def fail_wait(self, job: str, reason: str) -> None:
        """Record a failed wait for a job: it is released, unless the stack had it before."""

        def failed(old: JobRecord) -> JobRecord:
            run = old.run_of(job)
            return old if run is None else old.with_run(run.after(Step.FAIL, failure=said))

        said = self._without_secrets(reason)
        with self._calls.cleanup_time(_RECORD_ANSWERED_SECONDS):
            if self._invocation.note(failed, job):
                self._invocation.failed_job = job

    def note_answered(self) -> None:
        """Record that CloudFormation has received the success of a Create, if it has in time.

        A Delete with a generated id then belongs to another Create.
        """
        event = self._event
        if event.type is not RequestType.CREATE or event.sent_at is None:
            return
        wait = read_wait(event.properties)
        longest = 0.0 if wait is None else wait.seconds + contract.ANSWER_SECONDS
        waits = max(contract.SERVICE_TIMEOUT_SECONDS, longest) - _ANSWERED_MARGIN
        if self._calls.now() - event.sent_at > waits:
            return

        def answered(old: JobRecord) -> JobRecord:
            events = tuple(
                replace(seen, is_answered=True) if seen.id == event.id else seen
                for seen in old.events
            )
            return replace(old, events=events)

        with self._calls.cleanup_time(_RECORD_ANSWERED_SECONDS):
            self._invocation.store().change(answered)

    # --- Delete. ---

    def _delete(self) -> Outcome:
        """Release the job of the event, and cancel it unless it is retained.

        Raises:
            Failure: A job may still run.
        """
        arn = self._event.physical_id
        if is_run_arn(arn):
            self._delete_job()
        else:
            self._delete_unknown()
        self._invocation.log("deleted", arn if is_run_arn(arn) else None)
        return Outcome(arn, {})

    def _delete_job(self) -> None:
        arn = self._event.physical_id
        record = self._released_job()
        run = None if record is None else record.run_of(arn)
        is_retained = _retains(self._event.properties) if run is None else False
        if is_retained or (run is not None and run.state is State.RETAINED):
            self._invocation.log("retained" if run is None or run.is_ours else "not_ours", arn)
        if record is not None and run is not None:
            self._cancellation.end_released(record)
        elif not is_retained and self._is_ours(arn, has_record=record is not None):
            self._cancellation.end(arn)
        if record is None:
            # So that no concurrent invocation continues.
            self._released_job(_LAST_RECORD_SECONDS)

    def _released_job(self, seconds: float = _RECORD_SECONDS) -> JobRecord | None:
        """Record that the job was released; None if the record cannot be used."""
        try:
            with self._calls.at_most(seconds):
                return self._invocation.store().change(self._without_job)
        except LateEventFailure:
            raise
        except (Failure, ServiceError) as error:
            # A job with a known ARN can still be cancelled.
            self._invocation.log("no_record", self._event.physical_id, error=error)
            return None

    def _without_job(self, old: JobRecord) -> JobRecord:
        run = old.run_of(self._event.physical_id)
        self._refuse_late_delete(old, run)
        new = self._with_event(old)
        if run is None:
            return new
        step = Step.RETAIN if _retains(self._event.properties) else Step.RELEASE
        new = new.with_run(run.after(step))
        others = set(old.runs) - {run.token}
        if old.current == run.token:
            # The resource's last job. A copy that may be out of date does not decide about others.
            held = {one.token for one in old.in_state(State.HELD)}
            others = set() if self._invocation.store().is_certain else held
        return new.release_orphans(others)

    def _refuse_late_delete(self, record: JobRecord, run: Run | None) -> None:
        """Refuse a repeated Delete, or one that was sent before the job was reused.

        A job that was never released has no late Delete, with any date.
        """
        event = self._event
        is_late = record.knows(event.id) and record.events[-1].id != event.id
        taken_back = None if run is None else run.taken_back_at
        if taken_back is not None and event.sent_at is not None:
            is_late |= event.sent_at < taken_back - CLOCK_SKEW_SECONDS
        if is_late:
            raise LateEventFailure(
                "A later event requested the job again, so it was not cancelled. If it is not "
                "in the stack, delete the resource again."
            )

    def _is_ours(self, arn: str, *, has_record: bool) -> bool:
        """Return whether a job that is not in the record has a token of this resource."""
        try:
            job = self._calls.job_or_none(arn, APPEARS_SECONDS)
        except (Failure, ServiceError):
            # Only the event names it, which is enough if the record does not contradict.
            return not has_record
        digest = digest_or_none(self._event.properties)
        is_ours = digest is not None and attempt_of(self._event, digest, job) is not None
        if is_ours or job is None or job.has_ended:
            return is_ours
        self._invocation.log("not_ours", arn)
        if not has_record:
            raise UnconfirmedCancelFailure(
                arn, "it has no tag of this resource, and the record cannot be used"
            )
        return False

    def _delete_unknown(self) -> None:
        """Revert a Create whose response contained no job."""
        try:
            store = self._invocation.store()
        except Failure:
            return  # the properties are malformed: then no job was started
        kind, create = self._event.failed_create or ("", "")
        needs_record = kind != NOTHING_STARTED
        try:
            with self._calls.at_most(float("inf") if needs_record else _LAST_RECORD_SECONDS):
                record = store.change(lambda old: self._without_create(old, create))
        except LateEventFailure:
            raise
        except (Failure, ServiceError) as error:
            # If the bucket is gone, no job was started.
            is_gone = isinstance(error, ServiceError) and error.kind is Kind.NOT_FOUND
            if needs_record and not is_gone:
                raise
            self._invocation.log("no_record", None, error=error)
            return
        self._cancellation.end_released(record)

    def _without_create(self, old: JobRecord, create: str) -> JobRecord:
        """Return the record without the jobs of a Create.

        Args:
            old: The record.
            create: The event's id; empty if CloudFormation generated the physical id, because it
                has not received the response of the Create.
        """
        self._refuse_late(old)
        if self._event.is_point:
            return _without_point(old, create)
        new = old
        if create and not old.knows(create):
            new = new.with_event(Seen(id=create, kind=CREATE))  # it starts nothing from now on
        new = self._with_event(new)
        if create:
            held = {run.token for run in old.runs.values() if run.asked_by != create}
        else:
            held = _held_by_answered_create(old)
        return new.release_orphans(held)


def _held(old: JobRecord, run: Run | None) -> JobRecord:
    accepted = None if run is None else run.after(Step.ACCEPT)
    if accepted is None or accepted.state is not State.HELD:
        return old
    return replace(old.with_run(accepted), current=accepted.token)


def _refuse_undone(record: JobRecord, event: Event) -> None:
    """Refuse a point whose sweep was stopped. Points of other executions have no order."""
    if any(seen.id == event.id and seen.is_undone for seen in record.events):
        raise LateEventFailure("The sweep was stopped, so no job was started.")


def _without_point(old: JobRecord, create: str) -> JobRecord:
    """Return the record without a point of a stopped sweep; its job may be shared by others."""
    known = next((seen for seen in old.events if seen.id == create), Seen(id=create, kind=CREATE))
    new = old if known.is_undone else old.with_event(replace(known, is_undone=True))
    for run in old.runs.values():
        left = tuple(one for one in run.askers if one != create)
        if create not in run.askers:
            continue
        if left:
            new = new.with_run(replace(run, asked_by=left[-1], also_asked_by=left[:-1]))
        else:
            new = new.with_run(run.after(Step.RELEASE))
    return new


def _held_by_answered_create(record: JobRecord) -> set[str]:
    """Return the runs of a Create with a response, if a Delete may belong to an earlier one.

    That is so if more Creates before it had no response than Deletes have followed it.
    """
    asked = record.last_request
    if asked is None or not asked.is_answered:
        return set()
    at = record.events.index(asked)
    before = itertools.takewhile(lambda seen: seen.kind != DELETE, reversed(record.events[:at]))
    unanswered = [seen for seen in before if not seen.is_answered]
    if len(unanswered) <= len(record.events[at + 1 :]):
        return set()
    return {run.token for run in record.runs.values() if run.asked_by == asked.id}


def _retains(properties: Mapping[str, object]) -> bool:
    return properties.get(Property.ON_DELETE) == OnDelete.RETAIN_JOB


def _carries(job: Job, token: str) -> bool:
    return (job.tags or {}).get(contract.TOKEN_TAG) == token
