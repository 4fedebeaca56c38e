"""What the handler decides: create, keep, replace, cancel.

All calls go through a `Gateway`, so that each history of events can be played against one in
memory. The order of the steps matters more than anything else here: the function may be killed
between any two of them, and what is then in the record must be enough to go on, or to clean up.

The contract, and the reasoning, are in docs/adr/0004-one-job-per-definition.md.
"""

import random
from dataclasses import replace

from .. import contract
from .cancel_job import Ending
from .create_job import Starting
from .errors import Failure, LateEventFailure, ServiceError, explain, without_secrets
from .find_job import Search
from .invocation import APPEARS_SECONDS, Event, Handling, Log, Outcome, RequestType
from .job_record import JobRecord, Run
from .properties import (
    Definition,
    attributes_of,
    digest_or_none,
    read_definition,
    read_wait,
    refuse_problems,
    render,
    request_or_empty,
)
from .retries import CANCELLED, CANCELLING, FAILED, Budget, Gateway, Job, Record
from .tag_job import Tagging
from .wait_for_job import wait_until_over


class Lifecycle:
    """Handles one event.

    Args:
        event: The event.
        gateway: Every call that leaves the process.
        budget: When to stop.
        log: Takes one line for each decision.
        rng: Random numbers for the pauses between retries.
    """

    def __init__(
        self,
        event: Event,
        gateway: Gateway,
        budget: Budget,
        log: Log,
        rng: random.Random,
    ) -> None:
        handling = Handling(event, gateway, budget, log, rng)
        self._handling = handling
        self._event = event
        self._calls = handling.calls
        search = Search(handling)
        self._ending = Ending(handling, search)
        self._tagging = Tagging(handling)
        self._starting = Starting(handling, search, self._ending, self._accepted_now)

    @property
    def physical_id(self) -> str:
        """What a FAILED answer names; changes once a job belongs to a Create."""
        return self._handling.physical_id

    def handle(self) -> Outcome:
        """Do what the event asks for.

        Returns:
            What to answer.

        Raises:
            Failure: Answer FAILED, with its text as the reason.
            UnfinishedWait: Another invocation has to go on waiting for the job.
        """
        steps = {
            RequestType.CREATE: self._create,
            RequestType.UPDATE: self._update,
            RequestType.DELETE: self._ending.delete,
        }
        request = request_or_empty(self._event.properties)
        try:
            return self._waited_for(steps[self._event.type]())
        except ServiceError as error:
            raise Failure(explain(error, request, self._handling.gateway.region)) from error
        except Failure as failure:
            # It may quote a service, and a service may quote the request.
            failure.args = (without_secrets(str(failure), request),)
            raise

    def _waited_for(self, outcome: Outcome) -> Outcome:
        """Wait for the job that the event is answered with, if that is asked for."""
        if self._event.type is RequestType.DELETE:
            return outcome
        wait = read_wait(self._event.properties)
        if wait is None:
            return outcome
        until = self._event.waits_until or self._calls.now() + wait.seconds
        self._handling.log("waits", outcome.physical_id)
        became = wait_until_over(self._calls, outcome.physical_id, wait, until)
        definition = read_definition(self._event.properties)
        record = self._handling.record_at(definition.records)
        with self._calls.cleanup_time():
            record.change(lambda old: _accepted_unless_let_go(old, definition))
        return replace(outcome, attributes={**outcome.attributes, **became})

    # --- Create and Update: one question, which job answers this definition? ---

    def _create(self) -> Outcome:
        definition = read_definition(self._event.properties)
        refuse_problems(definition, self._handling.gateway.region)
        record = self._handling.record_at(definition.records)
        return self._bring_about(definition, record, self._ask(definition, record))

    def _update(self) -> Outcome:
        definition = read_definition(self._event.properties)
        record = self._handling.record_at(definition.records)
        if definition.digest == digest_or_none(self._event.old_properties):
            return self._keep(definition, record)
        refuse_problems(definition, self._handling.gateway.region)
        run = self._ask(definition, record)
        self._ending.end_orphans(definition, record)
        return self._bring_about(definition, record, run)

    def _keep(self, definition: Definition, record: Record) -> Outcome:
        """The definition is the same, so the job is, whatever became of it."""
        arn = self._event.physical_id
        job_record = record.change(lambda old: self._kept(old, definition))
        self._ending.end_orphans(definition, record)
        job = self._calls.job_or_none(arn)
        run = job_record.runs.get(definition.digest)
        if job is not None:
            self._tagging.retag(definition, record, job, run)
        self._handling.log("kept", arn, definition)
        if run is not None and run.job == arn:
            return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))
        return Outcome(arn, _attributes_of_job(arn, job, definition))

    def _kept(self, old: JobRecord, definition: Definition) -> JobRecord:
        self._refuse_late(old)
        run = old.runs.get(definition.digest)
        asked = old if run is None else old.with_run(definition.digest, self._asked(run))
        return self._accepted_now(asked.seen(self._event.sent_at), definition)

    def _bring_about(self, definition: Definition, record: Record, run: Run) -> Outcome:
        if run.job is None:
            return self._starting.start(definition, record, run)
        self._handling.set_physical_id(run.job)
        job = self._calls.job_or_none(run.job)
        if job is not None:
            self._tagging.retag(definition, record, job, run)
        record.change(lambda old: self._accepted_now(old, definition))
        self._handling.log("adopted", run.job, definition, run)
        return Outcome(run.job, attributes_of(run.job, render(definition.request, run.token)))

    def _accepted_now(self, old: JobRecord, definition: Definition) -> JobRecord:
        """Return the ledger of a resource that is about to be answered.

        While the deployment waits for the job, it may still fail: then the stack never held it.
        """
        waits = read_wait(self._event.properties) is not None
        return old if waits else _accepted(old, definition)

    def _ask(self, definition: Definition, record: Record) -> Run:
        """Put this event's wish on record; return the run that answers it."""
        asked = record.change(lambda old: self._asked_for(old, definition))
        return asked.runs[definition.digest]

    def _asked_for(self, old: JobRecord, definition: Definition) -> JobRecord:
        self._refuse_late(old)
        run = old.runs.get(definition.digest)
        if run is None or self._runs_anew(run):
            run = self._next_attempt(definition, run)
        return old.with_run(definition.digest, self._asked(run)).seen(self._event.sent_at)

    def _asked(self, run: Run) -> Run:
        return run.asked(self._event.id, self._event.sent_at)

    def _refuse_late(self, job_record: JobRecord) -> None:
        overtaken = (
            self._event.sent_at is not None
            and job_record.latest is not None
            and self._event.sent_at < job_record.latest
        )
        expires = self._event.expires_at
        if overtaken or (expires is not None and expires < self._calls.now()):
            raise LateEventFailure(
                "CloudFormation no longer waits for this event, so nothing was started."
            )

    def _runs_anew(self, run: Run) -> bool:
        """Say whether this event is a later deployment that wants an ended definition again."""
        if self._event.id in run.asked_by:
            _refuse_answered(run)
            return False
        if run.job is None:
            return run.released
        if self._event.type is RequestType.UPDATE and not run.released:
            return False  # CloudFormation never let go of it: a rollback takes it back as it is
        job = self._calls.job_or_none(run.job, APPEARS_SECONDS)
        return job is None or job.status in {FAILED, CANCELLED, CANCELLING}

    def _next_attempt(self, definition: Definition, last: Run | None) -> Run:
        attempt = 1 if last is None else last.attempt + 1
        token = contract.client_token(
            self._event.stack_id, self._event.logical_id, definition.digest, attempt
        )
        return Run(
            attempt=attempt,
            token=token,
            tags={**definition.tags, contract.TOKEN_TAG: token},
            since=self._calls.now(),
            tag_keys=tuple(sorted(definition.tags)),
            asked_by=() if last is None else last.asked_by,
            released_by=() if last is None else last.released_by,
        )


def _refuse_answered(run: Run) -> None:
    """Refuse what this event has been refused before, or has lost to a later event."""
    if run.failure is not None:
        raise Failure(run.failure)
    if run.released:
        raise LateEventFailure(
            "CloudFormation has deleted what this event asked for, so nothing was started."
        )


def _accepted(old: JobRecord, definition: Definition) -> JobRecord:
    """Return the ledger of a resource that is about to be answered with this definition's job."""
    run = old.runs.get(definition.digest)
    new = old if run is None else old.with_run(definition.digest, replace(run, accepted=True))
    return replace(new, current=definition.digest)


def _accepted_unless_let_go(old: JobRecord, definition: Definition) -> JobRecord:
    run = old.runs.get(definition.digest)
    return old if run is not None and run.released else _accepted(old, definition)


def _attributes_of_job(arn: str, job: Job | None, definition: Definition) -> dict[str, str]:
    """Return the attributes of a job whose record is lost: what the service says of it."""
    request = dict(definition.request)
    if job is not None:
        request["jobName"] = job.name
        request["outputDataConfig"] = {"s3Path": job.results_path}
        request["checkpointConfig"] = {"s3Uri": job.checkpoint_uri}
    return attributes_of(arn, request)
