"""Every history, killed at every boundary between two calls.

They have up to three events, and with `./dev test --long` up to four.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from cdk_braket._lambda.braket_jobs.handler import index
from tests import length
from tests.simulator.cloudformation import MADE_UP, CloudFormation, Mailbox, Properties
from tests.simulator.lambda_service import Event, Faults, KillAt
from tests.unit.handler.worlds import properties

History = tuple[str, ...]
LONGEST: Final = length.steps(3, 4)


def histories(longest: int = LONGEST) -> Iterator[History]:
    """Return the histories that CloudFormation can create, each as long as it may be."""

    def going_on(done: History) -> Iterator[History]:
        nexts = _next(done) if len(done) < longest else ()
        if not nexts:
            yield done
        for step in nexts:
            yield from going_on((*done, step))

    yield from going_on(("create",))


_AFTER = {
    "create": ("change", "retag", "delete"),
    "retag": ("change", "delete"),
    "change": ("clean", "back", "change", "delete"),
    "clean": ("change", "delete"),
    "back": ("clean", "change", "delete"),
    "delete": ("create", "again"),
    "again": ("create",),
}


def _next(done: History) -> tuple[str, ...]:
    return _AFTER[done[-1]]


@dataclass
class Play:
    """Plays one history; the n-th event is killed at its k-th call."""

    tokens: float
    killed_event: int = -1
    killed_call: int = 0
    moment: str = "before"
    for_good: bool = False
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cfn = CloudFormation(Mailbox(remembers_tokens=self.tokens), index.respond_to)
        self.before: tuple[str, Properties] = ("", properties())

    def play(self, history: History) -> None:
        for number, step in enumerate(history):
            began = len(self.cfn.world.calls)
            self.current = number
            getattr(self, f"_{step}")()
            self.calls.append(len(self.cfn.world.calls) - began)
        self._check()

    def _faults(self, attempt: int) -> Faults:
        if self.current != self.killed_event or (attempt and not self.for_good):
            return Faults()
        kill = KillAt(self.killed_call)
        return Faults(before=kill) if self.moment == "before" else Faults(after=kill)

    def _create(self) -> None:
        answer = self.cfn.create(properties("A"), self._faults)
        if answer is None or not answer.ok:
            assert self.for_good
            assert self._gone(answer.physical_id if answer else MADE_UP)
            self.cfn.create(properties("A"))

    def _gone(self, physical_id: str) -> bool:
        answer = self.cfn.delete(physical_id, properties("A"))
        return answer is not None and answer.ok

    def _change(self) -> None:
        self.before = self.cfn.held, self.cfn.props
        other = "B" if self.cfn.props == properties("A") else "A"
        answer = self.cfn.update(properties(other), self._faults)
        if answer is None or not answer.ok:
            assert self.for_good
            back = self.cfn.roll_back(self.before[1], properties(other))
            assert back is not None
            assert back.ok
            assert back.physical_id == self.before[0]

    def _retag(self) -> None:
        held = self.cfn.held
        answer = self.cfn.update(properties("A", tags={"team": "other"}), self._faults)
        assert self.cfn.held == held
        if answer is None or not answer.ok:
            assert self.for_good
            back = self.cfn.update(properties("A"))
            assert back is not None
            assert back.ok

    def _back(self) -> None:
        (old_id, old), new_id, new = self.before, self.cfn.held, self.cfn.props
        if old_id == new_id:
            return  # the update had failed, and was rolled back then
        answer = self.cfn.roll_back(old, new, self._faults)
        if answer is None:
            answer = self.cfn.roll_back(old, new)  # continue-update-rollback
        assert answer is not None
        assert answer.ok
        assert answer.physical_id == old_id
        self.before = new_id, new

    def _clean(self) -> None:
        old_id = self.before[0]
        if old_id and old_id != self.cfn.held:
            self._deleted(old_id)
            self._check()

    def _delete(self) -> None:
        self.before = self.cfn.held, self.cfn.props
        self._deleted(self.cfn.held)
        assert not self.cfn.held

    def _deleted(self, physical_id: str) -> None:
        props = self.before[1]
        answer = self.cfn.delete(physical_id, props, self._faults)
        if answer is None:
            answer = self.cfn.delete(physical_id, props)
        assert answer is not None
        assert answer.ok

    def _again(self) -> None:
        """The first event comes once more, when all is gone."""
        first: Event = self.cfn.sent[0]
        self.cfn.function.invoke(first, self._faults(0))
        assert self.cfn.world.alive() == []

    def _check(self) -> None:
        alive = {job.arn for job in self.cfn.world.alive()}
        replaced = self.before[0]
        assert alive <= {self.cfn.held, replaced}
        if not self.cfn.held:
            assert not alive
        assert self.cfn.world.invalid == []


def kills(history: History) -> Iterator[tuple[int, int]]:
    """Return every boundary of a history: which event, which of its calls."""
    undisturbed = Play(1e12)
    undisturbed.play(history)
    for event, calls in enumerate(undisturbed.calls):
        for call in range(calls):
            yield event, call


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "each_try"])
@pytest.mark.parametrize("tokens", [0.0, 1e12], ids=["forgets_tokens", "remembers_tokens"])
@pytest.mark.parametrize("history", list(histories()), ids="-".join)
def test_no_kill_at_any_call_of_any_history_breaks_the_contract(
    history: History, tokens: float, for_good: bool
) -> None:
    for event, call in kills(history):
        for moment in ("before", "after"):
            Play(tokens, event, call, moment, for_good).play(history)


def test_the_histories_are_those_of_up_to_four_events() -> None:
    found = list(histories(longest=4))
    assert len(found) == len(set(found)) > 20
    assert max(map(len, found)) == 4


def test_without_faults_every_event_is_answered_at_once() -> None:
    for history in histories(longest=4):
        play = Play(1e12)
        play.play(history)
        assert play.cfn.stuck == []
