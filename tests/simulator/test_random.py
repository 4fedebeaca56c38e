"""A hundred thousand random steps; more with `SIMULATOR_STEPS=1000000 pytest tests/simulator`."""

import pytest

from tests.simulator.machine import PARTS, STEPS, play


@pytest.mark.parametrize("part", range(0, PARTS, 2))
def test_no_random_history_breaks_the_contract(part: int) -> None:
    assert play(part) >= STEPS / PARTS
