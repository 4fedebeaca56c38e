"""The service's record of a hybrid job."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket_local.braket.platform import Caller


class Status(StrEnum):
    """The states of a job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(slots=True)
class Job:
    """One job. Hold the service's lock while you change or read it.

    Attributes:
        arn: The ARN. It ends in a UUID, not in the name.
        caller: The identity that created it.
        request: The CreateJob request.
        tags: The current tags.
        status: The state.
        created_at: The time of its creation.
        started_at: The time at which it began to run.
        ended_at: The time at which it ended.
        failure_reason: The reason of its failure.
        events: Its events: type, time, message.
    """

    arn: str
    caller: Caller
    request: Mapping[str, object] = field(repr=False)
    tags: dict[str, str]
    created_at: datetime
    status: Status = Status.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str | None = None
    events: list[Mapping[str, object]] = field(default_factory=list)

    @classmethod
    def created(cls, caller: Caller, request: Mapping[str, object]) -> "Job":
        """Return a new job, in the queue."""
        arn = f"arn:aws:braket:{caller.region}:{caller.account}:job/{uuid.uuid4()}"
        tags = request.get("tags")
        job = cls(
            arn=arn,
            caller=caller,
            request=request,
            tags=dict(tags) if isinstance(tags, Mapping) else {},
            created_at=now(),
        )
        job.happened("QUEUED_FOR_EXECUTION", "The job waits for its turn.")
        return job

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The name: a label that other jobs may also have."""
        return str(self.request["jobName"])

    @property
    def device(self) -> str:
        """The ARN of its device, or the name of its embedded simulator."""
        config = self.request.get("deviceConfig")
        return str(config["device"]) if isinstance(config, Mapping) else ""

    @property
    def has_quantum_device(self) -> bool:
        """Whether its device is a QPU."""
        return ":device/qpu/" in self.device

    @property
    def has_ended(self) -> bool:
        """Whether the state is terminal."""
        return self.status in FINAL

    def happened(self, event_type: str, message: str) -> None:
        """Record an event; the API shows the latest."""
        most = model_rules.bounds("JobEvents").maximum
        longest = model_rules.bounds(model_rules.shape_of("JobEventDetails", "message")).maximum
        event = {"eventType": event_type, "timeOfEvent": now(), "message": message[:longest]}
        self.events = [*self.events, event][-(most or 0) :]

    def ended(self, status: Status, reason: str | None = None) -> None:
        """Set a terminal state."""
        self.status = status
        self.ended_at = now()
        longest = model_rules.bounds(
            model_rules.shape_of("GetJobResponse", "failureReason")
        ).maximum
        self.failure_reason = reason[:longest] if reason else None

    def description(self) -> dict[str, object]:
        """Return the response of GetJob."""
        shown = (
            "jobName", "roleArn", "hyperParameters", "inputDataConfig", "outputDataConfig",
            "stoppingCondition", "checkpointConfig", "algorithmSpecification", "instanceConfig",
            "deviceConfig", "associations",
        )  # fmt: skip
        return {
            **{name: self.request[name] for name in shown if name in self.request},
            "jobArn": self.arn,
            "status": self.status.value,
            "failureReason": self.failure_reason,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "billableDuration": self._billable_milliseconds(),
            "events": list(self.events),
            "tags": dict(self.tags),
        }

    def summary(self) -> dict[str, object]:
        """Return the job's entry in the response of SearchJobs."""
        return {
            "jobArn": self.arn,
            "jobName": self.name,
            "status": self.status.value,
            "device": self.device,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "tags": dict(self.tags),
        }

    def _billable_milliseconds(self) -> int | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return int((self.ended_at - self.started_at).total_seconds() * 1000)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
