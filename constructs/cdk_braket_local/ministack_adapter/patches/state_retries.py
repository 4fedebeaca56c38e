"""The delays between the retries of a state: `MaxDelaySeconds` and `JitterStrategy`.

MiniStack reads neither. Its own limit of a minute stays.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.services import stepfunctions

_Retrier = Mapping[str, Any]


def install() -> None:
    """Have MiniStack's Step Functions delay retries by their retriers."""
    find = stepfunctions._find_matching_retrier

    def find_delayed(
        retriers: Sequence[_Retrier], error: str, retry_counts: Mapping[int, int]
    ) -> tuple[_Retrier | None, int]:
        retrier, index = find(retriers, error, retry_counts)
        if retrier is None:
            return None, index
        delay = _delay(retrier, retry_counts.get(index, 0))
        # MiniStack multiplies them with the number of attempts.
        return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1.0}, index

    stepfunctions._find_matching_retrier = find_delayed


def _delay(retrier: _Retrier, attempts: int) -> float:
    first, rate = retrier.get("IntervalSeconds", 1), retrier.get("BackoffRate", 2.0)
    longest = retrier.get("MaxDelaySeconds")
    delay = float(first)
    for _ in range(attempts):
        delay *= float(rate)
        if longest is not None and delay >= float(longest):
            delay = float(longest)
            break
    if retrier.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311 - jitter
    return delay
