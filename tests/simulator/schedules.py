"""Invocations that run at once, interleaved at every call by a schedule.

Each invocation runs in a separate thread, which continues only during its turn. It ends its turn
before each of its calls and before each pause. So a schedule decides the order of all calls, and
the same schedule is the same history. Pauses advance the shared clock only when every remaining
invocation pauses, so that no invocation loses time to another.
"""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.create_job import CALL_SECONDS
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.simulator.cloudformation import Mailbox
from tests.unit.handler.worlds import Context, World

Schedule = Callable[[list[int]], int]
"""Returns the number of the invocation that continues, given all that can."""

_CALL_TIMEOUT = CALL_SECONDS / 2
_SECONDS = 840.0


class _StoppedError(BaseException):
    """Ends an invocation at the end of its test."""


@dataclass
class _Player:
    """One invocation.

    Attributes:
        turn: Set when it may go on.
        asleep_until: The end of its pause.
        is_done: Whether it has ended.
    """

    turn: threading.Event = field(default_factory=threading.Event)
    asleep_until: float | None = None
    is_done: bool = False
    error: BaseException | None = None


@dataclass
class Concurrent(Mailbox):
    """The world of invocations that run at once."""

    steps: int = 0
    most_steps: int = 4000

    def __post_init__(self) -> None:
        self._players: list[_Player] = []
        self._of_thread: dict[int, int] = {}
        self._back = threading.Event()
        self._is_stopped = False

    # --- What invocations do. ---

    def sleep(self, seconds: float) -> None:
        player = self._player()
        if player is None:
            super().sleep(seconds)
            return
        player.asleep_until = self.time + seconds
        self._give_up_turn(player)

    def _call(self, name: str) -> "_Turned":  # type: ignore[override]
        return _Turned(self, name)

    def before_call(self, name: str) -> None:
        player = self._player()
        if player is None:
            return
        began = self.time
        self._give_up_turn(player)
        if name == "create_job" and self.time - began > _CALL_TIMEOUT:
            raise ServiceError(name, "ReadTimeoutError", "no answer", Kind.TRANSIENT)

    def _player(self) -> _Player | None:
        # The handler works in a thread of its own, which inherits the number of the invocation.
        name = threading.current_thread().name
        if not name.startswith("invocation-"):
            return None
        return self._players[int(name.rpartition("-")[2])]

    def _give_up_turn(self, player: _Player) -> None:
        player.turn.clear()
        self._back.set()
        player.turn.wait()
        if self._is_stopped:
            raise _StoppedError

    # --- What runs them. ---

    def play(self, invocations: list[Callable[[], object]], schedule: Schedule) -> None:
        """Run invocations to their end, in the order of a schedule."""
        self._players = [_Player() for _ in invocations]
        threads = [
            threading.Thread(target=self._run, args=(n, one), name=f"invocation-{n}", daemon=True)
            for n, one in enumerate(invocations)
        ]
        for thread in threads:
            thread.start()
        while any(not player.is_done for player in self._players):
            ready = self._ready()
            self.steps += 1
            assert self.steps < self.most_steps, "the invocations never end"
            self._back.clear()
            self._players[schedule(ready)].turn.set()
            assert self._back.wait(60), "an invocation hangs"
        for thread in threads:
            thread.join(60)

    def _ready(self) -> list[int]:
        left = [n for n, player in enumerate(self._players) if not player.is_done]
        awake = [n for n in left if (self._players[n].asleep_until or 0.0) <= self.time]
        if not awake:
            self.time = min(self._players[n].asleep_until or 0.0 for n in left)
            return self._ready()
        for n in awake:
            self._players[n].asleep_until = None
        return awake

    def _run(self, number: int, invocation: Callable[[], object]) -> None:
        player = self._players[number]
        player.turn.wait()
        try:
            invocation()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            player.error = error
        player.is_done = True
        self._back.set()


@dataclass
class _Turned:
    """One call; the turn ends before it."""

    world: Concurrent
    name: str

    def __enter__(self) -> None:
        self.world.before_call(self.name)
        self.world.calls.append(self.name)
        self.world.time += 0.05

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        return None


@contextlib.contextmanager
def in_one_thread() -> Iterator[None]:
    """Run the handler's work in the thread of its invocation, which a schedule needs."""
    kept = threading.Thread

    class Inline(kept):  # type: ignore[misc,valid-type]
        def start(self) -> None:
            if self.name.startswith("invocation-"):
                super().start()
            else:
                self.run()

        def join(self, timeout: float | None = None) -> None:
            if self.name.startswith("invocation-"):
                super().join(timeout)

    index.threading.Thread = Inline  # type: ignore[attr-defined]
    try:
        yield
    finally:
        index.threading.Thread = kept  # type: ignore[attr-defined]


def delivered(world: World, event: Mapping[str, object]) -> Callable[[], object]:
    """An invocation with an event of CloudFormation."""
    return lambda: index.respond_to(event, Context(world, _SECONDS), world, jitter())


def run_invocation(world: World, event: Mapping[str, object]) -> Callable[[], object]:
    """An invocation with an event of a state machine."""
    return lambda: index.run_for(event, Context(world, _SECONDS), world, jitter())


def jitter() -> random.Random:
    return random.Random(7)  # noqa: S311 - it must be repeatable


def switching(at: int, back: int) -> Schedule:
    """Run the first invocation for `at` turns, then the second for `back`, and so on to the end."""
    taken = [0]

    def choose(ready: list[int]) -> int:
        taken[0] += 1
        first_has_it = taken[0] <= at or taken[0] > at + back
        wanted = 0 if first_has_it else 1
        return wanted if wanted in ready else ready[0]

    return choose


def at_random(seed: int) -> Schedule:
    """Choose at random, and mostly continue the same one."""
    chance = random.Random(seed)  # noqa: S311 - it must be repeatable
    last = [0]

    def choose(ready: list[int]) -> int:
        if last[0] not in ready or chance.random() < 0.4:
            last[0] = chance.choice(ready)
        return last[0]

    return choose
