"""What all steps of handling one event share: the event, the calls, the record, the log."""

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .. import contract
from ..contract import Property
from .errors import Failure, ServiceError, explain, without_secrets
from .job_record import Run
from .properties import Definition, Location
from .retries import Budget, Calls, Gateway, Record

APPEARS_SECONDS = 15.0
"""For how long a GetJob that finds no job is not believed."""

POLL_SECONDS = 2.0
"""Between two looks at what another invocation, or the service, is doing."""


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


class Handling:
    """What the steps of one invocation share.

    Args:
        event: The event.
        gateway: Every call that leaves the process.
        budget: When to stop.
        log: Takes one line for each decision.
        rng: Random numbers for the pauses between retries.
    """

    def __init__(
        self, event: Event, gateway: Gateway, budget: Budget, log: Log, rng: random.Random
    ) -> None:
        self.event = event
        self.gateway = gateway
        self.calls = Calls(gateway, budget, rng)
        self.me = uuid.uuid4().hex
        """Tells this invocation from others that handle the same resource."""
        self.physical_id = event.physical_id
        """What a FAILED answer names; changes once a job belongs to a Create."""
        self._write_log = log

    def record_at(self, records: Location) -> Record:
        """Return the resource's record, which may have been elsewhere before an Update."""
        uri = self.event.old_properties.get(Property.RECORDS)
        earlier = Location.parse(uri) if isinstance(uri, str) else None
        return Record(self.calls, records, self.event.stack_id, self.event.logical_id, earlier)

    def set_physical_id(self, arn: str) -> None:
        """Have a FAILED answer to a Create name the job: the Delete that follows then does, too."""
        if self.event.type is RequestType.CREATE:
            self.physical_id = arn

    def reason(self, error: Failure | ServiceError, definition: Definition) -> str:
        """Say why, and what to do."""
        if isinstance(error, ServiceError):
            return explain(error, definition.request, self.gateway.region)
        return without_secrets(str(error), definition.request)  # it may quote a service

    def unchecked(self, what: str, error: ServiceError) -> None:
        """Note a check that could not be made."""
        self._write_log("unchecked", {"what": what, "error": error.code})

    def log(
        self,
        decision: str,
        arn: str | None,
        definition: Definition | None = None,
        run: Run | None = None,
        *,
        error: Exception | None = None,
        status: str | None = None,
    ) -> None:
        """Write one line for a decision, without anything of the request."""
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
