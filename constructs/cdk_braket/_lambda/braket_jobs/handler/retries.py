"""Calls that are retried while they may succeed, and never past the time budget."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from .errors import Kind, OutOfTimeFailure, ServiceError, found_or_none
from .gateway import Gateway, Job, Jobs, Page

_T = TypeVar("_T")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0

PROPAGATION_SECONDS = 120.0
"""The time for which a Create or Update retries a denied call: IAM is eventually consistent.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
"""

PROPAGATION_SECONDS_OF_DELETE = 30.0
"""The same for a Delete, which may follow the creation of the handler's role immediately."""

Log = Callable[[str, Mapping[str, object]], None]
"""Receives a decision's name and its details."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The time limits of an invocation.

    Attributes:
        work_ends: No step of the event's work begins after it (seconds since the epoch).
        ends: No step that cleans up after failed work begins after it.
    """

    work_ends: float
    ends: float


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one invocation.

    Attributes:
        gateway: Every call that leaves the process.
        budget: The time limits.
        log: Logs one line for each decision.
        rng: Random numbers for the pauses between retries.
        jobs: The calls on jobs, if they are not those of the gateway.
    """

    gateway: Gateway
    budget: Budget
    log: Log
    rng: random.Random
    jobs: Jobs | None = None

    def calls(self, propagation: float = PROPAGATION_SECONDS) -> "Calls":
        """Return calls with retries; denied calls are retried for so many seconds from now."""
        return Calls(self, propagation)


class Calls:
    """Calls through a gateway, with retries.

    Args:
        tools: The tools of the invocation.
        propagation: The seconds from now for which a denied call is retried.
    """

    def __init__(self, tools: Tools, propagation: float = PROPAGATION_SECONDS) -> None:
        self.gateway = tools.gateway
        self.jobs: Jobs = tools.jobs or tools.gateway
        self.now = tools.gateway.now
        self._budget = tools.budget
        self._ends = tools.budget.work_ends
        self._rng = tools.rng
        self._propagated = self.now() + propagation
        self._last: object = None

    @contextmanager
    def cleanup_time(self, at_least: float = 0.0) -> Iterator[None]:
        """Within this context, calls may use the time that is reserved for clean-up.

        Args:
            at_least: Guaranteed seconds: the reversal of a step is tried even if the process was
                frozen for longer than its budget.
        """
        with self._until(max(self._budget.ends, self.now() + at_least)):
            yield

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Within this context, calls time out after so many seconds."""
        with self._until(min(self._ends, self.now() + seconds)):
            yield

    @contextmanager
    def _until(self, ends: float) -> Iterator[None]:
        before, self._ends = self._ends, ends
        try:
            yield
        finally:
            self._ends = before

    def retry(self, call: Callable[[], _T], *, missing: float = 0.0, at_once: bool = False) -> _T:
        """Retry a call until it succeeds, fails permanently, or the time ends.

        Args:
            call: The call.
            missing: The seconds for which "not found" is retried.
            at_once: Whether the first call is sent even if the time has ended.

        Raises:
            ServiceError: It failed permanently.
            OutOfTimeFailure: The time has ended.
        """
        began, attempt = self.now(), 0
        while True:
            if attempt or not at_once:
                self.check_time()
            try:
                return call()
            except ServiceError as error:
                is_missing = error.kind is Kind.NOT_FOUND and self.now() - began < missing
                if not is_missing and not self.may_pass(error):
                    raise
                self.pause(attempt, error)
            attempt += 1

    def retry_outages(self, call: Callable[[], _T]) -> _T:
        """Call as `retry` does, but do not retry a denied call."""
        before, self._propagated = self._propagated, 0.0
        try:
            return self.retry(call)
        finally:
            self._propagated = before

    def may_pass(self, error: ServiceError) -> bool:
        """Return whether the same call may succeed later."""
        if error.kind is Kind.TRANSIENT:
            return True
        return error.may_be_propagation and self.now() < self._propagated

    def pages(self, call: Callable[[str], Page[_T]]) -> Iterator[_T]:
        """Return the items of all pages; a page that fails is requested again, and no other."""
        page = self.retry(partial(call, ""))
        yield from page.items
        while page.next_token:
            page = self.retry(partial(call, page.next_token))
            yield from page.items

    def pause(self, attempt: int, why: object) -> None:
        """Wait before another attempt: longer each time, with jitter."""
        most = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10))
        self.wait(self._rng.uniform(most / 4, most), why)

    def wait(self, seconds: float, why: object) -> None:
        """Wait, if there is time.

        Raises:
            OutOfTimeFailure: There is no time; it names the reason to wait.
        """
        self._last = why
        self.check_time(seconds)
        self.gateway.sleep(seconds)

    def check_time(self, seconds: float = 0.0) -> None:
        """Raise an error if the time has ended, or will end in so many seconds.

        A process that was frozen stops here, before its next call.

        Raises:
            OutOfTimeFailure: It has ended; it names the last reason to wait.
        """
        if self.now() + seconds >= self._ends:
            last = f" The last step was: {self._last}." if self._last else ""
            raise OutOfTimeFailure(f"The time for the response has ended.{last} Deploy again.")

    def job_or_none(self, arn: str, missing: float = 0.0) -> Job | None:
        """Return a job; None if the service has not known it for `missing` seconds."""
        get = partial(self.jobs.get_job, arn)
        return found_or_none(lambda: self.retry(get, missing=missing))
