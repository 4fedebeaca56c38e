"""Lambda's asynchronous invocation, and the possible faults of an invocation.

An event is queued. An invocation that ends with an error runs again after one and after two
minutes. Any of them may be delivered twice, or late.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cdk_braket._lambda.braket_jobs.api import service_model
from cdk_braket._lambda.braket_jobs.handler.aws_gateway import _kind
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.worlds import Context, Killed, World

Event = Mapping[str, object]
Handler = Callable[[Event, Context, World], None]
Hook = Callable[[str, int], None]

FUNCTION_SECONDS: Final = 840.0
RETRY_PAUSES: Final = (60.0, 120.0)
BRAKET_CALLS: Final = {
    "create_job": "CreateJob",
    "get_job": "GetJob",
    "find_jobs": "SearchJobs",
    "cancel_job": "CancelJob",
    "tag_job": "TagResource",
    "untag_job": "UntagResource",
}


def quiet(_name: str, _number: int) -> None:
    """Do not disturb a call."""


@dataclass
class Faults:
    """The faults of one invocation: a hook before each call, and one after it took effect."""

    before: Hook = quiet
    after: Hook = quiet


class KillAt:
    """Kills the function at the n-th call from now on, once."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self, _name: str, _number: int) -> None:
        self._left -= 1
        if self._left == -1:
            raise Killed


class Hang:
    """A call that never returns: the function is killed at its timeout."""

    def __init__(self, world: World, calls: int) -> None:
        self._world, self._left = world, calls
        self._ends = world.time + FUNCTION_SECONDS

    def __call__(self, _name: str, _number: int) -> None:
        self._left -= 1
        if self._left == -1:
            self._world.time = max(self._world.time, self._ends)
            raise Killed


class Failing:
    """Fails calls of the given names from the n-th on, so many times."""

    def __init__(self, error: ServiceError, names: frozenset[str], start: int, times: int) -> None:
        self.error, self._names, self._start, self._times = error, names, start, times

    def __call__(self, name: str, _number: int) -> None:
        if name not in self._names:
            return
        self._start -= 1
        if self._start < 0 and self._times > 0:
            self._times -= 1
            raise self.error


class RoleNotYet:
    """IAM propagation: the service refuses to assume the role until some time."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world, self._until = world, world.time + seconds

    def __call__(self, name: str, _number: int) -> None:
        if name == "create_job" and self._world.time < self._until:
            message = "Amazon Braket is unable to assume the role"
            raise ServiceError("CreateJob", "ValidationException", message, Kind.PERMANENT, "r")


def modelled_errors(call: str) -> list[ServiceError]:
    """Return every error that botocore's model has for a call, with long, non-ASCII messages."""
    operation = BRAKET_CALLS[call]
    words = "Gerät nicht verfügbar 量子 🚫 " * 200
    found = []
    for code in service_model.operation(operation).errors:
        status = service_model.shape(code).error_status
        assert status is not None
        found.append(ServiceError(operation, code, words, _kind(code, status), "request"))
    return found


class _Log(io.TextIOBase):
    """The function's log group: no secret may get there."""

    def write(self, text: str) -> int:
        assert "X-Amz-Signature" not in text
        return len(text)


@dataclass
class LambdaService:
    """Runs a handler.

    `late` contains deliveries after CloudFormation's timeout, and duplicates.
    """

    world: World
    handler: Handler
    late: list[Event] = field(default_factory=list)
    invocations: int = 0

    def invoke(self, event: Event, faults: Faults | None = None) -> bool:
        """Run the function once; return whether it succeeded."""
        world = self.world
        kept = world.before, world.after
        chosen = faults or Faults()
        world.before, world.after = chosen.before, chosen.after
        self.invocations += 1
        began = world.time
        try:
            with contextlib.redirect_stdout(_Log()):
                self.handler(event, Context(world, FUNCTION_SECONDS), world)
        except (Killed, ServiceError):
            return False
        finally:
            world.before, world.after = kept
        assert world.time - began <= FUNCTION_SECONDS + 60, "the function outlived its time"
        return True

    def _go_on(self, answered: Callable[[], bool], waits_until: float) -> None:
        """Run the function's own invocations while it waits for a job, undisturbed."""
        invoked = self.world.invoked
        while invoked and not answered() and self.world.time < waits_until:
            self.invoke(invoked.pop(0))
        self.late += invoked
        invoked.clear()

    def deliver(
        self,
        event: Event,
        faults: Callable[[int], Faults],
        answered: Callable[[], bool],
        waits_until: float,
    ) -> None:
        """Deliver an event as often as Lambda does while CloudFormation waits."""
        for attempt in itertools.count():
            if self.invoke(event, faults(attempt)) or answered():
                self._go_on(answered, waits_until)
                return
            if attempt == len(RETRY_PAUSES):
                return
            if self.world.time + RETRY_PAUSES[attempt] >= waits_until:
                self.late.append(event)
                return
            self.world.time += RETRY_PAUSES[attempt]
