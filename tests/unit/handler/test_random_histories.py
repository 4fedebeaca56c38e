"""Random deployments, rollbacks, kills, duplicates and outages, and the invariants."""

import contextlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

import pytest

from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FINAL,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests import length
from tests.unit.handler.worlds import Context, Killed, Stack, World, properties

DEFINITIONS = "ABC"
Event = Mapping[str, object]


@dataclass
class CloudFormation:
    """Runs a stack with one job through deployments with all kinds of faults."""

    rng: random.Random
    world: World = field(default_factory=World)
    held: str = ""
    props: Mapping[str, object] = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = self.rng
        self.world.remembers_tokens = rng.choice([0.0, 90.0, 1e12])
        # A service that forgets at once and does not find what it made cannot be dealt with.
        consistent = self.world.remembers_tokens == 0.0
        self.world.appears_after = 0.0 if consistent else rng.choice([0.0, 3.0])
        self.world.search_tells_tags = rng.random() < 0.7
        self.world.cancel_takes = rng.choice([0.0, 30.0])
        self.stack = Stack(self.world, dated=True)

    # --- One event, as Lambda delivers it. ---

    def deliver(self, event: Event, *, faulty: bool = True) -> dict[str, object] | None:
        """Deliver up to three times, until there is a response; None after the timeout."""
        self.sent.append(event)
        for pause in (60.0, 120.0, 700.0):
            self.world.before, self.world.after = self._faults() if faulty else (quiet, quiet)
            answered = len(self.world.answers)
            with contextlib.suppress(Killed, ServiceError):
                index.respond_to(event, Context(self.world, 840.0), self.world)
            self.world.before = self.world.after = quiet
            if len(self.world.answers) > answered:
                return self.world.answers[-1]
            self.world.time += pause
        return None

    def _faults(self) -> tuple["Fault", "Fault"]:
        if self.rng.random() < 0.5:
            return quiet, quiet
        error = self.rng.choice(
            [
                Killed(),
                Killed(),
                Killed(),
                ServiceError("Any", "InternalServiceException", "", Kind.TRANSIENT),
                ServiceError("Any", "ServiceQuotaExceededException", "", Kind.PERMANENT),
            ]
        )
        fault = Fault(error, self.rng.randrange(25), self.rng.choice([1, 1, 3]))
        return (fault, quiet) if self.rng.random() < 0.5 else (quiet, fault)

    def duplicate(self) -> None:
        """Deliver an old event once more."""
        if self.sent:
            event = self.rng.choice(self.sent)
            self.story.append(f"again {event['RequestType']} {event['RequestId']}")
            index.respond_to(event, Context(self.world, 840.0), self.world)

    # --- Operations. ---

    def deploy(self, definition: str) -> None:
        props = properties(definition)
        self.story.append(f"deploy {definition}")
        if not self.held:
            self._create(props)
        elif self.props == props:
            return
        else:
            self._update(props)

    def _create(self, props: Mapping[str, object]) -> None:
        answer = self.deliver(self.stack.event("Create", props))
        if succeeded(answer) and self.rng.random() < 0.8:
            self.held, self.props = str(answer["PhysicalResourceId"]), props
            return
        self.story.append("create fails")
        made_up = self.rng.random() < 0.5
        answered = {} if answer is None or made_up else answer
        physical_id = str(answered.get("PhysicalResourceId", "Made-Up-1A2B"))
        self._delete_until_done(physical_id, props)

    def _update(self, props: Mapping[str, object]) -> None:
        old_id, old_props = self.held, self.props
        answer = self.deliver(self.stack.event("Update", props, old_id, old_props))
        if succeeded(answer):
            self.held, self.props = str(answer["PhysicalResourceId"]), props
            if self.rng.random() < 0.6:
                self._clean_up(old_id, old_props)
                return
        self._roll_back(old_id, old_props, props)

    def _roll_back(
        self, old_id: str, old_props: Mapping[str, object], props: Mapping[str, object]
    ) -> None:
        self.story.append("roll back")
        new_id = self.held
        answer = None
        while not succeeded(answer):
            event = self.stack.event("Update", old_props, new_id, props)
            answer = self.deliver(event, faulty=self.rng.random() < 0.5)
        assert answer["PhysicalResourceId"] == old_id
        self.held, self.props = old_id, old_props
        self._clean_up(new_id, props)

    def _clean_up(self, physical_id: str, props: Mapping[str, object]) -> None:
        if physical_id != self.held:
            self._delete_until_done(physical_id, props)

    def _delete_until_done(self, physical_id: str, props: Mapping[str, object]) -> None:
        answer = None
        while not succeeded(answer):
            event = self.stack.event("Delete", props, physical_id)
            answer = self.deliver(event, faulty=self.rng.random() < 0.5)

    def remove(self) -> None:
        if self.held:
            self.story.append("remove")
            self._delete_until_done(self.held, self.props)
            self.held, self.props = "", {}

    def time_passes(self) -> None:
        """A job ends, by itself or by hand."""
        for job in self.world.alive():
            job.status = self.rng.choice([COMPLETED, FAILED, CANCELLED, "RUNNING"])
            self.story.append(f"{definition_of(job.request)} {job.status}")
        self.world.time += self.rng.choice([1.0, 1000.0])

    # --- What may never be. ---

    def check(self) -> None:
        alive = {job.arn for job in self.world.alive()}
        assert alive <= {self.held}, self.story
        if self.held:
            assert self.held in self.world.jobs
        last: dict[str, str] = {}
        for job in self.world.jobs.values():
            name = definition_of(job.request)
            assert last.get(name) != COMPLETED, f"{name} ran twice: {self.story}"
            assert last.get(name, FAILED) in FINAL
            last[name] = job.status


class Fault:
    """Raises an error at some calls."""

    def __init__(self, error: BaseException | None, start: int, times: int) -> None:
        self._error, self._left, self._times = error, start, times

    def __call__(self, name: str, _number: int) -> None:
        self._left -= 1
        is_refusal = isinstance(self._error, ServiceError) and self._error.kind is Kind.PERMANENT
        if self._error is None or self._left > 0 or self._times <= 0:
            return
        if is_refusal and name != "create_job":
            return
        self._times -= 1
        raise self._error


quiet = Fault(None, 0, 0)


def succeeded(answer: dict[str, object] | None) -> TypeGuard[dict[str, object]]:
    return answer is not None and answer["Status"] == "SUCCESS"


def definition_of(request: Mapping[str, object]) -> str:
    values = request["hyperParameters"]
    assert isinstance(values, dict)
    return str(values["definition"])


def play(seed: int, steps: int = 12) -> None:
    play = CloudFormation(random.Random(seed))  # noqa: S311 - it must be repeatable
    for _ in range(steps):
        step = play.rng.random()
        if step < 0.6:
            play.deploy(play.rng.choice(DEFINITIONS))
        elif step < 0.7:
            play.remove()
        elif step < 0.85:
            play.time_passes()
        else:
            play.duplicate()
        play.check()
    play.remove()
    play.check()


@pytest.mark.parametrize("block", range(length.steps(3, 10)))
def test_no_history_breaks_the_contract(block: int) -> None:
    for seed in range(block * 40, block * 40 + 40):
        play(seed)


def test_the_definition_depends_only_on_the_request() -> None:
    assert definition_of(json.loads(str(properties("B")[Property.REQUEST]))) == "B"
