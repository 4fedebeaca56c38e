"""Time limits of a deployment that waits for the handler's answer."""

from typing import Final

from cdk_braket._lambda.braket_jobs.contract import ANSWER_SECONDS, SERVICE_TIMEOUT_SECONDS

from .tokens import is_unknown

# Source:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html
_LONGEST_SERVICE_TIMEOUT_SECONDS: Final = 60 * 60
LONGEST_WAIT: Final = _LONGEST_SERVICE_TIMEOUT_SECONDS - ANSWER_SECONDS
"""Seconds for which a deployment can wait for a job."""


def service_timeout(waits_seconds: float) -> float:
    """Return how many seconds CloudFormation waits for an answer.

    Args:
        waits_seconds: How long the deployment waits for the job; a token when it is not known.
    """
    if is_unknown(waits_seconds):
        return _LONGEST_SERVICE_TIMEOUT_SECONDS
    return max(SERVICE_TIMEOUT_SECONDS, waits_seconds + ANSWER_SECONDS)
