"""CloudFormation's side of a custom resource, with strict checks of the response.

Sources:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from cdk_braket._lambda.braket_jobs import contract
from tests.simulator.lambda_service import Event, Faults, Handler, LambdaService
from tests.unit.handler.worlds import LOGICAL, STACK, World

SERVICE_TIMEOUT: Final = 900.0
ANSWER_SECONDS: Final = 300.0
"""The time that a wait leaves for everything else."""
MADE_UP: Final = "Vqe-JobResource7A1B-1ABCDEFGHIJKL"
Properties = Mapping[str, object]
FaultsOf = Callable[[int], Faults]


class InvalidAnswerError(AssertionError):
    """CloudFormation would refuse this response."""


@dataclass(frozen=True)
class Answer:
    """A response document that CloudFormation accepts."""

    status: str
    physical_id: str
    reason: str

    @property
    def ok(self) -> bool:
        return self.status == "SUCCESS"


@dataclass
class Mailbox(World):
    """The world with a mailbox for each presigned URL; only the first response counts."""

    letters: dict[str, Answer] = field(default_factory=dict)
    expected: dict[str, Event] = field(default_factory=dict)
    waits_until: dict[str, float] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)

    def put_answer(self, url: str, body: bytes) -> int:
        with self._call("put_answer"):
            status = self.answer_statuses.pop(0) if self.answer_statuses else 200
            if status == 200 and url not in self.letters:
                self._receive(url, body)
            return status

    def _receive(self, url: str, body: bytes) -> None:
        if self.time > self.waits_until.get(url, float("inf")):
            return
        try:
            self.letters[url] = checked(self.expected[url], body)
        except InvalidAnswerError as error:
            self.invalid.append(str(error))


def checked(event: Event, body: bytes) -> Answer:
    """Read a response as CloudFormation does.

    Raises:
        InvalidAnswerError: It would be ignored, or fail the resource without a reason.
    """
    if len(body) > 4096:
        raise InvalidAnswerError(f"{len(body)} bytes")
    document = json.loads(body)
    for name in ("StackId", "RequestId", "LogicalResourceId"):
        if document.get(name) != event[name]:
            raise InvalidAnswerError(f"{name} is not the event's")
    status, physical_id = document.get("Status"), document.get("PhysicalResourceId")
    if status not in {"SUCCESS", "FAILED"}:
        raise InvalidAnswerError(f"status {status}")
    if not isinstance(physical_id, str) or not 0 < len(physical_id.encode()) <= 1024:
        raise InvalidAnswerError("physical id")
    if status == "FAILED" and not document.get("Reason"):
        raise InvalidAnswerError("no reason")
    return Answer(status, physical_id, str(document.get("Reason", "")))


def service_timeout(event: Event) -> float:
    """Return the time that CloudFormation waits, from the constructs' properties."""
    properties = event["ResourceProperties"]
    assert isinstance(properties, Mapping)
    given = properties.get(contract.Property.WAIT_FOR_COMPLETION, {})
    wait = json.loads(given) if isinstance(given, str) else given
    seconds = wait.get("TimeoutSeconds", wait.get("timeoutSeconds", 0))
    return max(SERVICE_TIMEOUT, float(seconds) + ANSWER_SECONDS)


def no_faults(_attempt: int) -> Faults:
    """Let an event pass undisturbed."""
    return Faults()


@dataclass
class CloudFormation:
    """One stack with one resource. Each method sends one event and waits for its response."""

    world: Mailbox
    handler: Handler
    stack_id: str = STACK
    resource_type: str = contract.RESOURCE_TYPE
    held: str = ""
    props: Properties = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.function = LambdaService(self.world, self.handler)

    def event(
        self,
        kind: str,
        props: Properties,
        physical_id: str | None = None,
        old: Properties | None = None,
        request_id: str | None = None,
    ) -> Event:
        """Create an event; pass `request_id` to reuse one, as a retried deployment may do."""
        number = next(self._numbers)
        self.world.time += 10
        url = _presigned(number, self.world.time)
        event: dict[str, object] = {
            "RequestType": kind,
            "RequestId": request_id or f"request-{number}",
            "ResponseURL": url,
            "StackId": self.stack_id,
            "LogicalResourceId": LOGICAL,
            "ResourceType": self.resource_type,
            "ResourceProperties": props,
        }
        event |= {} if physical_id is None else {"PhysicalResourceId": physical_id}
        event |= {} if old is None else {"OldResourceProperties": old}
        self.world.expected[url] = event
        self.sent.append(event)
        return event

    def wait_for(self, event: Event, faults: FaultsOf = no_faults) -> Answer | None:
        """Send an event; return its response, or None after CloudFormation's timeout."""
        url = str(event["ResponseURL"])
        until = self.world.time + service_timeout(event)
        self.world.waits_until[url] = until
        self.function.deliver(event, faults, lambda: url in self.world.letters, until)
        answer = self.world.letters.get(url)
        if answer is None:
            self.world.time = max(self.world.time, until)
            self.stuck.append(str(event["RequestType"]))
        return answer

    def create(self, props: Properties, faults: FaultsOf = no_faults) -> Answer | None:
        """Create the resource."""
        return self._accepted(self.wait_for(self.event("Create", props), faults), props)

    def update(self, props: Properties, faults: FaultsOf = no_faults) -> Answer | None:
        """Update the resource, forward or back."""
        event = self.event("Update", props, self.held, self.props)
        return self._accepted(self.wait_for(event, faults), props)

    def again(self, faults: FaultsOf = no_faults) -> Answer | None:
        """Send the last Create or Update again: the same RequestId, another ResponseURL."""
        last = self.sent[-1]
        fresh = self.event("", {})
        self.sent.pop()
        fresh_url = str(fresh["ResponseURL"])
        event = {**last, "ResponseURL": fresh_url}
        self.world.expected[fresh_url] = event
        self.sent.append(event)
        props = last["ResourceProperties"]
        assert isinstance(props, Mapping)
        return self._accepted(self.wait_for(event, faults), props)

    def roll_back(
        self, old: Properties, new: Properties, faults: FaultsOf = no_faults
    ) -> Answer | None:
        """Roll back an update, successful or not: `held` is its physical id."""
        event = self.event("Update", old, self.held, new)
        return self._accepted(self.wait_for(event, faults), old)

    def delete(
        self, physical_id: str, props: Properties, faults: FaultsOf = no_faults
    ) -> Answer | None:
        """Delete, at a removal, at a clean-up, or after a failed creation."""
        answer = self.wait_for(self.event("Delete", props, physical_id), faults)
        if answer is not None and answer.ok and physical_id == self.held:
            self.held, self.props = "", {}
        return answer

    def _accepted(self, answer: Answer | None, props: Properties) -> Answer | None:
        if answer is not None and answer.ok:
            self.held, self.props = answer.physical_id, props
        return answer


def _presigned(number: int, now: float) -> str:
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = f"&X-Amz-Date={date}&X-Amz-Expires=7200&X-Amz-Signature=s"
    return f"https://cfn-response.s3.amazonaws.com/answer?n={number}{signed}"
