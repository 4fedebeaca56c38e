"""The other half of the random steps: in another file, since a file runs on one processor."""

import pytest

from tests.simulator.machine import PARTS, STEPS, play


@pytest.mark.parametrize("part", range(1, PARTS, 2))
def test_no_random_history_breaks_the_contract(part: int) -> None:
    assert play(part) >= STEPS / PARTS
