"""Calls with patience: retried while they may succeed, never past the time to answer in."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from .errors import Kind, OutOfTimeFailure, ServiceError, UnreadableRecordFailure
from .job_record import JobRecord, UnreadableJobRecordError, key, load
from .properties import Location

COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
CANCELLING = "CANCELLING"
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
"""The states that a job never leaves. A state that is not known here counts as alive."""

_T = TypeVar("_T")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the service says of a job."""

    arn: str
    status: str
    name: str
    tags: Mapping[str, str] | None
    results_path: str = ""
    checkpoint_uri: str = ""
    failure_reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether its state is one that it never leaves."""
        return self.status in FINAL


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

    def list_keys(self, prefix: Location) -> Iterator[str]:
        """Return the keys of the objects whose key starts with the location's."""

    def has_role(self, name: str) -> bool:
        """Say whether there is a role of that name."""

    def device_status(self, arn: str) -> str:
        """Return the status of a device, such as `ONLINE`."""

    def has_object(self, location: Location) -> bool:
        """Say whether there is that object."""

    def bucket_tags(self, bucket: str) -> Mapping[str, str]:
        """Return the tags of a bucket."""

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

    def put_event(
        self, source: str, detail_type: str, detail: Mapping[str, str], resource: str
    ) -> None:
        """Put an event on the account's default event bus."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop.

    Attributes:
        work_ends: No step of the event's work begins after it (seconds since the epoch).
        ends: No step that cleans up after failed work begins after it.
    """

    work_ends: float
    ends: float


class Calls:
    """Makes calls through a gateway, patiently.

    Args:
        gateway: Where the calls go.
        budget: When to stop.
        rng: Random numbers for the pauses between retries.
    """

    def __init__(self, gateway: Gateway, budget: Budget, rng: random.Random) -> None:
        self.gateway = gateway
        self._budget = budget
        self._ends = budget.work_ends
        self._rng = rng
        self._last: object = None

    @contextmanager
    def cleanup_time(self) -> Iterator[None]:
        """Within this context, calls may use the time that is kept for cleaning up."""
        before, self._ends = self._ends, self._budget.ends
        try:
            yield
        finally:
            self._ends = before

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.gateway.now()

    def retry(self, call: Callable[[], _T], *, missing: float = 0.0) -> _T:
        """Call until it works, fails for good, or the time is over.

        Args:
            call: What to call.
            missing: For how many seconds "not found" is not believed.

        Raises:
            ServiceError: It failed for good.
            OutOfTimeFailure: The time is over.
        """
        began = self.now()
        for attempt in itertools.count():
            self.check_time()
            try:
                return call()
            except ServiceError as error:
                is_missing = error.kind is Kind.NOT_FOUND and self.now() - began < missing
                if error.kind is not Kind.TRANSIENT and not is_missing:
                    raise
                self.pause(attempt, error)
        raise AssertionError("unreachable")

    def pause(self, attempt: int, why: object = None) -> None:
        """Wait before another attempt: longer each time, never as long as others do."""
        most = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10))
        self.wait(self._rng.uniform(most / 4, most), why)

    def wait(self, seconds: float, why: object) -> None:
        """Wait, if there is time.

        Raises:
            OutOfTimeFailure: There is not; it tells why we would have waited.
        """
        if self.now() + seconds >= self._ends:
            raise _out_of_time(why)
        self._last = why
        self.gateway.sleep(seconds)

    def check_time(self) -> None:
        """Stop when the time is over.

        A process that was frozen and thawed finds that out here, before its next call.

        Raises:
            OutOfTimeFailure: It is over; it tells why was waited last.
        """
        if self.now() >= self._ends:
            raise _out_of_time(self._last)

    def job_or_none(self, arn: str, missing: float = 0.0) -> Job | None:
        """Return what the service knows of a job, None when it knows none."""
        try:
            return self.retry(lambda: self.gateway.get_job(arn), missing=missing)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise


def _out_of_time(why: object) -> OutOfTimeFailure:
    last = f" The last thing was: {why}." if why else ""
    return OutOfTimeFailure(f"The time to answer in is used up.{last} Deploy again.")


class Record:
    """One resource's ledger where it is stored.

    Args:
        calls: Makes the calls.
        records: Where records are kept.
        earlier: Where this resource's record may be from before an Update that moved it.
        stack_id: The stack's ARN.
        logical_id: The resource's logical id.
    """

    def __init__(
        self,
        calls: Calls,
        records: Location,
        stack_id: str,
        logical_id: str,
        earlier: Location | None = None,
    ) -> None:
        self._calls = calls
        self._place = Location(records.bucket, key(records.key, stack_id, logical_id))
        self._earlier = (
            None
            if earlier is None or earlier == records
            else Location(earlier.bucket, key(earlier.key, stack_id, logical_id))
        )
        self._resource = f"{stack_id} {logical_id}"

    def read(self) -> JobRecord:
        """Return the ledger; an empty one when there is none yet.

        Raises:
            UnreadableRecordFailure: It cannot be used.
        """
        return self._read()[0]

    def change(self, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        """Change the ledger, whatever others do to it meanwhile.

        Args:
            change: Takes the ledger and returns what it shall be. Called again with what it has
                become when somebody else was faster.

        Returns:
            What is stored now.
        """
        for attempt in itertools.count():
            old, version = self._read()
            new = change(old)
            if new == old:
                return old
            if self._wrote(new.dump(), version):
                return new
            self._calls.pause(attempt, "others change the record")
        raise AssertionError("unreachable")

    def _read(self) -> tuple[JobRecord, str | None]:
        stored = self._stored(self._place)
        if stored is not None:
            return self._loaded(stored[0]), stored[1]
        before = None if self._earlier is None else self._stored(self._earlier)
        if before is not None:
            return self._loaded(before[0]), None
        return JobRecord(resource=self._resource), None

    def _stored(self, place: Location) -> tuple[str, str] | None:
        return self._calls.retry(lambda: self._calls.gateway.read_record(place))

    def _loaded(self, text: str) -> JobRecord:
        try:
            return load(text)
        except UnreadableJobRecordError as error:
            raise UnreadableRecordFailure(
                f"The record s3://{self._place.bucket}/{self._place.key} of the resource's jobs "
                f"cannot be used: {error}. Restore an earlier version of the object."
            ) from error

    def _wrote(self, text: str, version: str | None) -> bool:
        try:
            self._calls.retry(lambda: self._calls.gateway.write_record(self._place, text, version))
        except ServiceError as error:
            if error.kind is Kind.CONFLICT:
                return False
            raise
        return True
