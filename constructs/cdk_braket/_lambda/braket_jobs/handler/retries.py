"""Calls that are retried while they may succeed, and never past the time budget."""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from .errors import Kind, OutOfTimeFailure, ServiceError
from .gateway import Gateway, Job, Page

_T = TypeVar("_T")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0

PROPAGATION_SECONDS = 120.0
"""For how long a Create or Update retries what IAM denies: IAM is eventually consistent.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
"""

PROPAGATION_SECONDS_OF_DELETE = 30.0
"""The same for a Delete, which may follow the creation of the handler's role at once."""


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
    """Makes calls through a gateway, with retries.

    Args:
        gateway: Where the calls go.
        budget: When to stop.
        rng: Random numbers for the pauses between retries.
        propagation: For how many seconds from now a denied call is retried.
    """

    def __init__(
        self,
        gateway: Gateway,
        budget: Budget,
        rng: random.Random,
        propagation: float = PROPAGATION_SECONDS,
    ) -> None:
        self.gateway = gateway
        self._budget = budget
        self._ends = budget.work_ends
        self._rng = rng
        self._propagated = gateway.now() + propagation
        self._last: object = None

    @contextmanager
    def cleanup_time(self, at_least: float = 0.0) -> Iterator[None]:
        """Within this context, calls may use the time that is kept for cleaning up.

        Args:
            at_least: Seconds that there are in any case: what undoes a step that was just done
                is tried even if the process was frozen for longer than its budget.
        """
        with self._until(max(self._budget.ends, self.now() + at_least)):
            yield

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Within this context, calls give up after so many seconds."""
        with self._until(min(self._ends, self.now() + seconds)):
            yield

    @contextmanager
    def _until(self, ends: float) -> Iterator[None]:
        before, self._ends = self._ends, ends
        try:
            yield
        finally:
            self._ends = before

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.gateway.now()

    def retry(self, call: Callable[[], _T], *, missing: float = 0.0, at_once: bool = False) -> _T:
        """Call until it works, fails for good, or the time is over.

        Args:
            call: The call.
            missing: For how many seconds "not found" is not believed.
            at_once: Whether the first call is made even if the time is over.

        Raises:
            ServiceError: It failed for good.
            OutOfTimeFailure: The time is over.
        """
        began = self.now()
        for attempt in itertools.count():
            if attempt or not at_once:
                self.check_time()
            try:
                return call()
            except ServiceError as error:
                is_missing = error.kind is Kind.NOT_FOUND and self.now() - began < missing
                if not is_missing and not self.may_pass(error):
                    raise
                self.pause(attempt, error)
        raise AssertionError("unreachable")

    def retry_outages(self, call: Callable[[], _T]) -> _T:
        """Call as `retry` does, but take a refusal for final."""
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
        """Return the items of all pages; a page that fails is asked for again, and no other."""
        token = ""
        while True:
            page = self._page(call, token)
            yield from page.items
            token = page.next_token
            if not token:
                return

    def _page(self, call: Callable[[str], Page[_T]], token: str) -> Page[_T]:
        return self.retry(lambda: call(token))

    def pause(self, attempt: int, why: object = None) -> None:
        """Wait before another attempt: longer each time, with jitter."""
        most = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10))
        self.wait(self._rng.uniform(most / 4, most), why)

    def wait(self, seconds: float, why: object) -> None:
        """Wait, if there is time.

        Raises:
            OutOfTimeFailure: There is not; it names the reason to wait.
        """
        if self.now() + seconds >= self._ends:
            raise _out_of_time(why)
        self._last = why
        self.gateway.sleep(seconds)

    def check_time(self) -> None:
        """Stop when the time is over.

        A process that was frozen and thawed finds that out here, before its next call.

        Raises:
            OutOfTimeFailure: It is over; it names the last reason to wait.
        """
        if self.now() >= self._ends:
            raise _out_of_time(self._last)

    def job_or_none(self, arn: str, missing: float = 0.0) -> Job | None:
        """Return a job, None if the service does not know it for `missing` seconds."""
        try:
            return self.retry(lambda: self.gateway.get_job(arn), missing=missing)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise


def _out_of_time(why: object) -> OutOfTimeFailure:
    last = f" The last thing was: {why}." if why else ""
    return OutOfTimeFailure(f"The time to answer in is used up.{last} Deploy again.")
