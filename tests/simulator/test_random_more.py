"""The other half of the random steps: in a file of its own, since a file runs on one processor."""

from tests.simulator.machine import STEPS, play


def test_no_random_history_breaks_the_contract() -> None:
    assert play(1, 2) >= STEPS / 2
