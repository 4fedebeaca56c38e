"""The figures of a question, and their form in a JSON file."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

OURS: Final = "cdk-braket"


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one question.

    Attributes:
        question: The question, as the page shows it.
        unit: The unit of all values, such as `s` or `resources`.
        by: The meaning of the sizes, such as `jobs`.
        values: The median value of each contender at each size.
        goal: The goal, in words.
        limit: The highest allowed ratio between us and each peer, or value without a peer. `None`
            if the goal is not a number.
        peer: The peer of that ratio. By default it is the best one.
    """

    question: str
    unit: str
    by: str
    values: Mapping[str, Mapping[str, float]]
    goal: str
    limit: float | None = None
    peer: str | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the figures of a JSON document."""
        return cls(**document)

    def worst(self) -> float | None:
        """Return our highest ratio to a peer at a size, or without peers our highest value."""
        ours = self.values[OURS]
        peers = [
            values
            for name, values in self.values.items()
            if name == self.peer or (self.peer is None and name != OURS)
        ]
        if not peers:
            return max(ours.values())
        pairs = [
            (ours[size], min(peer[size] for peer in peers if size in peer))
            for size in ours
            if any(size in peer for peer in peers)
        ]
        return max((own / best for own, best in pairs if best), default=None)

    def is_met(self) -> bool | None:
        """Return whether the goal is met, or `None` if it is not a number."""
        worst = self.worst()
        return None if self.limit is None or worst is None else worst <= self.limit


def in_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Mapping[str, float]:
    """Run the contenders in turns, so that a slow moment of the machine hits all of them.

    Args:
        contenders: A function for each name, which returns one value.
        rounds: The number of values of each.

    Returns:
        The median of each.
    """
    seen: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            seen[name].append(measure())
    return {name: statistics.median(values) for name, values in seen.items()}


def by_size(
    contenders: Mapping[str, Callable[[int], float]], sizes: Sequence[int], rounds: int = 1
) -> dict[str, dict[str, float]]:
    """Return the median of each contender at each size, as `Figures.values` has them."""
    values: dict[str, dict[str, float]] = {name: {} for name in contenders}
    for size in sizes:
        bound = {name: _with(measure, size) for name, measure in contenders.items()}
        for name, value in in_turns(bound, rounds).items():
            values[name][str(size)] = round(value, 4)
    return values


def _with(measure: Callable[[int], float], size: int) -> Callable[[], float]:
    return lambda: measure(size)


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds since the start."""
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action lasts."""
    with stopwatch() as elapsed:
        action()
        return elapsed()
