"""Every call that leaves the process, in the form for the handler's decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..contract import FINAL
from .properties import Encryption, Location

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Job:
    """The service's description of a job.

    `tags` is None if the response has no tags. The times are ISO 8601, and empty if unknown.
    """

    arn: str
    status: str
    name: str
    tags: Mapping[str, str] | None
    results_path: str = ""
    checkpoint_uri: str = ""
    failure_reason: str = ""
    started_at: str = ""
    ended_at: str = ""
    instances: int = 1

    @property
    def has_ended(self) -> bool:
        """Whether the job is in a terminal state."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """One page of a listing; `next_token` is empty on the last one."""

    items: tuple[_T, ...]
    next_token: str = ""


class Jobs(Protocol):
    """The calls on jobs, or on executions that are handled like jobs."""

    def create_job(self, request: Mapping[str, object]) -> str:
        """Create a job and return its ARN."""

    def get_job(self, arn: str) -> Job:
        """Return a job."""

    def find_jobs(self, created_after: float, token: str = "") -> Page[Job]:
        """Return one page of the jobs created since."""

    def cancel_job(self, arn: str) -> None:
        """Request a job's cancellation."""


class Gateway(Jobs, Protocol):
    """The calls. All raise `ServiceError`; none retries by itself."""

    @property
    def region(self) -> str:
        """The region that the function runs in."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def read_record(self, location: Location) -> tuple[str, str] | None:
        """Return an object's text and its version; None if there is none."""

    def write_record(
        self,
        location: Location,
        text: str,
        version: str | None,
        encryption: Encryption | None = None,
    ) -> str:
        """Write an object that still has that version (None: that does not exist).

        Returns:
            Its new version.

        Raises:
            ServiceError: With kind CONFLICT if the object has changed meanwhile, and with kind
                PERMANENT if the store ignores conditions, so that they cannot exclude another
                invocation.
        """

    def overwrite(self, location: Location, text: str, content_type: str) -> None:
        """Write an object over an existing one: the last writer wins."""

    def copy_asset(
        self, source: Location, destination: Location, encryption: Encryption | None = None
    ) -> None:
        """Copy an object, unless the destination holds that copy already."""

    def list_keys(self, prefix: Location, token: str = "") -> Page[str]:
        """Return one page of the keys that start with the location's."""

    def has_role(self, name: str) -> bool:
        """Return whether a role of that name exists."""

    def device_status(self, arn: str) -> str:
        """Return the status of a device, such as `ONLINE`."""

    def has_object(self, location: Location) -> bool:
        """Return whether the object exists."""

    def bucket_tags(self, bucket: str) -> Mapping[str, str]:
        """Return the tags of a bucket."""

    def tag_job(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags of a job."""

    def untag_job(self, arn: str, keys: tuple[str, ...]) -> None:
        """Remove tags of a job."""

    def put_event(
        self, source: str, detail_type: str, detail: Mapping[str, str], resource: str
    ) -> None:
        """Put an event on the account's default event bus."""

    def send_task_success(self, token: str, output: Mapping[str, object]) -> None:
        """Let the state that waits with this task token succeed."""

    def send_task_failure(self, token: str, error: str, cause: str) -> None:
        """Let the state that waits with this task token fail."""

    def start_execution(self, state_machine: str, name: str, text: str) -> str:
        """Start an execution of a state machine with an input; return its ARN."""

    def list_executions(self, state_machine: str, token: str = "") -> Page[Job]:
        """Return one page of the executions of a state machine, the newest first."""

    def execution_status(self, execution: str) -> str:
        """Return the status of an execution, such as `RUNNING`."""

    def stop_execution(self, execution: str) -> None:
        """Stop an execution; one that has ended stays as it is."""

    def read_metrics(self, archive: Location) -> Mapping[str, int | float]:
        """Return the numbers that a script saved as its result."""

    def accepts_answers(self, url: str) -> bool:
        """Return whether a response document may be sent to this URL.

        It may be sent by https, and by http to the host of a configured endpoint, a local AWS.
        """

    def put_answer(self, url: str, body: bytes) -> int:
        """Send a response document; return the HTTP status.

        Raises:
            ServiceError: There was no response. Its message does not contain the URL.
        """

    def invoke_again(self, function_arn: str, event: Mapping[str, object]) -> None:
        """Invoke the function asynchronously with this event."""
