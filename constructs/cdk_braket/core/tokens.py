"""Values that are not known before the deployment."""

import math

from aws_cdk import Token


def is_unknown(value: object) -> bool:
    """Whether a value is known only at deploy time; number tokens included."""
    if isinstance(value, float) and not math.isfinite(value):
        return False  # no token, and jsii's Node ends on a number that JSON has not
    return isinstance(value, (str, int, float)) and Token.is_unresolved(value)
