"""Random deployments with all kinds of faults, and the invariants.

A step is one operation: a deployment with its rollback and clean-up, a removal, a late or doubled
delivery, a job that ends. Each is many calls of the handler.
"""

import json
import os
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FINAL,
    OnDelete,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.create_job import CALL_SECONDS
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests import length
from tests.simulator.cloudformation import MADE_UP, Answer, CloudFormation, Mailbox, Properties
from tests.simulator.lambda_service import (
    BRAKET_CALLS,
    Event,
    Failing,
    Faults,
    Hang,
    Hook,
    KillAt,
    RoleNotYet,
    modelled_errors,
    quiet,
)
from tests.unit.handler.worlds import FakeJob, Killed, as_nested, properties, request

PARTS: Final = 20
"""The parts of the random steps, each a test."""

STEPS = int(os.environ.get("SIMULATOR_STEPS") or length.steps(1_000, 100_000))
_FIRST_SEED = int(os.environ.get("SIMULATOR_SEED", "0"))
_IN_A_STORY = 25
# A part plays a whole number of stories, as many as its share of the steps needs, or more.
_STORIES = min(100, -(-STEPS // (PARTS * _IN_A_STORY)))
_SETTINGS = settings(
    max_examples=_STORIES,
    stateful_step_count=_IN_A_STORY,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    deadline=None,
    database=None,
)

_ERRORS = [(call, error) for call in BRAKET_CALLS for error in modelled_errors(call)]
_RESET = ServiceError("Any", "ConnectionClosedError", "no answer", Kind.TRANSIENT)
_LOOKS = frozenset({"has_role", "device_status", "has_object", "bucket_tags"})
_EVERY = frozenset({*BRAKET_CALLS, *_LOOKS, "read_record", "write_record", "copy_asset"})
_DENIED = ServiceError("Look", "AccessDenied", "nicht erlaubt 🚫 " * 500, Kind.PERMANENT)
_WORDS = "量子 🚫 Straße " * 150
_LONG_PATH = "s3://amazon-braket-results/" + "long/" * 150 + "RUNID0000000"
_WAIT = 1200.0
_OF_EARLIER_RELEASE = "Straße 量子"
_OWN_BUCKET = "team-results"
_ELSEWHERE = "s3://amazon-braket-new-inputs/.cdk-braket/jobs"
_DEFINITIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "A": {},
    "B": {"outputDataConfig": {"s3Path": _LONG_PATH}},
    "C": {
        "deviceConfig": {"device": "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"},
        "outputDataConfig": {"s3Path": f"s3://{_OWN_BUCKET}/jobs/RUNID0000000"},
    },
}


def _props(definition: str, team: str, on_delete: OnDelete, waits: bool) -> Properties:
    """Properties of a definition, each unusual in a different way."""
    hyperparameters = {"definition": definition, "words": _WORDS}
    asked = request(hyperParameters=hyperparameters, **_DEFINITIONS[definition])
    made = properties(definition, {"team": team}, on_delete)
    made[Property.REQUEST] = json.dumps(asked, ensure_ascii=False)
    if definition == "C":
        made[Property.ASSETS] = "{}"
    if waits:
        made[Property.WAIT_FOR_COMPLETION] = json.dumps({"timeoutSeconds": _WAIT})
    # With the tag, the form changes: a stack of an earlier release is updated, or rolled back.
    return made if team == _OF_EARLIER_RELEASE else as_nested(made)


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


_CHANCES = st.one_of(st.just(0), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))


class Deployments(RuleBasedStateMachine):
    """One stack. The faults of a step follow from its `rng`: 0 is an undisturbed step."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = Mailbox()
        self.world.assets["amazon-braket-inputs", "scripts/abc/source.tar.gz"] = "uploaded"
        self.world.tags_of_buckets[_OWN_BUCKET] = {"AmazonBraket": "true"}
        self.rng = random.Random(0)  # noqa: S311 - it must be repeatable
        # The pauses of the handler, too: the same seed is the same history.
        jitter = random.Random(0)  # noqa: S311 - it must be repeatable
        self.cfn = CloudFormation(self.world, partial(index.respond_to, rng=jitter))
        self.disturbed = False
        self.let_be: set[str] = set()
        """Jobs whose clean-up CloudFormation abandoned: they end at the next update at latest."""
        self.retained: set[str] = set()
        """Jobs of the stack that were retained."""

    @initialize(
        remembers=st.sampled_from([1e12, 90.0, 0.0]),
        appears_after=st.sampled_from([0.0, 3.0]),
        tells_tags=st.booleans(),
        cancel_takes=st.sampled_from([0.0, 5.0, 30.0]),
    )
    def services(
        self, remembers: float, appears_after: float, tells_tags: bool, cancel_takes: float
    ) -> None:
        """Choose the properties of the services."""
        self.world.remembers_tokens = remembers
        # A service that forgets at once and does not find what it made cannot be dealt with.
        self.world.appears_after = appears_after if remembers else 0.0
        self.world.search_tells_tags = tells_tags
        self.world.cancel_takes = cancel_takes

    def _begin(self, rng: int) -> None:
        Deployments.steps += 1
        self.disturbed = rng > 0
        self.rng = random.Random(rng)  # noqa: S311

    @rule(
        definition=st.sampled_from("ABC"),
        team=st.sampled_from(["quantum", _OF_EARLIER_RELEASE]),
        on_delete=st.sampled_from([OnDelete.CANCEL_JOB, OnDelete.CANCEL_JOB, OnDelete.RETAIN_JOB]),
        waits=st.sampled_from([False] * 19 + [True]),
        moved=st.sampled_from([False] * 4 + [True]),
        rng=_CHANCES,
    )
    def deploy(
        self,
        *,
        definition: str,
        team: str,
        on_delete: OnDelete,
        waits: bool,
        moved: bool,
        rng: int,
    ) -> None:
        """Deploy the stack, perhaps with another environment, which moves the record."""
        self._begin(rng)
        props = _props(definition, team, on_delete, waits)
        if moved and self.cfn.held:  # a Create in another place knows of no earlier record
            props = {**props, Property.RECORDS: _ELSEWHERE}
        self.world.job_takes = self.rng.choice([100.0, 1100.0, 5000.0]) if waits else None
        self.world.job_ends_as = self.rng.choice([COMPLETED, FAILED])
        if not self.cfn.held:
            self._create(props)
        elif self.cfn.props != props:
            self._update(props)
        self.world.job_takes = None

    @rule(definition=st.sampled_from("ABC"), rng=_CHANCES)
    def deploy_another_definition(self, definition: str, rng: int) -> None:
        """Deploy another definition with no other change, and revert it."""
        self._begin(rng)
        props = _props(definition, "quantum", OnDelete.CANCEL_JOB, waits=False)
        if not self.cfn.held:
            self._create(props)
        elif self.cfn.props != props:
            self._update(props)

    @rule(rng=_CHANCES)
    def remove(self, rng: int) -> None:
        """Remove the stack."""
        self._begin(rng)
        self._remove()

    @rule(status=st.sampled_from([COMPLETED, FAILED, CANCELLED, "RUNNING"]), rng=_CHANCES)
    def time_passes(self, status: str, rng: int) -> None:
        """Let jobs change their state."""
        self._begin(rng)
        for job in self.world.alive():
            job.status = status
        self.world.time += self.rng.choice([1.0, 1000.0])

    @rule(rng=_CHANCES)
    def deliver_again(self, rng: int) -> None:
        """Deliver an event late, or once more."""
        self._begin(rng)
        self._deliver_again()

    def teardown(self) -> None:
        """Remove the stack at the end: only retained jobs may keep running."""
        self._remove()
        self.nothing_is_broken()

    # --- Faults. ---

    def _some(self, _attempt: int) -> Faults:
        kind = self.rng.random()
        if kind < 0.4 or not self.disturbed:
            return Faults()
        if kind < 0.5:
            self.world.answer_statuses = self.rng.choice([[403] * 20, [500], [400, 302, 409]])
            return Faults()
        hook = self._hook()
        # A refusal that took effect all the same is none.
        is_refusal = isinstance(hook, Failing) and hook.error.kind is not Kind.TRANSIENT
        if is_refusal or self.rng.random() < 0.5:
            return Faults(before=hook)
        return Faults(after=hook)

    def _hook(self) -> Hook:  # noqa: PLR0911 - one for each kind
        rng, calls = self.rng, self.rng.randrange(25)
        kind = rng.random()
        if kind < 0.4:
            return KillAt(calls) if kind < 0.35 else Hang(self.world, calls)
        if kind < 0.5:
            return InterleavedDelivery(self.world, self._deliver_again_quietly, calls)
        if kind < 0.6:
            return RoleNotYet(self.world, rng.choice([5.0, 60.0, 115.0, 300.0]))
        if kind < 0.63:
            return Failing(rng.choice([_DENIED, _RESET]), _LOOKS, 0, rng.choice([1, 30]))
        if kind < 0.7:
            return Failing(_RESET, frozenset({"put_answer"}), 0, rng.choice([1, 3, 50]))
        if kind < 0.85:
            return Failing(_RESET, _EVERY, calls, rng.choice([1, 5, 30]))
        call, error = rng.choice(_ERRORS)
        # Who is told time and again that a job is unknown has to believe it.
        most = 2 if error.kind is Kind.NOT_FOUND else 40
        return Failing(error, frozenset({call}), 0, rng.choice([1, 2, most]))

    def _maybe(self) -> Callable[[int], Faults]:
        return self._some if self.rng.random() < 0.5 else lambda _attempt: Faults(quiet, quiet)

    # --- Operations. ---

    def _create(self, props: Properties) -> None:
        if self.disturbed and self.rng.random() < 0.1:
            self._create_that_is_deleted_meanwhile(props)
            return
        answer = self.cfn.create(props, self._some)
        if not _is_ok(answer) and self.disturbed and self.rng.random() < 0.3:
            answer = self.cfn.again(self._some)
        if answer is not None and answer.ok and (not self.disturbed or self.rng.random() < 0.8):
            return
        known = answer.physical_id if answer and self.rng.random() < 0.5 else MADE_UP
        known = self.cfn.held or known
        self._note_retained(props)
        self._until_ok(lambda: self.cfn.delete(known, props, self._maybe()))
        self.cfn.held, self.cfn.props = "", {}

    def _create_that_is_deleted_meanwhile(self, props: Properties) -> None:
        deleted: list[Answer] = []
        deletes = InterleavedDelivery(
            self.world,
            lambda: deleted.append(self._until_ok(lambda: self.cfn.delete(MADE_UP, props))),
            self.rng.randrange(12),
        )
        self.cfn.create(props, lambda _attempt: Faults(before=deletes))
        if not deleted:
            known = self.cfn.held or MADE_UP
            self._note_retained(props)
            self._until_ok(lambda: self.cfn.delete(known, props))
        self.cfn.held, self.cfn.props = "", {}

    def _update(self, props: Properties) -> None:
        old_id, old = self.cfn.held, self.cfn.props
        answer = self.cfn.update(props, self._some)
        if not _is_ok(answer) and self.disturbed and self.rng.random() < 0.3:
            answer = self.cfn.again(self._some)
        if answer is not None and answer.ok and (not self.disturbed or self.rng.random() < 0.6):
            self._clean_up(old_id, old)
            return
        new_id = self.cfn.held
        back = self._until_ok(lambda: self.cfn.roll_back(old, props, self._maybe()))
        assert back.physical_id == old_id, "a rollback takes the earlier job back"
        self._clean_up(new_id, props)

    def _note_retained(self, props: Properties) -> None:
        if self.cfn.held and props[Property.ON_DELETE] == OnDelete.RETAIN_JOB:
            self.retained.add(self.cfn.held)

    def _clean_up(self, physical_id: str, props: Properties) -> None:
        if physical_id == self.cfn.held:
            return
        if props[Property.ON_DELETE] == OnDelete.RETAIN_JOB:
            self.retained.add(physical_id)
        for _ in range(3):
            answer = self.cfn.delete(physical_id, props, self._maybe())
            if answer is not None and answer.ok:
                self.let_be.discard(physical_id)
                return
        self.let_be.add(physical_id)

    def _remove(self) -> None:
        if not self.cfn.held:
            return
        self._note_retained(self.cfn.props)
        held, props = self.cfn.held, self.cfn.props
        self._until_ok(lambda: self.cfn.delete(held, props, self._maybe()))
        self.let_be.clear()

    def _until_ok(self, ask: Callable[[], Answer | None]) -> Answer:
        """Retry as often as a patient user does: it must end."""
        for _ in range(40):
            answer = ask()
            if answer is not None and answer.ok:
                return answer
        raise AssertionError("the stack is stuck")

    def _deliver_again(self) -> None:
        late = self.cfn.function.late
        if late:
            event = late.pop(self.rng.randrange(len(late)))
        elif self.cfn.sent:
            event = self.rng.choice(self.cfn.sent[-8:])
        else:
            return
        self.cfn.function.invoke(event)

    def _deliver_again_quietly(self) -> None:
        past: list[Event] = self.cfn.sent[-4:]
        event = self.rng.choice(past)
        try:
            self.cfn.function.invoke(event)
        except Killed:
            return

    # --- What may never be. ---

    @invariant()
    def nothing_is_broken(self) -> None:
        """At most one live job, none after a removal, and every answer valid."""
        alive = {job.arn for job in self.world.alive()}
        assert alive <= {self.cfn.held} | self.let_be | self.retained, f"nobody's jobs: {alive}"
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


def _is_ok(answer: Answer | None) -> bool:
    return answer is not None and answer.ok


def play(part: int) -> int:
    """Play one of `PARTS` parts of the random steps; return how many steps it had."""
    began, number = Deployments.steps, _FIRST_SEED + part
    while Deployments.steps - began < STEPS / PARTS:
        run_state_machine_as_test(seed(number)(Deployments), settings=_SETTINGS)
        number += PARTS
    return Deployments.steps - began
