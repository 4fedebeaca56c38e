"""A hundred thousand random steps; more with `SIMULATOR_STEPS=1000000 pytest tests/simulator`."""

import pytest

from tests.simulator.random_driver import BLOCKS, play_block


@pytest.mark.parametrize("block", range(0, BLOCKS, 2))
def test_no_random_history_breaks_the_contract(block: int) -> None:
    play_block(block)
