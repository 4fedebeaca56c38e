"""The other half of the random steps: in a file of its own, since a file runs on one processor."""

import pytest

from tests.simulator.random_driver import BLOCKS, play_block


@pytest.mark.parametrize("block", range(1, BLOCKS, 2))
def test_no_random_history_breaks_the_contract(block: int) -> None:
    play_block(block)
