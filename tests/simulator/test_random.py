"""Random steps: a few by default, all with `./dev test --long`, others by `SIMULATOR_STEPS`."""

import pytest

from tests.simulator.machine import PARTS, STEPS, play


@pytest.mark.parametrize("part", range(0, PARTS, 2))
def test_no_random_history_breaks_the_contract(part: int) -> None:
    assert play(part) >= STEPS / PARTS
