"""What the handler decides: create, keep, replace, cancel.

All calls go through a `Gateway`, so that each history of events can be played against one in
memory. The order of the steps matters more than anything else here: the function may be killed
between any two of them, and what is then in the record must be enough to go on, or to clean up.

The contract, and the reasoning, are in docs/adr/0004-one-job-per-definition.md.
"""

import itertools
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn

from . import contract, preconditions
from .calls import (
    CANCELLED,
    CANCELLING,
    FAILED,
    Budget,
    Calls,
    Gateway,
    Job,
    Record,
)
from .contract import OnDelete, Property
from .definition import (
    Definition,
    Location,
    attributes_of,
    checkpoint_uri,
    digest_or_none,
    is_job_arn,
    read_definition,
    read_tags,
    read_wait,
    refuse_problems,
    render,
    request_or_empty,
    text_of,
)
from .failures import (
    ASSET_NOT_FOUND,
    Failure,
    Kind,
    LateEventFailure,
    OutOfTimeFailure,
    ServiceError,
    UnconfirmedCancelFailure,
    UnreadableRecordFailure,
    explain,
    without_secrets,
)
from .ledger import Ledger, Run
from .waiting import wait_until_over

CALL_SECONDS = 60.0
"""No call of CreateJob is under way for longer, and then a search tells of what it made: the
gateway's time-outs are half of it."""

_ANNOUNCED_SECONDS = 20.0  # a call that does not begin within it is announced again

ROLE_SECONDS = 120.0
"""How long a role that cannot be assumed yet is waited for: IAM is eventually consistent."""

_POLL_SECONDS = 2.0
_APPEARS_SECONDS = 15.0  # for how long a GetJob that finds no job is not believed
_FOUND_SECONDS = 600.0  # how long after a call a search for its job is done again
_CLOCK_SKEW_SECONDS = 300.0


class RequestType(StrEnum):
    """What CloudFormation wants."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of CloudFormation, without its ResponseURL, which nothing here may see.

    Attributes:
        type: What is wanted.
        id: Tells one sending of CloudFormation from the next: a retry or a duplicate by Lambda
            has the same, another attempt under the same RequestId has another.
        stack_id: The stack's ARN.
        logical_id: The resource's logical id.
        physical_id: What CloudFormation holds; empty on Create.
        properties: The resource's properties.
        old_properties: The properties before an Update; empty otherwise.
        sent_at: When CloudFormation sent it (seconds since the epoch), if the event says.
        expires_at: When CloudFormation stops listening, if the event says.
        waits_until: When the wait for the job is over, if an earlier invocation began it.
    """

    type: RequestType
    id: str
    stack_id: str
    logical_id: str
    physical_id: str
    properties: Mapping[str, object] = field(repr=False)
    old_properties: Mapping[str, object] = field(repr=False)
    sent_at: float | None = None
    expires_at: float | None = None
    waits_until: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a successful event is answered with."""

    physical_id: str
    attributes: Mapping[str, str]


Log = Callable[[str, Mapping[str, object]], None]
"""Takes a decision's name and its details."""


class Lifecycle:
    """Handles one event.

    Args:
        event: The event.
        gateway: Every call that leaves the process.
        budget: When to stop.
        log: Takes one line for each decision.
        chance: Random numbers for the pauses between retries.
    """

    def __init__(
        self,
        event: Event,
        gateway: Gateway,
        budget: Budget,
        log: Log,
        chance: random.Random | None = None,
    ) -> None:
        self._event = event
        self._gateway = gateway
        # Jitter needs no secret randomness.
        self._calls = Calls(gateway, budget, chance or random.Random())  # noqa: S311
        self._write_log = log
        self._me = uuid.uuid4().hex
        self.physical_id = event.physical_id
        """What a FAILED answer names; changes once a job belongs to a Create."""

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
            RequestType.DELETE: self._delete,
        }
        request = request_or_empty(self._event.properties)
        try:
            return self._waited_for(steps[self._event.type]())
        except ServiceError as error:
            raise Failure(explain(error, request, self._gateway.region)) from error
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
        self._log("waits", outcome.physical_id)
        became = wait_until_over(self._calls, outcome.physical_id, wait, until)
        definition = read_definition(self._event.properties)
        record = self._record_at(definition.records)
        with self._calls.overtime():
            record.change(lambda old: _accepted_unless_let_go(old, definition))
        return replace(outcome, attributes={**outcome.attributes, **became})

    def _record_at(self, records: Location) -> Record:
        uri = self._event.old_properties.get(Property.RECORDS)
        earlier = Location.parse(uri) if isinstance(uri, str) else None
        return Record(self._calls, records, self._event.stack_id, self._event.logical_id, earlier)

    # --- Create and Update: one question, which job answers this definition? ---

    def _create(self) -> Outcome:
        definition = read_definition(self._event.properties)
        refuse_problems(definition, self._gateway.region)
        record = self._record_at(definition.records)
        return self._bring_about(definition, record, self._ask(definition, record))

    def _update(self) -> Outcome:
        definition = read_definition(self._event.properties)
        record = self._record_at(definition.records)
        if definition.digest == digest_or_none(self._event.old_properties):
            return self._keep(definition, record)
        refuse_problems(definition, self._gateway.region)
        run = self._ask(definition, record)
        self._end_orphans(definition, record)
        return self._bring_about(definition, record, run)

    def _keep(self, definition: Definition, record: Record) -> Outcome:
        """The definition is the same, so the job is, whatever became of it."""
        arn = self._event.physical_id
        ledger = record.change(lambda old: self._kept(old, definition))
        self._end_orphans(definition, record)
        job = self._calls.job_or_none(arn)
        run = ledger.runs.get(definition.digest)
        if job is not None:
            self._retag(definition, record, job, run)
        self._log("kept", arn, definition)
        if run is not None and run.job == arn:
            return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))
        return Outcome(arn, _attributes_of_job(arn, job, definition))

    def _kept(self, old: Ledger, definition: Definition) -> Ledger:
        self._refuse_late(old)
        run = old.runs.get(definition.digest)
        asked = old if run is None else old.with_run(definition.digest, self._asked(run))
        return self._accepted_now(asked.seen(self._event.sent_at), definition)

    def _bring_about(self, definition: Definition, record: Record, run: Run) -> Outcome:
        if run.job is None:
            return self._start(definition, record, run)
        self._own(run.job)
        job = self._calls.job_or_none(run.job)
        if job is not None:
            self._retag(definition, record, job, run)
        record.change(lambda old: self._accepted_now(old, definition))
        self._log("adopted", run.job, definition, run)
        return Outcome(run.job, attributes_of(run.job, render(definition.request, run.token)))

    def _accepted_now(self, old: Ledger, definition: Definition) -> Ledger:
        """Return the ledger of a resource that is about to be answered.

        While the deployment waits for the job, it may still fail: then the stack never held it.
        """
        waits = read_wait(self._event.properties) is not None
        return old if waits else _accepted(old, definition)

    def _ask(self, definition: Definition, record: Record) -> Run:
        """Put this event's wish on record; return the run that answers it."""
        asked = record.change(lambda old: self._asked_for(old, definition))
        return asked.runs[definition.digest]

    def _asked_for(self, old: Ledger, definition: Definition) -> Ledger:
        self._refuse_late(old)
        run = old.runs.get(definition.digest)
        if run is None or self._runs_anew(run):
            run = self._next_attempt(definition, run)
        return old.with_run(definition.digest, self._asked(run)).seen(self._event.sent_at)

    def _asked(self, run: Run) -> Run:
        return run.asked(self._event.id, self._event.sent_at)

    def _refuse_late(self, ledger: Ledger) -> None:
        overtaken = (
            self._event.sent_at is not None
            and ledger.latest is not None
            and self._event.sent_at < ledger.latest
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
        job = self._calls.job_or_none(run.job, _APPEARS_SECONDS)
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

    # --- Starting a job. ---

    def _start(self, definition: Definition, record: Record, run: Run) -> Outcome:
        try:
            arn = self._find_or_create(definition, record, run)
        except (OutOfTimeFailure, LateEventFailure):
            # Out of time, a call may have had its effect: the event that follows on FAILED looks
            # for the job. Late, the run is not ours to give up.
            raise
        except (Failure, ServiceError) as error:
            self._give_up(definition, record, run, error)
        self._own(arn)
        recorded = self._complete(definition, record, run, arn)
        try:
            job = self._calls.patiently(
                lambda: self._gateway.get_job(arn), missing=_APPEARS_SECONDS
            )
            self._retag(definition, record, job, recorded)
        except (Failure, ServiceError) as error:
            self._give_up(definition, record, run, error, arn)
        self._log("started", arn, definition, run)
        return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))

    def _find_or_create(self, definition: Definition, record: Record, run: Run) -> str:
        run = self._wait_for_call(record, definition.digest, run)
        if run.job is not None:
            return run.job
        self._refuse_missing(definition, run)
        for source, destination in definition.assets:
            self._copy(source, destination)
        self._copy_checkpoints(definition, run)
        return self._call_create(definition, record, run)

    def _refuse_missing(self, definition: Definition, run: Run) -> None:
        """Refuse what could not run, before anything is done for it."""
        if run.calling_until is not None:
            return  # a call was made: there may be a job, whatever is missing by now
        missing = preconditions.missing(self._calls, definition, self._unchecked)
        if missing:
            raise Failure(f"No job was created. {'. '.join(missing)}.")

    def _unchecked(self, what: str, error: ServiceError) -> None:
        self._write_log("unchecked", {"what": what, "error": error.code})

    def _copy(self, source: Location, destination: Location) -> None:
        self._calls.patiently(lambda: self._gateway.copy_asset(source, destination))

    def _copy_checkpoints(self, definition: Definition, run: Run) -> None:
        source = definition.checkpoints_from
        if source is None:
            return
        below = replace(source, key=f"{source.key.strip('/')}/".lstrip("/"))
        rendered = render(definition.request, run.token)
        target = Location.parse(checkpoint_uri(rendered).rstrip("/") + "/")
        keys = self._calls.patiently(lambda: list(self._gateway.list_keys(below)))
        for found in keys:
            inner = found.removeprefix(below.key)
            is_own = source.bucket == target.bucket and found.startswith(target.key)
            if inner and not is_own:
                self._copy_checkpoint(replace(below, key=found), target, inner)

    def _copy_checkpoint(self, source: Location, below: Location, inner: str) -> None:
        try:
            self._copy(source, replace(below, key=below.key + inner))
        except ServiceError as error:
            if error.code != ASSET_NOT_FOUND:  # a job that still runs may have removed it
                raise

    def _call_create(self, definition: Definition, record: Record, run: Run) -> str:
        request = {
            **render(definition.request, run.token),
            "clientToken": run.token,
            "tags": dict(run.tags),
        }
        began = self._calls.now()
        for attempt in itertools.count():
            announced = self._calls.now()
            last, run = run, self._announce_call(definition, record, run)
            found = run.job or self._find(last, definition.request)
            if found is not None:
                return found
            self._calls.check_time()
            if self._calls.now() - announced > _ANNOUNCED_SECONDS:
                continue  # frozen and thawed in between, or a slow write
            try:
                return self._gateway.create_job(request)
            except ServiceError as error:
                if not _may_pass(error, self._calls.now() - began):
                    return self._found_or_raise(error, definition, last)
                self._log("retrying", None, definition, run, error=error)
                self._calls.pause(attempt, error)
        raise AssertionError("unreachable")

    def _found_or_raise(self, error: ServiceError, definition: Definition, run: Run) -> str:
        """Return the job that an earlier call made: it, too, may be why this one is refused."""
        was_called = error.kind is Kind.CONFLICT or run.calling_until is not None
        found = self._find(run, definition.request, called=was_called)
        if found is None:
            raise error
        return found

    def _announce_call(self, definition: Definition, record: Record, run: Run) -> Run:
        """Write ahead that CreateJob is about to be called, unless the wish is gone."""

        def announced(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.released or now.token != run.token:
                raise LateEventFailure(
                    "The resource was deleted while its job was created, so none was started."
                )
            if now.job is not None:
                return old
            until = self._calls.now() + CALL_SECONDS
            calling = replace(now, caller=self._me, calling_until=until)
            return old.with_run(definition.digest, calling)

        return record.change(announced).runs[definition.digest]

    def _complete(self, definition: Definition, record: Record, run: Run, arn: str) -> Run:
        """Put the job on record, unless the resource was deleted meanwhile."""

        def completed(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.token != run.token:
                return old
            done = old.with_run(definition.digest, replace(now, job=arn))
            return done if now.released else self._accepted_now(done, definition)

        with self._calls.overtime():  # the job exists: its name must get on record
            recorded = record.change(completed).runs.get(definition.digest)
            if recorded is None or recorded.token != run.token or recorded.released:
                self._end(arn)
                raise LateEventFailure("The resource was deleted while its job was created.")
        return recorded

    def _give_up(
        self,
        definition: Definition,
        record: Record,
        run: Run,
        error: Failure | ServiceError,
        arn: str | None = None,
    ) -> NoReturn:
        """The creation failed: nothing of it goes on running, and its retries know."""
        reason = self._reason(error, definition)
        with self._calls.overtime():
            self._note_failure(definition, record, run, reason)
            self._log("gave_up", arn, definition, run)
            raise Failure(f"{reason}{self._unconfirmed(arn)}") from error

    def _note_failure(self, definition: Definition, record: Record, run: Run, reason: str) -> None:
        def given_up(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.token != run.token or now.released:
                return old
            gone = replace(now.let_go(self._event.id), failure=reason)
            current = old.definition_of(self._event.physical_id)
            return replace(old.with_run(definition.digest, gone), current=current)

        try:
            record.change(given_up)
        except (Failure, ServiceError) as error:
            # The job is to be cancelled all the same; the event that follows notes it.
            self._log("not_noted", None, definition, error=error)

    def _unconfirmed(self, arn: str | None) -> str:
        """End the job of a failed creation; say so if that could not be confirmed."""
        try:
            if arn is not None:
                self._end(arn)
        except UnconfirmedCancelFailure as failure:
            return f" {failure}"
        return ""

    def _find(
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

        return self._calls.patiently(search)

    def _carries(self, job: Job, token: str, name: object) -> bool:
        tags = job.tags
        if tags is None and job.name == name:  # the search told no tags: ask for them
            found = self._calls.job_or_none(job.arn)
            tags = None if found is None else found.tags
        return tags is not None and tags.get(contract.TOKEN_TAG) == token

    def _wait_for_call(self, record: Record, digest: str, run: Run) -> Run:
        """Wait until no other invocation may be in the middle of CreateJob for this run."""
        while self._in_others_hands(run):
            self._calls.wait(_POLL_SECONDS, "another invocation is creating the job")
            run = record.read().runs.get(digest, run)
        return run

    def _in_others_hands(self, run: Run) -> bool:
        return (
            run.job is None
            and run.caller != self._me
            and run.calling_until is not None
            and run.calling_until > self._calls.now()
        )

    def _own(self, arn: str) -> None:
        if self._event.type is RequestType.CREATE:
            self.physical_id = arn

    # --- Tags. ---

    def _retag(self, definition: Definition, record: Record, job: Job, run: Run | None) -> None:
        wanted = definition.tags
        actual = job.tags or {}
        ours = set(run.tag_keys if run else ()) | set(self._old_tags())
        missing = {name: value for name, value in wanted.items() if actual.get(name) != value}
        surplus = tuple(sorted((ours & set(actual)) - set(wanted) - {contract.TOKEN_TAG}))
        if missing:
            self._calls.patiently(lambda: self._gateway.tag_job(job.arn, missing))
        if surplus:
            self._calls.patiently(lambda: self._gateway.untag_job(job.arn, surplus))
        if run is not None and set(run.tag_keys) != set(wanted):
            record.change(lambda old: _with_tags(old, definition))
        if missing or surplus:
            self._log("retagged", job.arn, definition, run)

    def _old_tags(self) -> Mapping[str, str]:
        try:
            return read_tags(self._event.old_properties)
        except Failure:
            return {}

    # --- Delete, and jobs that nobody holds. ---

    def _delete(self) -> Outcome:
        physical_id = self._event.physical_id
        held = is_job_arn(physical_id)
        wish = held and self._retains(self._event.properties)
        record = self._record_or_none()
        ledger = Ledger() if record is None else self._release(record, held, wish)
        own = ledger.definition_of(physical_id)
        if own is not None and not ledger.runs[own].released:
            self._log("ignored_late_delete", physical_id)
            return Outcome(physical_id, {})
        # What the stack never came to hold is not what the wish is about.
        retained = wish and (own is None or ledger.runs[own].accepted)
        if retained:
            self._log("retained", physical_id)
        self._end_all([physical_id] if held and not retained else [], ledger, record)
        self._log("deleted", physical_id if held else None)
        return Outcome(physical_id, {})

    def _record_or_none(self) -> Record | None:
        """Return the record, None when the properties are malformed: then no job was started."""
        try:
            place = Location.parse(text_of(self._event.properties, Property.RECORDS))
        except Failure:
            return None
        return self._record_at(place)

    def _release(self, record: Record, held: bool, retained: bool) -> Ledger:
        """Put on record that CloudFormation let go, before anything is cancelled."""
        try:
            return record.change(lambda old: self._let_go(old, retained))
        except (UnreadableRecordFailure, ServiceError) as error:
            # Where the bucket is gone, no job was started. Else a job that is known by its ARN
            # can be cancelled all the same.
            is_gone = isinstance(error, ServiceError) and error.kind is Kind.NOT_FOUND
            if not held and not is_gone:
                raise
            self._log("no_record", self._event.physical_id, error=error)
            return Ledger()

    def _let_go(self, old: Ledger, retained: bool) -> Ledger:
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

    def _let_run_go(self, old: Ledger, digest: str, retained: bool) -> Ledger:
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

    def _end_orphans(self, definition: Definition, record: Record) -> None:
        """End what earlier events started and CloudFormation never came to hold.

        In an Update CloudFormation holds one job, the physical id, and will hold the one that we
        answer with. It can go back to no other.
        """
        ledger = record.change(lambda old: self._without_orphans(old, definition))
        self._end_all([], ledger, record)

    def _without_orphans(self, old: Ledger, definition: Definition) -> Ledger:
        retains = definition.on_delete is OnDelete.RETAIN_JOB or self._retains(
            self._event.old_properties
        )
        new = old
        for digest in _unsettled(old, except_for=definition.digest):
            run = old.runs[digest]
            is_held = run.job is not None and run.job == self._event.physical_id
            if not is_held and not (retains and run.accepted):
                new = new.with_run(digest, run.let_go(self._event.id))
        return new

    def _retains(self, properties: Mapping[str, object]) -> bool:
        return properties.get(Property.ON_DELETE) == OnDelete.RETAIN_JOB

    def _end_all(self, jobs: list[str], ledger: Ledger, record: Record | None) -> None:
        """End these jobs, and those of all runs that this event released."""
        failures: list[Failure] = []
        settled: list[Run] = []
        for digest, run in self._mine(ledger).items():
            found = run.job or self._search_for(record, digest, run)
            jobs = [*jobs, found] if found else jobs
            if found or self._is_long_over(run):
                settled.append(run)
        for arn in dict.fromkeys(jobs):
            try:
                self._end(arn)
            except Failure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        if record is not None and settled:
            self._settle(record, {run.token for run in settled})

    def _is_long_over(self, run: Run) -> bool:
        """Say whether a search that found no job of the run is to be believed for good."""
        return (run.calling_until or 0.0) + _FOUND_SECONDS < self._calls.now()

    def _mine(self, ledger: Ledger) -> dict[str, Run]:
        """Return the runs that this event released, and whose jobs are to end."""
        return {
            digest: run
            for digest, run in ledger.runs.items()
            if run.released and not run.retained and self._event.id in run.released_by
        }

    def _settle(self, record: Record, tokens: set[str]) -> None:
        """Note that the runs' jobs are over, so that no later event looks after them."""
        try:
            record.change(lambda old: _with_settled(old, tokens))
        except (Failure, ServiceError) as error:
            # The jobs are over all the same; the next event will look once more.
            self._log("not_noted", None, error=error)

    def _search_for(self, record: Record | None, digest: str, run: Run) -> str | None:
        """Return the job of a run whose call of CreateJob never came back."""
        if record is None:
            return None
        run = self._wait_for_call(record, digest, run)
        return run.job or self._find(run, _request_of(self._event, digest))

    def _end(self, arn: str) -> None:
        """Cancel a job unless it is over, and see that it is."""
        try:
            status = self._cancel_until_over(arn)
        except (ServiceError, OutOfTimeFailure) as error:
            self._log("cancel_unconfirmed", arn, error=error)
            raise UnconfirmedCancelFailure(arn, str(error)) from error
        self._log("ended", arn, status=status)

    def _cancel_until_over(self, arn: str) -> str:
        while True:
            job = self._calls.job_or_none(arn, _APPEARS_SECONDS)
            if job is None:
                return "unknown to the service"
            if job.is_over:
                return job.status
            if job.status != CANCELLING:
                self._cancel(arn)
            self._calls.wait(_POLL_SECONDS, f"the job is {job.status}")

    def _cancel(self, arn: str) -> None:
        try:
            self._calls.patiently(lambda: self._gateway.cancel_job(arn))
        except ServiceError as error:
            # Not there, or over by now, or not yet to be cancelled: its status will tell.
            if error.kind not in {Kind.NOT_FOUND, Kind.CONFLICT}:
                raise

    # --- Words. ---

    def _reason(self, error: Failure | ServiceError, definition: Definition) -> str:
        if isinstance(error, ServiceError):
            return explain(error, definition.request, self._gateway.region)
        return str(error)

    def _log(
        self,
        decision: str,
        arn: str | None,
        definition: Definition | None = None,
        run: Run | None = None,
        *,
        error: Exception | None = None,
        status: str | None = None,
    ) -> None:
        details = {
            "jobArn": arn,
            "definition": definition.digest if definition else None,
            "runId": contract.run_id(run.token) if run else None,
            "attempt": run.attempt if run else None,
            "status": status,
            # Only what kind of error: a service's message may quote the request.
            "error": getattr(error, "code", type(error).__name__) if error else None,
            "requestId": getattr(error, "request_id", None),
        }
        self._write_log(decision, {k: v for k, v in details.items() if v is not None})


def _refuse_answered(run: Run) -> None:
    """Refuse what this event has been refused before, or has lost to a later event."""
    if run.failure is not None:
        raise Failure(run.failure)
    if run.released:
        raise LateEventFailure(
            "CloudFormation has deleted what this event asked for, so nothing was started."
        )


def _may_pass(error: ServiceError, waited: float) -> bool:
    """Say whether CreateJob may succeed if it is called again."""
    if error.kind is Kind.TRANSIENT:
        return True
    refused = error.code in {"ValidationException", "AccessDeniedException"}
    is_about_role = refused and "assum" in error.message.lower()
    return is_about_role and waited < ROLE_SECONDS


def _unsettled(ledger: Ledger, except_for: str = "") -> list[str]:
    """Return the definitions whose job may run without CloudFormation's wish."""
    return [
        digest
        for digest, run in ledger.runs.items()
        if digest != except_for and not run.settled and not run.retained
    ]


def _accepted(old: Ledger, definition: Definition) -> Ledger:
    """Return the ledger of a resource that is about to be answered with this definition's job."""
    run = old.runs.get(definition.digest)
    new = old if run is None else old.with_run(definition.digest, replace(run, accepted=True))
    return replace(new, current=definition.digest)


def _accepted_unless_let_go(old: Ledger, definition: Definition) -> Ledger:
    run = old.runs.get(definition.digest)
    return old if run is not None and run.released else _accepted(old, definition)


def _with_tags(old: Ledger, definition: Definition) -> Ledger:
    run = old.runs.get(definition.digest)
    if run is None:
        return old
    return old.with_run(definition.digest, replace(run, tag_keys=tuple(sorted(definition.tags))))


def _with_settled(old: Ledger, tokens: set[str]) -> Ledger:
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


def _attributes_of_job(arn: str, job: Job | None, definition: Definition) -> dict[str, str]:
    """Return the attributes of a job whose record is lost: what the service says of it."""
    request = dict(definition.request)
    if job is not None:
        request["jobName"] = job.name
        request["outputDataConfig"] = {"s3Path": job.results_path}
        request["checkpointConfig"] = {"s3Uri": job.checkpoint_uri}
    return attributes_of(arn, request)
