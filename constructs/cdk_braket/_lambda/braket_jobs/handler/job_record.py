"""The record of one resource: which definition started which job.

One JSON object per custom resource, changed as a whole with conditional writes. It is written
ahead: before CreateJob is called it says that it will be, under which token and with which tags;
after it, it names the job. Pure data; the gateway reads and writes it, `lifecycle` decides.

docs/adr/0004-one-job-per-definition.md has the reasoning.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import cast
from urllib.parse import quote

VERSION = 1
_REMEMBERED_EVENTS = 50


class UnreadableJobRecordError(Exception):
    """The record is damaged, or a newer release of the handler wrote it."""


@dataclass(frozen=True, slots=True)
class Run:
    """The latest attempt at a definition.

    Attributes:
        attempt: 1 for the first.
        token: Its client token.
        tags: The tags that CreateJob is called with: the same token always goes with the same
            request.
        since: When the attempt was decided on (seconds since the epoch).
        job: The job's ARN once it is known.
        caller: Which invocation may be calling CreateJob; None before the first call.
        calling_until: Until when that call may be under way; None before the first call.
        tag_keys: The keys of the tags that we put on the job, and may take off again.
        asked_by: Events that asked for this definition, earlier attempts included.
        asked_at: When CloudFormation sent the latest of them, if the event said.
        released: CloudFormation has deleted the job's resource, or never came to hold it.
        released_by: The events that made it so.
        retained: It was released under RETAIN_JOB.
        accepted: It was answered with SUCCESS.
        settled: It was released and its job was seen to be over.
        failure: Why the attempt could not start a job.
    """

    attempt: int
    token: str
    tags: Mapping[str, str]
    since: float
    job: str | None = None
    caller: str | None = None
    calling_until: float | None = None
    tag_keys: tuple[str, ...] = ()
    asked_by: tuple[str, ...] = ()
    asked_at: float | None = None
    released: bool = False
    released_by: tuple[str, ...] = ()
    retained: bool = False
    accepted: bool = False
    settled: bool = False
    failure: str | None = None

    def asked(self, event_id: str, at: float | None) -> "Run":
        """Return the run as held by CloudFormation again, at this event's wish."""
        return replace(
            self,
            asked_by=_remember(self.asked_by, event_id),
            asked_at=latest(self.asked_at, at),
            released=False,
            retained=False,
            settled=False,
        )

    def let_go(self, event_id: str, *, retained: bool = False) -> "Run":
        """Return the run as no longer held by CloudFormation."""
        return replace(
            self,
            released=True,
            released_by=_remember(self.released_by, event_id),
            retained=retained,
            settled=False,
        )


@dataclass(frozen=True, slots=True)
class JobRecord:
    """All runs of one custom resource.

    Attributes:
        runs: By definition digest.
        current: Digest of the definition that was last answered with SUCCESS.
        latest: When CloudFormation sent the latest event that was seen, if events say.
        resource: Stack and logical id, for the human reader.
    """

    resource: str = ""
    runs: Mapping[str, Run] = field(default_factory=dict)
    current: str | None = None
    latest: float | None = None

    def with_run(self, definition: str, run: Run) -> "JobRecord":
        """Return the ledger with this run for that definition."""
        return replace(self, runs={**self.runs, definition: run})

    def seen(self, at: float | None) -> "JobRecord":
        """Return the ledger after an event of that time."""
        return replace(self, latest=latest(self.latest, at))

    def definition_of(self, job: str | None) -> str | None:
        """Return the digest whose latest run is that job."""
        return next((d for d, run in self.runs.items() if run.job and run.job == job), None)

    def dump(self) -> str:
        """Return the text to store."""
        runs = {digest: _members(run) for digest, run in self.runs.items()}
        return json.dumps({"version": VERSION, **_members(self), "runs": runs}, sort_keys=True)


def load(text: str) -> JobRecord:
    """Return the ledger that a text holds.

    Raises:
        UnreadableJobRecordError: It does not hold one that this release understands.
    """
    try:
        raw = json.loads(text)
        if raw.pop("version") != VERSION:
            raise UnreadableJobRecordError(
                "the record was written by another release of the handler"
            )
        runs = {digest: _run(stored) for digest, stored in raw.pop("runs").items()}
        return JobRecord(runs=runs, **raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableJobRecordError("the record is damaged") from error


def _members(of: "JobRecord | Run") -> dict[str, object]:
    return {member.name: getattr(of, member.name) for member in fields(of)}


def _run(stored: dict[str, object]) -> Run:
    lists = {
        name: tuple(cast("list[str]", value)) if isinstance(value, list) else value
        for name, value in stored.items()
    }
    return Run(**lists)  # type: ignore[arg-type]  # what does not fit is a damaged record


def key(prefix: str, stack_id: str, logical_id: str) -> str:
    """Return the record's key: one for each resource of each stack, ever."""
    stack = quote(stack_id.rpartition("/")[2], safe="")
    return f"{prefix.rstrip('/')}/{stack}/{quote(logical_id, safe='')}.json".lstrip("/")


def latest(*times: float | None) -> float | None:
    """Return the latest of the times that are known."""
    known = [time for time in times if time is not None]
    return max(known) if known else None


def _remember(events: Iterable[str], event_id: str) -> tuple[str, ...]:
    others = [event for event in events if event != event_id]
    return (*others, event_id)[-_REMEMBERED_EVENTS:]
