"""Whether Amazon Braket reaches a bucket, as far as it can be told before a deployment."""

from collections.abc import Callable

import jsii
from aws_cdk import Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct, IValidation

from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX, REACHABLE_TAG


def refuse_unreachable(scope: Construct, argument: str, bucket: s3.IBucket) -> None:
    """Have the app fail at synth if Braket cannot reach a bucket of it.

    Of a bucket that is imported only the name is known here: the handler looks at its tags before
    it creates a job.

    Args:
        scope: Who asks.
        argument: The argument that the bucket was given in.
        bucket: The bucket.
    """
    # Tags may yet be added, and aspects to run.
    scope.node.add_validation(_Validation(lambda: _faults(argument, bucket)))


def _faults(argument: str, bucket: s3.IBucket) -> list[str]:
    resource = bucket.node.default_child
    if not isinstance(resource, s3.CfnBucket):
        return []
    # None where CloudFormation makes the name up, and no text where only it will know.
    name: object = Stack.of(resource).resolve(resource.bucket_name)
    if name is not None and (not isinstance(name, str) or name.startswith(REACHABLE_PREFIX)):
        return []
    key, value = REACHABLE_TAG
    if resource.abac_status == "Enabled" and resource.tags.tag_values().get(key) == value:
        return []
    shown = f"={name!r}" if name else f", {resource.node.path},"
    text = (
        f"{argument}{shown}: Amazon Braket does not reach this bucket. Give it a name that begins "
        f"with {REACHABLE_PREFIX}, or make it with s3.Bucket(…, abac_status=True) and tag it: "
        f"Tags.of(bucket).add({key!r}, {value!r})."
    )
    return [text]


@jsii.implements(IValidation)
class _Validation:
    def __init__(self, check: Callable[[], list[str]]) -> None:
        self._check = check

    def validate(self) -> list[str]:
        return self._check()
