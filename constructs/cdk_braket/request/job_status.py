"""The states of a hybrid job."""

from enum import StrEnum


class JobStatus(StrEnum):
    """A state of a hybrid job, for `statuses` of event rules.

    You can pass newer states of the API as strings. Source: the shape `JobPrimaryStatus` of the
    service model; tests/contract compares.

    Example:
        >>> from cdk_braket import JobStatus
        >>> [JobStatus.RUNNING, JobStatus.COMPLETED] == ["RUNNING", "COMPLETED"]
        True
    """

    __module__ = "cdk_braket"

    QUEUED = "QUEUED"
    """The job waits for an instance or for its device."""
    RUNNING = "RUNNING"
    """The job's script runs."""
    COMPLETED = "COMPLETED"
    """The script ended without an error. The job never leaves this state."""
    FAILED = "FAILED"
    """The script or the service failed. The job never leaves this state."""
    CANCELLING = "CANCELLING"
    """The cancellation was requested and is not complete."""
    CANCELLED = "CANCELLED"
    """The job was stopped. It never leaves this state."""
