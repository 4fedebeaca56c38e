"""The record of one resource: its runs, their states, and the known events.

One JSON object per custom resource, changed as a whole with conditional writes. It is
a write-ahead record. Before a call of CreateJob, it contains the token and the tags; afterwards it
also contains the job. Pure data: `job_record_store` reads and writes it, `lifecycle` decides.

docs/adr/0004-one-job-per-definition.md has the reasoning and a diagram of the states.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import UnionType
from typing import Any, cast, get_args, get_origin
from urllib.parse import quote

VERSION = 2
CREATE, UPDATE, DELETE = "Create", "Update", "Delete"
"""The kinds of events, as CloudFormation names them."""

CLOCK_SKEW_SECONDS = 8.0
"""The accepted difference of clocks: an event may be dated earlier than its predecessor by this."""

_REMEMBERED_EVENTS = 50


class UnreadableRecordError(Exception):
    """The record is damaged."""


class State(StrEnum):
    """The state of a run."""

    WANTED = "WANTED"
    """An event requested it; CreateJob was not called."""
    CALLING = "CALLING"
    """CreateJob was announced: there may be a job, whose ARN is unknown."""
    STARTED = "STARTED"
    """The job is known; no response contained it."""
    HELD = "HELD"
    """A response contained the job: the resource refers to it."""
    RELEASED = "RELEASED"
    """No resource refers to the job: it must be cancelled."""
    RETAINED = "RETAINED"
    """No resource refers to the job, and it may keep running."""
    ENDED = "ENDED"
    """No resource refers to the job, and it ended or never existed."""


class Step(StrEnum):
    """A step that changes the state of a run."""

    REQUEST = "request"
    """An event requests the run's definition."""
    ANNOUNCE = "announce"
    """CreateJob is about to be called."""
    WITHDRAW = "withdraw"
    """The service refused every call of CreateJob, so that there is no job."""
    START = "start"
    """The job's ARN is known."""
    ACCEPT = "accept"
    """The next response will contain the job."""
    FAIL = "fail"
    """The wait for it failed."""
    RELEASE = "release"
    """CloudFormation released it."""
    RETAIN = "retain"
    """CloudFormation released it, with RETAIN_JOB."""
    END = "end"
    """Its job ended."""


_TABLE = """
          request  announce  withdraw  start     accept  fail      release   retain    end
WANTED    WANTED   CALLING   -         STARTED   -       -         ENDED     ENDED     -
CALLING   CALLING  CALLING   WANTED    STARTED   -       -         RELEASED  RELEASED  -
STARTED   STARTED  -         -         STARTED   HELD    RELEASED  RELEASED  RELEASED  -
HELD      HELD     -         -         HELD      HELD    -         RELEASED  RETAINED  -
RELEASED  STARTED  -         -         RELEASED  -       -         RELEASED  RELEASED  ENDED
RETAINED  STARTED  -         -         RETAINED  -       -         RELEASED  RETAINED  -
ENDED     STARTED  -         -         RELEASED  -       -         ENDED     ENDED     ENDED
"""
# STARTED and retain: the resource never referred to the job, so RETAIN_JOB does not apply.
# ENDED and start: a call that was in progress when the run seemed to have no job.


def _transitions(table: str) -> dict[State, dict[Step, State]]:
    steps, *rows = (line.split() for line in table.strip().splitlines())
    return {
        State(state): {Step(s): State(to) for s, to in zip(steps, row, strict=True) if to != "-"}
        for state, *row in rows
    }


TRANSITIONS: Mapping[State, Mapping[Step, State]] = _transitions(_TABLE)
"""The state after each step. A step that is not listed changes nothing."""

LET_GO = frozenset({State.RELEASED, State.RETAINED, State.ENDED})
"""The states of a run without a resource that refers to its job, now or soon."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a definition.

    Attributes:
        definition: The definition's digest.
        attempt: 1 for the first.
        token: Its client token.
        tags: The tags of the CreateJob request: the same token always has the same request.
        since: When the attempt was created (seconds since the epoch).
        state: Its state.
        job: The job's ARN if it is known.
        caller: The invocation that may be calling CreateJob; None before the first call.
        calling_until: The latest end of that call; None before the first call.
        tag_keys: The keys of the job's tags from this library, which it may remove.
        asked_by: The last event that requested it.
        also_asked_by: Earlier events that still share it, of other executions of a sweep.
        taken_back_at: The date of an event that requested it after CloudFormation had released or
            replaced it; None if there was none.
        failure: The reason why the attempt started no job, or its wait failed.
        ended_as: The terminal state of its job; empty if it was not seen in one.
        is_ours: Whether its job may belong to this resource. Jobs of others are never cancelled.
        unknown: Members that a newer release wrote.
    """

    definition: str
    attempt: int
    token: str
    tags: Mapping[str, str]
    since: float
    state: State = State.WANTED
    job: str | None = None
    caller: str | None = None
    calling_until: float | None = None
    tag_keys: tuple[str, ...] = ()
    asked_by: str = ""
    also_asked_by: tuple[str, ...] = ()
    taken_back_at: float | None = None
    failure: str | None = None
    ended_as: str = ""
    is_ours: bool = True
    unknown: Mapping[str, object] = field(default_factory=dict)

    def after(self, step: Step, **facts: object) -> "Run":
        """Return the run after a step, with new values of other attributes.

        A step that the run's state does not allow changes nothing.
        """
        state = TRANSITIONS[self.state].get(step)
        if state is None:
            return self
        if state is State.RELEASED and not self.is_ours:
            state = State.RETAINED  # a released job is cancelled
        return replace(self, state=state, **facts)  # type: ignore[arg-type]  # by name

    @property
    def askers(self) -> tuple[str, ...]:
        """The events that request it, the last one at the end."""
        return (*self.also_asked_by, self.asked_by)

    @property
    def was_called(self) -> bool:
        """Whether CreateJob may have been called for it."""
        return self.calling_until is not None


@dataclass(frozen=True, slots=True)
class Seen:
    """A known event.

    Attributes:
        id: The event's identity.
        at: When CloudFormation sent it, as far as known (seconds since the epoch).
        kind: `Create`, `Update` or `Delete`; empty if it is not known.
        wants: The digest of its definition; empty for a Delete.
        is_answered: Whether it is a Create whose success CloudFormation has received.
        follows_unseen: Whether it shows that an earlier event never arrived.
        is_undone: Whether it is a point of a sweep that was stopped.
        unknown: Members that a newer release wrote.
    """

    id: str
    at: float | None = None
    kind: str = ""
    wants: str = ""
    is_answered: bool = False
    follows_unseen: bool = False
    is_undone: bool = False
    unknown: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """All runs of one custom resource.

    Attributes:
        resource: Stack and logical id, for people who read the record.
        revision: Counts the changes, to find the newer of two copies.
        runs: By client token.
        current: Token of the run in the last response.
        events: The known events, in their order.
        places: Where copies of the record are, as `s3://bucket/key`.
        version: The version of its format.
        unknown: Members that a newer release wrote.
    """

    resource: str = ""
    revision: int = 0
    runs: Mapping[str, Run] = field(default_factory=dict)
    current: str | None = None
    events: tuple[Seen, ...] = ()
    places: tuple[str, ...] = ()
    version: int = VERSION
    unknown: Mapping[str, object] = field(default_factory=dict)

    def with_run(self, run: Run) -> "JobRecord":
        """Return the record with this run, and without ended ones that later ones replaced."""
        runs = {**self.runs, run.token: run}
        latest = {one.definition: one.attempt for one in sorted(runs.values(), key=_attempt)}
        kept = {
            token: one
            for token, one in runs.items()
            if one.state is not State.ENDED or one.attempt == latest[one.definition]
        }
        return replace(self, runs=kept)

    def with_event(self, event: Seen) -> "JobRecord":
        """Return the record with this event as the last one."""
        others = [seen for seen in self.events if seen.id != event.id]
        return replace(self, events=(*others, event)[-_REMEMBERED_EVENTS:])

    def latest_run(self, definition: str) -> Run | None:
        """Return the latest attempt at a definition."""
        runs = [run for run in self.runs.values() if run.definition == definition]
        return max(runs, key=_attempt, default=None)

    def run_of(self, job: str | None) -> Run | None:
        """Return the run that started a job."""
        return next((run for run in self.runs.values() if run.job and run.job == job), None)

    def in_state(self, *states: State) -> list[Run]:
        """Return the runs in these states."""
        return [run for run in self.runs.values() if run.state in states]

    @property
    def last_request(self) -> Seen | None:
        """The last event that requested a definition."""
        return next((seen for seen in reversed(self.events) if seen.kind != DELETE), None)

    def knows(self, event_id: str) -> bool:
        """Return whether the event is known."""
        return any(seen.id == event_id for seen in self.events)

    def is_overtaken(self, event: Seen) -> bool:
        """Return whether a later event is known, so that this one must start nothing.

        Events have the order in which they were first seen. A new event is the last one, unless it
        was sent before a known one. Clocks differ by seconds, so the dates must differ by more
        than that. The exception is an event that is known to follow a missing one.
        """
        if self.knows(event.id):
            return self.events[-1].id != event.id
        if event.at is None or not self.events:
            return False
        last = self.events[-1]
        if last.follows_unseen and event.kind != DELETE:
            return last.at is not None and event.at <= last.at
        dates = [seen.at for seen in self.events if seen.at is not None]
        return bool(dates) and event.at < max(dates) - CLOCK_SKEW_SECONDS

    def release_orphans(
        self, held: Collection[str], *, retained: Collection[str] = ()
    ) -> "JobRecord":
        """Return the record with orphaned jobs released: the one rule about orphaned jobs.

        Args:
            held: Tokens of the runs that the resource refers to, or that a rollback may restore.
            retained: Tokens of the others whose jobs may keep running.
        """
        new = self
        for token, run in self.runs.items():
            if token in held or run.state in LET_GO:
                continue
            new = new.with_run(run.after(Step.RETAIN if token in retained else Step.RELEASE))
        return new

    def dump(self) -> str:
        """Return the text to store."""
        stored = {
            **_members(self),
            "runs": {token: _members(run) for token, run in self.runs.items()},
            "events": [_members(seen) for seen in self.events],
        }
        return json.dumps(stored, sort_keys=True)


def load(text: str) -> JobRecord:
    """Read a record of any release.

    Raises:
        UnreadableRecordError: It is not a record.
    """
    try:
        raw = json.loads(text)
        if not isinstance(raw["version"], int) or raw["version"] < 1:
            raise UnreadableRecordError("it has no valid version")
        if raw["version"] == 1:
            raw = _from_version_1(raw)
        runs = {token: _run(stored) for token, stored in raw.pop("runs").items()}
        events = tuple(Seen(**_known(Seen, stored)) for stored in raw.pop("events"))
        return JobRecord(runs=runs, events=events, **_known(JobRecord, raw))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableRecordError("it is damaged") from error


def _members(of: "JobRecord | Run | Seen") -> dict[str, object]:
    known = {m.name: getattr(of, m.name) for m in fields(of) if m.name != "unknown"}
    return {**of.unknown, **known}


def _known(kind: type[JobRecord | Run | Seen], stored: Mapping[str, object]) -> dict[str, Any]:
    """Return the members of a kind, and all others as `unknown`."""
    types = {member.name: member.type for member in fields(kind) if member.name != "unknown"}
    known: dict[str, Any] = {"unknown": {}}
    for name, value in stored.items():
        if name not in types:
            known["unknown"][name] = value
        elif not _is_of(value, types[name]):
            raise UnreadableRecordError(f"its member {name} is damaged")
        else:
            known[name] = tuple(value) if isinstance(value, list) else value
    return known


def _is_of(value: object, kind: Any) -> bool:  # noqa: ANN401 - the type of any member
    """Return whether a member has the type that its class declares. All items are strings."""
    if isinstance(kind, UnionType):
        return any(_is_of(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if get_origin(kind) is Mapping:
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    numbers = {float: int | float, int: int}
    if kind in numbers:
        return isinstance(value, numbers[kind]) and not isinstance(value, bool)
    return isinstance(value, str if issubclass(kind, StrEnum) else kind)


def _run(stored: Mapping[str, object]) -> Run:
    return Run(**{**_known(Run, stored), "state": State(str(stored["state"]))})


def _from_version_1(raw: Mapping[str, object]) -> dict[str, object]:
    """Convert a record of version 1, which had the latest run of each definition."""
    old = cast("Mapping[str, Mapping[str, object]]", raw["runs"])
    by_token = {str(run["token"]): _run_of_version_1(name, run) for name, run in old.items()}
    current = old.get(str(raw.get("current")), {}).get("token")
    asked = [str(name) for run in old.values() for name in cast("list[str]", run["asked_by"])]
    released = [str(name) for run in old.values() for name in cast("list[str]", run["released_by"])]
    held = cast("list[str]", next((r["asked_by"] for r in old.values() if not r["released"]), []))
    # The latest event requested the current run.
    ids = list(dict.fromkeys([*released, *asked]))
    ids.sort(key=lambda name: name in held[-1:])
    last = {"at": raw.get("latest")}
    events = [{"id": name, **(last if name == ids[-1] else {})} for name in ids]
    return {
        "version": VERSION,
        "resource": raw.get("resource", ""),
        "runs": by_token,
        "current": current,
        "events": events,
    }


def _run_of_version_1(definition: str, run: Mapping[str, object]) -> dict[str, object]:
    gone = {"released", "released_by", "retained", "accepted", "settled", "asked_at", "asked_by"}
    kept = {name: value for name, value in run.items() if name not in gone}
    asked_by = cast("list[str]", run["asked_by"])
    return {
        **kept,
        "definition": definition,
        "state": _state_of_version_1(run),
        "asked_by": asked_by[-1] if asked_by else "",
    }


def _state_of_version_1(run: Mapping[str, object]) -> State:
    has_job, was_called = run["job"] is not None, run["calling_until"] is not None
    if not run["released"]:
        if has_job:
            return State.HELD if run["accepted"] else State.STARTED
        return State.CALLING if was_called else State.WANTED
    if run["retained"]:
        return State.RETAINED
    return State.ENDED if run["settled"] or not (has_job or was_called) else State.RELEASED


def key(prefix: str, stack_id: str, logical_id: str) -> str:
    """Return the record's key: one for each resource of each stack, ever."""
    stack = quote(stack_id.rpartition("/")[2], safe="")
    return f"{prefix.rstrip('/')}/{stack}/{quote(logical_id, safe='')}.json".lstrip("/")


def _attempt(run: Run) -> int:
    return run.attempt
