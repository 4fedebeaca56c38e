"""A hundred thousand random steps; more with `SIMULATOR_STEPS=1000000 pytest tests/simulator`."""

from tests.simulator.machine import STEPS, play


def test_no_random_history_breaks_the_contract() -> None:
    assert play(0, 2) >= STEPS / 2
