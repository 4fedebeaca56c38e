"""A hundred thousand random steps; more with `SIMULATOR_STEPS=1000000 pytest tests/simulator`."""

import os

import pytest

from tests.simulator.random_driver import RandomDriver

STEPS = int(os.environ.get("SIMULATOR_STEPS", "100000"))
FIRST_SEED = int(os.environ.get("SIMULATOR_SEED", "0"))
_IN_A_STORY = 25
_BLOCKS = 10


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_no_random_history_breaks_the_contract(block: int) -> None:
    stories = STEPS // _IN_A_STORY // _BLOCKS
    first = FIRST_SEED + block * stories
    for seed in range(first, first + stories):
        RandomDriver(seed).play(_IN_A_STORY)
