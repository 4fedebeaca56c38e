"""Random deployments in which everything goes wrong, and what may never be.

A step is one operation: a deployment with its rollback and clean-up, a removal, a late or doubled
delivery, a job that ends. Each is many calls of the handler.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from cdk_braket._lambda.hybrid_job_handler import index
from cdk_braket._lambda.hybrid_job_handler.calls import CANCELLED, COMPLETED, FAILED, FINAL
from cdk_braket._lambda.hybrid_job_handler.failures import Kind, ServiceError
from cdk_braket._lambda.hybrid_job_handler.starting import CALL_SECONDS
from tests.handler.worlds import FakeJob, Killed, properties
from tests.simulator.cloudformation import MADE_UP, Answer, CloudFormation, Mailbox, Properties
from tests.simulator.lambda_service import (
    BRAKET_CALLS,
    Event,
    Failing,
    Faults,
    Handler,
    Hang,
    Hook,
    KillAt,
    RoleNotYet,
    modelled_errors,
    quiet,
)

BLOCKS = 10
"""Parts that the random steps are played in."""

_STEPS = int(os.environ.get("SIMULATOR_STEPS", "100000"))
_FIRST_SEED = int(os.environ.get("SIMULATOR_SEED", "0"))
_IN_A_STORY = 25

_ERRORS = [(call, error) for call in BRAKET_CALLS for error in modelled_errors(call)]
_RESET = ServiceError("Any", "ConnectionClosedError", "no answer", Kind.TRANSIENT)
_EVERY = frozenset({*BRAKET_CALLS, "read_record", "write_record", "copy_asset"})


class InterleavedDelivery:
    """Delivers another event while a call of the first is under way.

    A call that was held up for longer than the gateway's time-outs has no answer.
    """

    def __init__(self, world: Mailbox, deliver: Callable[[], None], calls: int) -> None:
        self._world, self._deliver, self._left = world, deliver, calls

    def __call__(self, _name: str, _number: int) -> None:
        self._left -= 1
        if self._left != -1:
            return
        began = self._world.time
        self._deliver()
        if self._world.time - began > CALL_SECONDS / 2:
            raise _RESET


@dataclass
class RandomDriver:
    """Plays one stack; the same seed plays the same."""

    seed: int
    handler: Handler = index.respond_to
    story: list[str] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - it must be repeatable
        chance, world = self.chance, Mailbox()
        world.remembers_tokens = chance.choice([0.0, 90.0, 1e12])
        # A service that forgets at once and does not find what it made cannot be dealt with.
        forgets = world.remembers_tokens == 0.0
        world.appears_after = 0.0 if forgets else chance.choice([0.0, 3.0])
        world.search_tells_tags = chance.random() < 0.7
        world.cancel_takes = chance.choice([0.0, 5.0, 30.0])
        self.world = world
        self.cfn = CloudFormation(world, self.handler)
        self.let_be: set[str] = set()
        """Jobs whose clean-up CloudFormation gave up: they end at the next update at latest."""

    def play(self, steps: int) -> None:
        """Play so many steps, then remove the stack.

        Raises:
            AssertionError: The contract is broken; the message tells the seed and the story.
        """
        try:
            for _ in range(steps):
                self._step()
                self._check()
            self._remove()
            self._check()
        except AssertionError as error:
            raise AssertionError(f"seed {self.seed}: {' | '.join(self.story)}: {error}") from error

    def _step(self) -> None:
        self.steps += 1
        kind = self.chance.random()
        if kind < 0.55:
            self._deploy(self.chance.choice("ABC"))
        elif kind < 0.65:
            self._remove()
        elif kind < 0.8:
            self._time_passes()
        else:
            self._deliver_again()

    # --- Faults. ---

    def _some(self, _attempt: int) -> Faults:
        kind = self.chance.random()
        if kind < 0.4:
            return Faults()
        if kind < 0.5:
            self.world.answer_statuses = self.chance.choice([[403], [500], [500, 503, 500]])
            return Faults()
        hook = self._hook()
        return Faults(before=hook) if self.chance.random() < 0.5 else Faults(after=hook)

    def _hook(self) -> Hook:
        chance, calls = self.chance, self.chance.randrange(25)
        kind = chance.random()
        if kind < 0.4:
            return KillAt(calls) if kind < 0.35 else Hang(self.world, calls)
        if kind < 0.5:
            return InterleavedDelivery(self.world, self._deliver_again_quietly, calls)
        if kind < 0.6:
            return RoleNotYet(self.world, chance.choice([5.0, 60.0, 115.0, 300.0]))
        if kind < 0.7:
            return Failing(_RESET, frozenset({"put_answer"}), 0, chance.choice([1, 3, 50]))
        if kind < 0.85:
            return Failing(_RESET, _EVERY, calls, chance.choice([1, 5, 30]))
        call, error = chance.choice(_ERRORS)
        # Who is told time and again that a job is unknown has to believe it.
        most = 2 if error.kind is Kind.NOT_FOUND else 40
        return Failing(error, frozenset({call}), 0, chance.choice([1, 2, most]))

    def _maybe(self) -> Callable[[int], Faults]:
        return self._some if self.chance.random() < 0.5 else lambda _attempt: Faults(quiet, quiet)

    # --- Operations. ---

    def _deploy(self, definition: str) -> None:
        tags = {"team": self.chance.choice(["quantum", "Straße"])}
        props = properties(definition, tags=tags)
        self.story.append(f"deploy {definition} {tags['team']}")
        if not self.cfn.held:
            self._create(props)
        elif self.cfn.props != props:
            self._update(props)

    def _create(self, props: Properties) -> None:
        answer = self.cfn.create(props, self._some)
        if answer is not None and answer.ok and self.chance.random() < 0.8:
            return
        self.story.append("create fails")
        known = MADE_UP if answer is None or self.chance.random() < 0.5 else answer.physical_id
        known = self.cfn.held or known
        self._until_ok(lambda: self.cfn.delete(known, props, self._maybe()))
        self.cfn.held, self.cfn.props = "", {}

    def _update(self, props: Properties) -> None:
        old_id, old = self.cfn.held, self.cfn.props
        answer = self.cfn.update(props, self._some)
        if answer is not None and answer.ok and self.chance.random() < 0.6:
            self._clean_up(old_id, old)
            return
        self.story.append("roll back")
        new_id = self.cfn.held
        back = self._until_ok(lambda: self.cfn.roll_back(old, props, self._maybe()))
        assert back.physical_id == old_id, "a rollback takes the earlier job back"
        self._clean_up(new_id, props)

    def _clean_up(self, physical_id: str, props: Properties) -> None:
        if physical_id == self.cfn.held:
            return
        for _ in range(3):
            answer = self.cfn.delete(physical_id, props, self._maybe())
            if answer is not None and answer.ok:
                self.let_be.discard(physical_id)
                return
        self.story.append("clean-up given up")
        self.let_be.add(physical_id)

    def _remove(self) -> None:
        if not self.cfn.held:
            return
        self.story.append("remove")
        held, props = self.cfn.held, self.cfn.props
        self._until_ok(lambda: self.cfn.delete(held, props, self._maybe()))
        self.let_be.clear()

    def _until_ok(self, ask: Callable[[], Answer | None]) -> Answer:
        """Ask as often as a patient user does: it must come to an end."""
        for _ in range(40):
            answer = ask()
            if answer is not None and answer.ok:
                return answer
        raise AssertionError("the stack is stuck")

    def _time_passes(self) -> None:
        for job in self.world.alive():
            job.status = self.chance.choice([COMPLETED, FAILED, CANCELLED, "RUNNING"])
            self.story.append(f"{_definition(job)} {job.status}")
        self.world.time += self.chance.choice([1.0, 1000.0])

    def _deliver_again(self) -> None:
        late = self.cfn.function.late
        if late:
            event = late.pop(self.chance.randrange(len(late)))
        elif self.cfn.sent:
            event = self.chance.choice(self.cfn.sent[-8:])
        else:
            return
        self.story.append(f"again {event['RequestType']} {event['RequestId']}")
        self.cfn.function.invoke(event)

    def _deliver_again_quietly(self) -> None:
        past: list[Event] = self.cfn.sent[-4:]
        event = self.chance.choice(past)
        self.story.append(f"meanwhile {event['RequestType']} {event['RequestId']}")
        try:
            self.cfn.function.invoke(event)
        except Killed:
            return

    # --- What may never be. ---

    def _check(self) -> None:
        alive = {job.arn for job in self.world.alive()}
        assert alive <= {self.cfn.held} | self.let_be, f"nobody's jobs: {alive}"
        assert not self.cfn.held or self.cfn.held in self.world.jobs, "held, but no job"
        assert self.world.invalid == [], self.world.invalid
        last: dict[str, str] = {}
        for job in self.world.jobs.values():
            name = _definition(job)
            before = last.get(name, FAILED)
            assert before != COMPLETED, f"{name} ran again after it had completed"
            assert before in FINAL, f"{name} runs twice"
            last[name] = job.status


def _definition(job: FakeJob) -> str:
    values = job.request["hyperParameters"]
    assert isinstance(values, dict)
    return str(values["definition"])


def play_block(block: int) -> None:
    """Play one of `BLOCKS` parts of the random steps.

    Raises:
        AssertionError: The contract is broken.
    """
    stories = max(_STEPS // _IN_A_STORY // BLOCKS, 1)
    first = _FIRST_SEED + block * stories
    for seed in range(first, first + stories):
        RandomDriver(seed).play(_IN_A_STORY)
