"""How many examples the fuzz tests try: the same ones each time, so that CI fails for a reason.

`FUZZ_EXAMPLES=20000 pytest tests/fuzz` looks further, each time elsewhere.
"""

import os

from hypothesis import HealthCheck, settings

_GIVEN = os.environ.get("FUZZ_EXAMPLES")


def fuzzed(examples: int) -> settings:
    """The settings of a fuzz test, by how many examples it tries."""
    return settings(
        max_examples=int(_GIVEN) if _GIVEN else examples,
        derandomize=_GIVEN is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
