"""What the handler decides: create, keep, replace, cancel.

All calls go through a `Gateway`, so that each history of events can be played against one in
memory. The order of the steps matters more than anything else here: the function may be killed
between any two of them, and what is then in the record must be enough to go on, or to clean up.

The contract, and the reasoning, are in docs/adr/0004-one-job-per-definition.md.
"""

import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn, Protocol, TypeVar

from . import contract, rules
from .contract import Attribute, OnDelete, Property
from .failures import (
    Failure,
    Kind,
    LateEventFailure,
    OutOfTimeFailure,
    ServiceError,
    UnconfirmedCancelFailure,
    explain,
    without_secrets,
)
from .ledger import Ledger, Run, UnreadableLedgerError, key
from .ledger import load as load_ledger

_T = TypeVar("_T")

COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
CANCELLING = "CANCELLING"
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
"""The states that a job never leaves. A state that is not known here counts as alive."""

CALL_SECONDS = 60.0
"""No call of CreateJob is under way for longer: the gateway's time-outs are shorter."""

ROLE_SECONDS = 120.0
"""How long a role that cannot be assumed yet is waited for: IAM is eventually consistent."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_POLL_SECONDS = 2.0
_APPEARS_SECONDS = 15.0  # how long a job just made may be missing from GetJob and SearchJobs
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a successful event is answered with."""

    physical_id: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Location:
    """An object, or a prefix, in S3."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Read `s3://bucket/key`.

        Raises:
            Failure: It is not of that form.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, path = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise Failure(f"{uri!r} is not of the form s3://bucket/key.")
        return cls(bucket, path)


@dataclass(frozen=True, slots=True)
class Job:
    """What the service says of a job."""

    arn: str
    status: str
    name: str
    tags: Mapping[str, str] | None
    results_path: str = ""
    checkpoint_uri: str = ""


class Gateway(Protocol):
    """Every call that leaves the process. All raise `ServiceError`; none retries by itself."""

    @property
    def region(self) -> str:
        """The region that the function runs in."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def read_record(self, location: Location) -> tuple[str, str] | None:
        """Return an object's text and its version, or None when there is none."""

    def write_record(self, location: Location, text: str, version: str | None) -> None:
        """Write an object that still has that version (None: that does not exist).

        Raises:
            ServiceError: With kind CONFLICT when it has changed meanwhile.
        """

    def copy_asset(self, source: Location, destination: Location) -> None:
        """See to it that the destination holds what the source does."""

    def create_job(self, request: Mapping[str, object]) -> str:
        """Create a job and return its ARN."""

    def get_job(self, arn: str) -> Job:
        """Return what the service knows of a job."""

    def find_jobs(self, created_after: float) -> Iterator[Job]:
        """Return the jobs created since, as far as a search tells of them."""

    def cancel_job(self, arn: str) -> None:
        """Ask for a job's cancellation."""

    def tag_job(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags of a job."""

    def untag_job(self, arn: str, keys: tuple[str, ...]) -> None:
        """Remove tags of a job."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop.

    Attributes:
        work_ends: No step of the event's work begins after it (seconds since the epoch).
        ends: No step that cleans up after failed work begins after it.
    """

    work_ends: float
    ends: float


Log = Callable[[str, Mapping[str, object]], None]
"""Takes a decision's name and its details."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the properties of the resource ask for."""

    request: Mapping[str, object] = field(repr=False)
    digest: str
    tags: Mapping[str, str] = field(repr=False)
    assets: tuple[tuple[Location, Location], ...]
    records: Location
    on_delete: OnDelete


# --- Reading properties. ---


def read_definition(properties: Mapping[str, object]) -> Definition:
    """Read the resource's properties.

    Raises:
        Failure: One of them is missing or not of the form that the constructs write.
    """
    request = _json_object(properties, Property.REQUEST)
    return Definition(
        request=request,
        digest=contract.definition_digest(request),
        tags=_read_tags(properties),
        assets=_read_assets(properties),
        records=Location.parse(_text(properties, Property.RECORDS)),
        on_delete=_read_on_delete(properties),
    )


def _text(properties: Mapping[str, object], name: Property) -> str:
    value = properties.get(name)
    if not isinstance(value, str):
        raise Failure(f"The property {name} is missing or is not text.")
    return value


def _json(properties: Mapping[str, object], name: Property, default: str) -> object:
    try:
        parsed: object = json.loads(_text({name: default, **properties}, name))
    except (ValueError, RecursionError):
        raise Failure(f"The property {name} is not JSON.") from None
    return parsed


def _json_object(properties: Mapping[str, object], name: Property) -> Mapping[str, object]:
    value = _json(properties, name, "")
    if not isinstance(value, dict):
        raise Failure(f"The property {name} is not a JSON object.")
    return value


def _read_tags(properties: Mapping[str, object]) -> Mapping[str, str]:
    value = _json(properties, Property.TAGS, "{}")
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Failure(f"The property {Property.TAGS} is not a JSON object of texts.")
    return value


def _read_assets(properties: Mapping[str, object]) -> tuple[tuple[Location, Location], ...]:
    value = _json(properties, Property.ASSETS, "[]")
    if not isinstance(value, list):
        raise Failure(f"The property {Property.ASSETS} is not a JSON list.")
    return tuple(_read_asset(entry) for entry in value)


def _read_asset(entry: object) -> tuple[Location, Location]:
    if not isinstance(entry, dict):
        raise Failure(f"An entry of the property {Property.ASSETS} is not an object.")
    uris = entry.get("source"), entry.get("destination")
    source, destination = (Location.parse(uri if isinstance(uri, str) else "") for uri in uris)
    return source, destination


def _read_on_delete(properties: Mapping[str, object]) -> OnDelete:
    value = properties.get(Property.ON_DELETE, OnDelete.CANCEL_JOB)
    if value not in set(OnDelete):
        raise Failure(f"The property {Property.ON_DELETE} is none of {', '.join(OnDelete)}.")
    return OnDelete(str(value))


def _json_or_empty(properties: Mapping[str, object]) -> Mapping[str, object]:
    try:
        return _json_object(properties, Property.REQUEST)
    except Failure:
        return {}


def _digest_or_none(properties: Mapping[str, object]) -> str | None:
    try:
        return contract.definition_digest(_json_object(properties, Property.REQUEST))
    except (Failure, ValueError):
        return None


def is_job_arn(physical_id: str) -> bool:
    """Say whether a physical id is a job's ARN, not something that was made up for a failure."""
    return not rules.check("JobArn", physical_id)


def render(request: Mapping[str, object], token: str) -> dict[str, object]:
    """Return the request with the run id in the places that a run must not share."""
    rendered = dict(request)
    run_id = contract.run_id(token)
    name = rendered.get("jobName")
    if isinstance(name, str):
        rendered["jobName"] = name.replace(contract.RUN_ID_PLACEHOLDER, run_id)
    for member, path in (("outputDataConfig", "s3Path"), ("checkpointConfig", "s3Uri")):
        inner = rendered.get(member)
        if isinstance(inner, dict) and isinstance(inner.get(path), str):
            filled = inner[path].replace(contract.RUN_ID_PLACEHOLDER, run_id)
            rendered[member] = {**inner, path: filled}
    return rendered


def attributes_of(arn: str, request: Mapping[str, object]) -> dict[str, str]:
    """Return the resource's attributes, from a rendered request."""
    name = _member(request, "jobName")
    results = _member(request, "outputDataConfig", "s3Path").rstrip("/")
    return {
        Attribute.JOB_ARN: arn,
        Attribute.JOB_ID: arn.rpartition("/")[2],
        Attribute.JOB_NAME: name,
        Attribute.RESULTS_S3_URI: f"{results}/{contract.RESULTS_FILE}",
        Attribute.CHECKPOINT_S3_URI: _member(request, "checkpointConfig", "s3Uri"),
        Attribute.LOG_GROUP_NAME: contract.JOB_LOG_GROUP,
        Attribute.LOG_STREAM_PREFIX: f"{name}/",
    }


def _member(request: Mapping[str, object], *path: str) -> str:
    value: object = request
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def problems_of(definition: Definition) -> list[str]:
    """Return what the service would refuse, now that every token has its value.

    An enumeration is left to the service: the runtime's model may be older than the one that the
    stack was synthesized with, and an instance type that is newer than both is allowed.
    """
    token = contract.client_token("", "", definition.digest, 1)
    request = {
        **render(definition.request, token),
        "clientToken": token,
        "tags": {**definition.tags, contract.TOKEN_TAG: token},
    }
    found = rules.check("CreateJobRequest", request)
    return [
        f"{'.'.join(map(str, problem.path))} {problem.message}"
        for problem in found
        if problem.rule is not rules.Rule.ENUM
    ]


# --- Decisions. ---


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
        self._budget = budget
        self._ends = budget.work_ends
        self._write_log = log
        self._chance = chance or random.Random()  # noqa: S311 - jitter, not a secret
        self._me = uuid.uuid4().hex
        self._records: Location | None = None
        self.physical_id = event.physical_id
        """What a FAILED answer names; changes once a job belongs to a Create."""

    def handle(self) -> Outcome:
        """Do what the event asks for.

        Returns:
            What to answer.

        Raises:
            Failure: Answer FAILED, with its text as the reason.
        """
        steps = {
            RequestType.CREATE: self._create,
            RequestType.UPDATE: self._update,
            RequestType.DELETE: self._delete,
        }
        try:
            return steps[self._event.type]()
        except ServiceError as error:
            request = _json_or_empty(self._event.properties)
            raise Failure(explain(error, request, self._gateway.region)) from error

    # --- Create and Update: one question, is there a job for this definition? ---

    def _create(self) -> Outcome:
        definition = self._checked_definition()
        run = self._ask(definition)
        return self._bring_about(definition, run)

    def _update(self) -> Outcome:
        definition = read_definition(self._event.properties)
        if definition.digest == _digest_or_none(self._event.old_properties):
            return self._keep(definition)
        self._refuse_problems(definition)
        run = self._ask(definition)
        self._end_orphans(definition)
        return self._bring_about(definition, run)

    def _checked_definition(self) -> Definition:
        definition = read_definition(self._event.properties)
        self._refuse_problems(definition)
        return definition

    def _refuse_problems(self, definition: Definition) -> None:
        problems = problems_of(definition)
        if problems:
            raise Failure("Amazon Braket would refuse the job: " + "; ".join(problems) + ".")

    def _keep(self, definition: Definition) -> Outcome:
        """The definition is the same, so the job is, whatever became of it."""
        arn = self._event.physical_id
        ledger = self._change(definition.records, lambda old: self._kept(old, definition))
        self._end_orphans(definition)
        job = self._job_or_none(arn)
        run = ledger.runs.get(definition.digest)
        if job is not None:
            self._retag(definition, job, run)
        self._log("kept", arn, definition)
        if run is not None and run.job == arn:
            return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))
        return Outcome(arn, _attributes_of_job(arn, job, definition))

    def _kept(self, old: Ledger, definition: Definition) -> Ledger:
        self._refuse_late(old)
        run = old.runs.get(definition.digest)
        asked = old if run is None else old.with_run(definition.digest, self._asked(run))
        return _accepted(asked.seen(self._event.sent_at), definition)

    def _bring_about(self, definition: Definition, run: Run) -> Outcome:
        if run.job is None:
            return self._start(definition, run)
        self._own(run.job)
        job = self._job_or_none(run.job)
        if job is not None:
            self._retag(definition, job, run)
        self._change(definition.records, lambda old: _accepted(old, definition))
        self._log("adopted", run.job, definition, run)
        return Outcome(run.job, attributes_of(run.job, render(definition.request, run.token)))

    def _ask(self, definition: Definition) -> Run:
        """Put this event's wish on record; return the run that answers it."""
        asked = self._change(definition.records, lambda old: self._asked_for(old, definition))
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
        if overtaken or (expires is not None and expires < self._gateway.now()):
            raise LateEventFailure(
                "CloudFormation no longer waits for this event, so nothing was started."
            )

    def _runs_anew(self, run: Run) -> bool:
        """Say whether this event is a later deployment that wants an ended definition again."""
        if self._event.id in run.asked_by:
            self._refuse_answered(run)
            return False
        if run.job is None:
            return run.released
        if self._event.type is RequestType.UPDATE and not run.released:
            return False  # CloudFormation never let go of it: a rollback takes it back as it is
        job = self._job_or_none(run.job)
        return job is None or job.status in {FAILED, CANCELLED, CANCELLING}

    def _refuse_answered(self, run: Run) -> None:
        if run.failure is not None:
            raise Failure(run.failure)
        if run.released:
            raise LateEventFailure(
                "CloudFormation has deleted what this event asked for, so nothing was started."
            )

    def _next_attempt(self, definition: Definition, last: Run | None) -> Run:
        attempt = 1 if last is None else last.attempt + 1
        token = contract.client_token(
            self._event.stack_id, self._event.logical_id, definition.digest, attempt
        )
        return Run(
            attempt=attempt,
            token=token,
            tags={**definition.tags, contract.TOKEN_TAG: token},
            since=self._gateway.now(),
            tag_keys=tuple(sorted(definition.tags)),
            asked_by=() if last is None else last.asked_by,
            released_by=() if last is None else last.released_by,
        )

    # --- Starting a job. ---

    def _start(self, definition: Definition, run: Run) -> Outcome:
        try:
            arn = self._find_or_create(definition, run)
        except (OutOfTimeFailure, LateEventFailure):
            # Out of time, a call may have had its effect: the event that follows on FAILED looks
            # for the job. Late, the run is not ours to give up.
            raise
        except (Failure, ServiceError) as error:
            self._give_up(definition, run, self._reason(error, definition))
        self._own(arn)
        recorded = self._complete(definition, run.token, arn)
        if recorded is None or recorded.released:
            self._ends = self._budget.ends
            self._end(arn, missing=_APPEARS_SECONDS)
            raise LateEventFailure("The resource was deleted while its job was created.")
        try:
            job = self._patiently(lambda: self._gateway.get_job(arn), missing=_APPEARS_SECONDS)
            self._retag(definition, job, recorded)
        except (Failure, ServiceError) as error:
            self._give_up(definition, run, self._reason(error, definition), arn)
        self._log("started", arn, definition, run)
        return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))

    def _find_or_create(self, definition: Definition, run: Run) -> str:
        run = self._wait_for_call(definition.records, definition.digest, run)
        if run.job is not None:
            return run.job
        if run.calling_until is not None:  # a call was made and its answer is not known
            found = self._find(run, definition.request)
            if found is not None:
                self._log("found", found, definition, run)
                return found
        for source, destination in definition.assets:
            self._copy(source, destination)
        return self._call_create(definition, run)

    def _copy(self, source: Location, destination: Location) -> None:
        self._patiently(lambda: self._gateway.copy_asset(source, destination))

    def _call_create(self, definition: Definition, run: Run) -> str:
        request = {
            **render(definition.request, run.token),
            "clientToken": run.token,
            "tags": dict(run.tags),
        }
        began = self._gateway.now()
        for attempt in itertools.count():
            run = self._announce_call(definition, run)
            if run.job is not None:
                return run.job
            try:
                return self._gateway.create_job(request)
            except ServiceError as error:
                waited = self._gateway.now() - began
                if error.kind is Kind.CONFLICT:
                    return self._found_or(error, run, definition)
                if not _may_pass(error, waited):
                    raise
                self._log("retrying", None, definition, run, error=error)
                self._pause(attempt, error)
        raise AssertionError("unreachable")

    def _found_or(self, error: ServiceError, run: Run, definition: Definition) -> str:
        found = self._find(run, definition.request)
        if found is None:
            raise error
        return found

    def _announce_call(self, definition: Definition, run: Run) -> Run:
        """Write ahead that CreateJob is about to be called, unless the wish is gone."""

        def announced(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.released or now.token != run.token:
                raise LateEventFailure(
                    "The resource was deleted while its job was created, so none was started."
                )
            if now.job is not None:
                return old
            until = self._gateway.now() + CALL_SECONDS
            return old.with_run(
                definition.digest, replace(now, caller=self._me, calling_until=until)
            )

        return self._change(definition.records, announced).runs[definition.digest]

    def _complete(self, definition: Definition, token: str, arn: str) -> Run | None:
        """Put the job on record; return its run, None when another has taken its place."""

        def completed(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.token != token:
                return old
            done = old.with_run(definition.digest, replace(now, job=arn))
            return done if now.released else _accepted(done, definition)

        # The job exists: its name goes on record even when the time for work is over.
        self._ends = self._budget.ends
        ledger = self._change(definition.records, completed)
        self._ends = self._budget.work_ends
        run = ledger.runs.get(definition.digest)
        return run if run is not None and run.token == token else None

    def _give_up(
        self, definition: Definition, run: Run, reason: str, arn: str | None = None
    ) -> NoReturn:
        """The creation failed: nothing of it goes on running, and its retries know."""
        self._ends = self._budget.ends

        def given_up(old: Ledger) -> Ledger:
            now = old.runs.get(definition.digest)
            if now is None or now.token != run.token or now.released:
                return old
            gone = replace(now.let_go(self._event.id), failure=reason)
            current = old.definition_of(self._event.physical_id or None)
            return replace(old.with_run(definition.digest, gone), current=current)

        self._change(definition.records, given_up)
        self._log("gave_up", arn, definition, run)
        if arn is not None:
            self._end(arn, missing=_APPEARS_SECONDS)
        raise Failure(reason)

    def _find(self, run: Run, request: Mapping[str, object]) -> str | None:
        """Return the job that carries the run's token, if one was made."""
        name = render(request, run.token).get("jobName")

        def search() -> str | None:
            for job in self._gateway.find_jobs(run.since - _CLOCK_SKEW_SECONDS):
                if self._carries(job, run.token, name):
                    return job.arn
            return None

        return self._patiently(search)

    def _carries(self, job: Job, token: str, name: object) -> bool:
        if job.tags is None and job.name == name:  # the search told no tags: ask for them
            found = self._job_or_none(job.arn)
            tags = None if found is None else found.tags
        else:
            tags = job.tags
        return tags is not None and tags.get(contract.TOKEN_TAG) == token

    def _wait_for_call(self, records: Location, digest: str, run: Run) -> Run:
        """Wait until no other invocation may be in the middle of CreateJob for this run."""
        now: Run | None = run
        while now is not None and self._in_others_hands(now):
            self._wait(_POLL_SECONDS, "another invocation is creating the job")
            now = self._read(records)[0].runs.get(digest)
        return run if now is None else now

    def _in_others_hands(self, run: Run) -> bool:
        return (
            run.job is None
            and run.caller != self._me
            and run.calling_until is not None
            and run.calling_until > self._gateway.now()
        )

    def _own(self, arn: str) -> None:
        if self._event.type is RequestType.CREATE:
            self.physical_id = arn

    # --- Tags. ---

    def _retag(self, definition: Definition, job: Job, run: Run | None) -> None:
        wanted = definition.tags
        actual = job.tags or {}
        ours = set(run.tag_keys if run else ()) | set(self._old_tags())
        missing = {name: value for name, value in wanted.items() if actual.get(name) != value}
        surplus = tuple(sorted((ours & set(actual)) - set(wanted) - {contract.TOKEN_TAG}))
        if missing:
            self._patiently(lambda: self._gateway.tag_job(job.arn, missing))
        if surplus:
            self._patiently(lambda: self._gateway.untag_job(job.arn, surplus))
        if run is not None and set(run.tag_keys) != set(wanted):
            self._change(definition.records, lambda old: _with_tags(old, definition))
        if missing or surplus:
            self._log("retagged", job.arn, definition, run)

    def _old_tags(self) -> Mapping[str, str]:
        try:
            return _read_tags(self._event.old_properties)
        except Failure:
            return {}

    # --- Delete, and jobs that nobody holds. ---

    def _delete(self) -> Outcome:
        physical_id = self._event.physical_id
        held = is_job_arn(physical_id)
        retained = held and self._retains(self._event.properties)
        ledger = self._released(held, retained)
        if held and self._is_held_anew(ledger, physical_id):
            self._log("ignored_late_delete", physical_id)
            return Outcome(physical_id, {})
        jobs = [physical_id] if held and not retained else []
        if retained:
            self._log("retained", physical_id)
        self._end_all(jobs, ledger)
        self._log("deleted", physical_id if held else None)
        return Outcome(physical_id, {})

    def _released(self, held: bool, retained: bool) -> Ledger:
        """Put on record that CloudFormation let go, before anything is cancelled."""
        try:
            self._records = Location.parse(_text(self._event.properties, Property.RECORDS))
            return self._change(self._records, lambda old: self._let_go(old, retained))
        except OutOfTimeFailure:
            raise
        except (Failure, ServiceError) as error:
            # Malformed properties and a bucket that is gone have no record of any job. Else a
            # job that is known by its ARN can be cancelled all the same.
            unknowable = isinstance(error, Failure) or error.kind is Kind.NOT_FOUND
            if not held and not unknowable:
                raise
            self._log("no_record", self._event.physical_id, error=error)
            return Ledger()

    def _let_go(self, old: Ledger, retained: bool) -> Ledger:
        own = old.definition_of(self._event.physical_id)
        if own is not None:
            new = self._let_run_go(old, own, retained)
            is_last = old.current == own and new.runs[own].released
            others = self._unheld(old, except_for=own) if is_last else []
        else:
            new = old
            others = [] if is_job_arn(self._event.physical_id) else self._unheld(old)
        for digest in others:
            new = self._let_run_go(new, digest, retained=False)
        return new.seen(self._event.sent_at)

    def _unheld(self, ledger: Ledger, except_for: str = "") -> list[str]:
        return [d for d, run in ledger.runs.items() if d != except_for and not run.released]

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

    def _is_held_anew(self, ledger: Ledger, physical_id: str) -> bool:
        own = ledger.definition_of(physical_id)
        return own is not None and not ledger.runs[own].released

    def _end_orphans(self, definition: Definition) -> None:
        """End what earlier events started and CloudFormation never came to hold.

        In an Update CloudFormation holds one job, the physical id, and will hold the one that we
        answer with. It can go back to no other.
        """
        self._records = definition.records
        ledger = self._change(
            definition.records, lambda old: self._without_orphans(old, definition)
        )
        self._end_all([], ledger)

    def _without_orphans(self, old: Ledger, definition: Definition) -> Ledger:
        retains = definition.on_delete is OnDelete.RETAIN_JOB or self._retains(
            self._event.old_properties
        )
        new = old
        for digest in self._unheld(old, except_for=definition.digest):
            run = old.runs[digest]
            is_held = run.job is not None and run.job == self._event.physical_id
            if not is_held and not (retains and run.accepted):
                new = new.with_run(digest, run.let_go(self._event.id))
        return new

    def _retains(self, properties: Mapping[str, object]) -> bool:
        return properties.get(Property.ON_DELETE) == OnDelete.RETAIN_JOB

    def _end_all(self, jobs: list[str], ledger: Ledger) -> None:
        """End these jobs, and those of all runs that this event released."""
        failures: list[Failure] = []
        for digest, run in ledger.runs.items():
            mine = run.released and not run.retained and self._event.id in run.released_by
            if mine and run.job is None:
                jobs += self._search_for(digest, run)
            elif mine and run.job is not None:
                jobs.append(run.job)
        for arn in dict.fromkeys(jobs):
            try:
                self._end(arn)
            except Failure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _search_for(self, digest: str, run: Run) -> list[str]:
        """Return the job of a run whose call of CreateJob never came back."""
        if self._records is None or run.calling_until is None:
            return []
        run = self._wait_for_call(self._records, digest, run)
        if run.job is not None:
            return [run.job]
        request = _request_or_empty(self._event, digest)
        until = self._gateway.now() + _APPEARS_SECONDS
        while True:
            found = self._find(run, request)
            if found is not None:
                return [found]
            if self._gateway.now() >= until:
                return []
            self._wait(_POLL_SECONDS, "looking for the job of a lost call")

    def _end(self, arn: str, *, missing: float = 0.0) -> None:
        """Cancel a job unless it is over, and see that it is."""
        try:
            status = self._cancel_until_over(arn, missing)
        except (ServiceError, OutOfTimeFailure) as error:
            self._log("cancel_unconfirmed", arn, error=error)
            raise UnconfirmedCancelFailure(arn, str(error)) from error
        self._log("ended", arn, status=status)

    def _cancel_until_over(self, arn: str, missing: float) -> str:
        while True:
            job = self._job_or_none(arn, missing)
            if job is None:
                return "unknown to the service"
            if job.status in FINAL:
                return job.status
            if job.status != CANCELLING:
                self._cancel(arn)
            self._wait(_POLL_SECONDS, f"the job is {job.status}")

    def _cancel(self, arn: str) -> None:
        try:
            self._patiently(lambda: self._gateway.cancel_job(arn))
        except ServiceError as error:
            # Not there, or over by now, or not yet to be cancelled: its status will tell.
            if error.kind not in {Kind.NOT_FOUND, Kind.CONFLICT}:
                raise

    # --- Calls with patience. ---

    def _job_or_none(self, arn: str, missing: float = 0.0) -> Job | None:
        try:
            return self._patiently(lambda: self._gateway.get_job(arn), missing=missing)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise

    def _read(self, records: Location) -> tuple[Ledger, str | None]:
        stored = self._read_at(records) or self._read_at_old_place(records)
        if stored is None:
            name = f"{self._event.stack_id} {self._event.logical_id}"
            return Ledger(resource=name), None
        text, version = stored
        try:
            return load_ledger(text), version
        except UnreadableLedgerError as error:
            raise Failure(
                f"The record s3://{records.bucket}/{self._key(records)} of the resource's jobs "
                f"cannot be used: {error}. Restore an earlier version of the object."
            ) from error

    def _read_at(self, records: Location) -> tuple[str, str | None] | None:
        place = Location(records.bucket, self._key(records))
        return self._patiently(lambda: self._gateway.read_record(place))

    def _read_at_old_place(self, records: Location) -> tuple[str, str | None] | None:
        """Read the record where the resource had it before this Update."""
        uri = self._event.old_properties.get(Property.RECORDS)
        old = Location.parse(uri) if isinstance(uri, str) else records
        if old == records:
            return None
        found = self._read_at(old)
        return None if found is None else (found[0], None)

    def _key(self, records: Location) -> str:
        return key(records.key, self._event.stack_id, self._event.logical_id)

    def _change(self, records: Location, change: Callable[[Ledger], Ledger]) -> Ledger:
        """Change the record, on what it is at that moment."""
        place = Location(records.bucket, self._key(records))
        for attempt in itertools.count():
            old, version = self._read(records)
            new = change(old)
            if new == old:
                return old
            if self._wrote(place, new.dump(), version):
                return new
            self._pause(attempt, None)
        raise AssertionError("unreachable")

    def _wrote(self, place: Location, text: str, version: str | None) -> bool:
        try:
            self._patiently(lambda: self._gateway.write_record(place, text, version))
        except ServiceError as error:
            if error.kind is Kind.CONFLICT:
                return False
            raise
        return True

    def _patiently(self, call: Callable[[], _T], *, missing: float = 0.0) -> _T:
        """Call until it works, fails for good, or the time is over."""
        began = self._gateway.now()
        for attempt in itertools.count():
            self._check_time(None)
            try:
                return call()
            except ServiceError as error:
                waited = self._gateway.now() - began
                is_missing = error.kind is Kind.NOT_FOUND and waited < missing
                if error.kind is not Kind.TRANSIENT and not is_missing:
                    raise
                self._pause(attempt, error)
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, error: ServiceError | None) -> None:
        most = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10))
        self._wait(self._chance.uniform(most / 4, most), error)

    def _wait(self, seconds: float, error: object) -> None:
        if self._gateway.now() + seconds >= self._ends:
            raise self._out_of_time(error)
        self._gateway.sleep(seconds)

    def _check_time(self, error: object) -> None:
        # A process that was frozen and thawed finds its time over here, before its next call.
        if self._gateway.now() >= self._ends:
            raise self._out_of_time(error)

    def _out_of_time(self, error: object) -> OutOfTimeFailure:
        last = f" The last thing was: {error}." if error else ""
        return OutOfTimeFailure(f"The time to answer in is used up.{last} Deploy again.")

    # --- Words. ---

    def _reason(self, error: Failure | ServiceError, definition: Definition) -> str:
        if isinstance(error, ServiceError):
            return explain(error, definition.request, self._gateway.region)
        return without_secrets(str(error), definition.request)

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


def _may_pass(error: ServiceError, waited: float) -> bool:
    """Say whether CreateJob may succeed if it is called again."""
    if error.kind is Kind.TRANSIENT:
        return True
    return _is_about_assuming(error) and waited < ROLE_SECONDS


def _is_about_assuming(error: ServiceError) -> bool:
    refused = error.code in {"ValidationException", "AccessDeniedException"}
    return refused and "assum" in error.message.lower()


def _accepted(old: Ledger, definition: Definition) -> Ledger:
    """Return the ledger of a resource that is about to be answered with this definition's job."""
    run = old.runs.get(definition.digest)
    new = old if run is None else old.with_run(definition.digest, replace(run, accepted=True))
    return replace(new, current=definition.digest)


def _with_tags(old: Ledger, definition: Definition) -> Ledger:
    run = old.runs.get(definition.digest)
    if run is None:
        return old
    return old.with_run(definition.digest, replace(run, tag_keys=tuple(sorted(definition.tags))))


def _request_or_empty(event: Event, digest: str) -> Mapping[str, object]:
    """Return the request with that digest, if the event carries it."""
    for properties in (event.properties, event.old_properties):
        if _digest_or_none(properties) == digest:
            return _json_object(properties, Property.REQUEST)
    return {}


def _attributes_of_job(arn: str, job: Job | None, definition: Definition) -> dict[str, str]:
    """Return the attributes of a job whose record is lost: what the service says of it."""
    request = dict(definition.request)
    if job is not None:
        request["jobName"] = job.name
        request["outputDataConfig"] = {"s3Path": job.results_path}
        request["checkpointConfig"] = {"s3Uri": job.checkpoint_uri}
    return attributes_of(arn, request)
