"""The parts that all steps of one invocation share: the event, the calls, the record, the log."""

import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from .. import contract
from ..contract import Property
from .errors import Failure, ServiceError
from .job_record import CREATE, DELETE, UPDATE, JobRecord, Run, Seen
from .job_record_store import JobRecordStore
from .properties import (
    Encryption,
    JobProperties,
    Location,
    digest_or_none,
    is_run_arn,
    read_encryption,
    text_of,
)
from .retries import PROPAGATION_SECONDS, PROPAGATION_SECONDS_OF_DELETE, Calls, Tools

APPEARS_SECONDS = 15.0
"""The time for which a GetJob without a result is not final."""

POLL_SECONDS = 2.0
"""The interval between two checks of another invocation's or the service's progress."""

NOTHING_STARTED = "no-job-was-created"
"""The prefix of the physical id of a Create that failed before CreateJob was announced: its Delete
needs no record. Without a suffix, it is that of every failed Create of earlier releases."""

MAY_EXIST = "job-may-exist"
"""The prefix of the physical id of a Create that failed after CreateJob was announced."""

_FAILED_CREATE = re.compile(f"({NOTHING_STARTED}|{MAY_EXIST}):([0-9a-f]{{32}})")


class RequestType(StrEnum):
    """The types of CloudFormation's events."""

    CREATE = CREATE
    UPDATE = UPDATE
    DELETE = DELETE


@dataclass(frozen=True, slots=True)
class Event:
    """An event of CloudFormation, without its ResponseURL, which is not available here.

    Attributes:
        type: Its type.
        id: Identifies one request of CloudFormation. A retry or a duplicate by Lambda has the same,
            another attempt with the same RequestId has a different one.
        stack_id: The stack's ARN.
        logical_id: The resource's logical id.
        physical_id: The current physical id; empty on Create.
        properties: The resource's properties.
        old_properties: The properties before an Update; empty otherwise.
        sent_at: When CloudFormation sent it (seconds since the epoch), if the event has it.
        expires_at: When CloudFormation stops waiting, if the event has it.
        waits_until: The end of the wait for the job, if an earlier invocation began it.
        is_point: Whether it is about a point of a sweep. Several executions may share its job, and
            the sender repeats the event later if the service refuses a job for now.
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
    is_point: bool = False

    def token(self, definition: str, attempt: int) -> str:
        """Return the client token of an attempt at a definition of this resource."""
        return contract.client_token(self.stack_id, self.logical_id, definition, attempt)

    def seen(self, now: float, record: JobRecord) -> Seen:
        """Return the entry of the event for a record.

        An event cannot be sent after its arrival, so a later date of its sender counts as now.
        """
        return Seen(
            id=self.id,
            at=None if self.sent_at is None else min(self.sent_at, now),
            kind=self.type,
            wants="" if self.type is RequestType.DELETE else digest_or_none(self.properties) or "",
            follows_unseen=self._follows_unseen(record),
        )

    def _follows_unseen(self, record: JobRecord) -> bool:
        """Return whether the event before this one never arrived."""
        if self.type is RequestType.UPDATE:
            request = record.last_request
            old = digest_or_none(self.old_properties)
            return request is not None and bool(request.wants) and request.wants != old
        is_of_create = self.type is RequestType.DELETE and not is_run_arn(self.physical_id)
        return is_of_create and (not record.events or record.events[-1].kind == DELETE)

    @property
    def failed_create(self) -> tuple[str, str] | None:
        """For the physical id of a failed Create, its kind and the id of the Create."""
        match = _FAILED_CREATE.fullmatch(self.physical_id)
        return (match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The contents of the response to a successful event."""

    physical_id: str
    attributes: Mapping[str, str]


class Invocation:
    """The parts that the steps of one invocation share."""

    def __init__(self, event: Event, tools: Tools) -> None:
        self.event = event
        self.gateway = tools.gateway
        is_delete = event.type is RequestType.DELETE
        propagation = PROPAGATION_SECONDS_OF_DELETE if is_delete else PROPAGATION_SECONDS
        self.calls = Calls(tools, propagation)
        self.me = uuid.uuid4().hex
        """Identifies this invocation among those for the same resource."""
        self.may_exist = False
        """Whether the event may have started a job."""
        self.failed_job = ""
        """The job of a Create that failed, once the record has it as released."""
        self._write_log = tools.log
        self._store: JobRecordStore | None = None

    @property
    def physical_id(self) -> str:
        """The physical id of a FAILED response.

        Each Create has a separate one, so that its Delete cannot affect the job of a later one.
        """
        if self.event.type is not RequestType.CREATE:
            return self.event.physical_id
        kind = MAY_EXIST if self.may_exist else NOTHING_STARTED
        return self.failed_job or f"{kind}:{self.event.id}"

    def store(self) -> JobRecordStore:
        """Return the resource's record; an Update may have moved it.

        Raises:
            Failure: The event does not contain its location.
        """
        if self._store is None:
            self._store = self._new_store()
        return self._store

    def _new_store(self) -> JobRecordStore:
        event = self.event
        places = [Location.parse(text_of(event.properties, Property.RECORDS))]
        with suppress(Failure):
            places.append(Location.parse(text_of(event.old_properties, Property.RECORDS)))
        return JobRecordStore(
            self.calls,
            places,
            event.stack_id,
            event.logical_id,
            encryption=self._encryption(),
            moves=event.type is RequestType.UPDATE,
            repairs=event.type is not RequestType.DELETE,
            is_new=event.type is RequestType.CREATE,
        )

    def _encryption(self) -> Mapping[str, Encryption]:
        found: dict[str, Encryption] = {}
        for properties in (self.event.old_properties, self.event.properties):
            with suppress(Failure):
                found |= read_encryption(properties)
        return found

    def note(self, change: Callable[[JobRecord], JobRecord], job: str | None = None) -> bool:
        """Change the record if possible; return whether it was. A later event repairs it if not."""
        try:
            self.store().change(change)
        except (Failure, ServiceError) as error:
            self.log("not_noted", job, error=error)
            return False
        return True

    def unchecked(self, check: str, error: ServiceError) -> None:
        """Log a failed check."""
        self._write_log("unchecked", {"what": check, "error": error.code})

    def log(
        self,
        decision: str,
        arn: str | None,
        definition: JobProperties | None = None,
        run: Run | None = None,
        *,
        error: Exception | None = None,
        status: str | None = None,
    ) -> None:
        """Write one line for a decision, without parts of the request."""
        details = {
            "jobArn": arn,
            "definition": definition.digest if definition else None,
            "runId": contract.run_id(run.token) if run else None,
            "attempt": run.attempt if run else None,
            "status": status,
            # Only the kind of error: a service's message may quote the request.
            "error": getattr(error, "code", type(error).__name__) if error else None,
            "requestId": getattr(error, "request_id", None),
        }
        self._write_log(decision, {k: v for k, v in details.items() if v is not None})
