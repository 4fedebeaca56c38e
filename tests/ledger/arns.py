"""ARNs and the resource types of the service authorization reference."""

import re


def is_of_type(arn: str, pattern: str) -> bool:
    """Whether an ARN, which may have wildcards, can be of a resource type.

    Args:
        arn: The ARN.
        pattern: The ARN of the type, with placeholders such as `${Account}`.
    """
    first, second = arn.split(":", 5), re.sub(r"\$\{\w+\}", "*", pattern).split(":", 5)
    return len(first) == len(second) and all(
        _meet(one, other) for one, other in zip(first, second, strict=True)
    )


def _meet(one: str, other: str) -> bool:
    """Whether a string can match both patterns, in which `*` is any string."""
    waiting = {(0, 0)}
    seen = set(waiting)
    while waiting:
        i, j = waiting.pop()
        if (i, j) == (len(one), len(other)):
            return True
        a, b = one[i : i + 1], other[j : j + 1]
        steps = set()
        if a == "*":
            steps |= {(i + 1, j)} | ({(i, j + 1)} if b else set())
        if b == "*":
            steps |= {(i, j + 1)} | ({(i + 1, j)} if a else set())
        if a and a == b:
            steps.add((i + 1, j + 1))
        waiting |= steps - seen
        seen |= steps
    return False
