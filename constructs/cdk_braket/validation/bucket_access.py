"""Whether Amazon Braket reaches a bucket, as far as this is known before a deployment."""

import json
from collections.abc import Callable
from typing import Final

import jsii
from aws_cdk import Annotations, Stack
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct, IValidation

from cdk_braket._lambda.braket_jobs.api.service_rules import REACHABLE_PREFIX, REACHABLE_TAG
from cdk_braket.core.issue import Issue
from cdk_braket.core.keys import results_key_statement
from cdk_braket.core.memo import path_of

# The id that CDK gives the resource that empties a bucket before it is deleted.
_EMPTIES_BUCKET: Final = "AutoDeleteObjectsCustomResource"


def refuse_unreachable(scope: Construct, argument: str, bucket: s3.IBucket) -> None:
    """Have the app fail at synth if Braket cannot reach a bucket of it.

    Of a bucket that is imported only the name is known here: the handler reads its tags before
    it creates a job.

    Args:
        scope: The construct that uses the bucket.
        argument: The argument that the bucket was given in.
        bucket: The bucket.
    """
    # Tags may yet be added, and aspects to run.
    scope.node.add_validation(_Validation(lambda: _faults(argument, bucket)))


def parts_of(bucket: s3.IBucket) -> list[IConstruct]:
    """Return a bucket's policy and the resource that empties it, as far as the app has them."""
    parts = (bucket.policy, bucket.node.try_find_child(_EMPTIES_BUCKET))
    return [part for part in parts if part is not None]


def warn_of_key(scope: Construct, bucket: s3.IBucket) -> None:
    """Warn of a bucket whose KMS key may not let Amazon Braket write results of quantum tasks.

    Args:
        scope: The job or environment.
        bucket: The bucket, of a key that this app cannot change, or does not know.
    """
    stack = Stack.of(scope)
    statement = json.dumps(stack.resolve(results_key_statement(stack).to_statement_json()))
    if bucket.encryption_key is None:
        subject = f"the results bucket {_shown(stack, bucket.bucket_name)}: if it has a KMS key"
    else:
        subject = f"the key {_shown(stack, bucket.encryption_key.key_arn)} of the results bucket"
    Annotations.of(scope).add_warning_v2(
        "cdk-braket:task-results-key",
        f"{subject}: expected a key policy that lets Amazon Braket write the results of quantum "
        f"tasks; this app cannot see it. Add the statement {statement}, or the statements of "
        "HybridJobEnvironment.key_policy_statements(), to the policy of the key. Without it, the "
        "job's quantum tasks fail.",
    )


def _shown(stack: Stack, value: str) -> str:
    resolved = stack.resolve(value)
    return resolved if isinstance(resolved, str) else json.dumps(resolved)


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
    rule = "Amazon Braket does not reach this bucket"
    issue = Issue(
        argument,
        rule if name else f"{rule} ({path_of(resource)})",
        f"Give it a name that begins with {REACHABLE_PREFIX}, or create it with "
        f"s3.Bucket(…, abac_status=True) and tag it: Tags.of(bucket).add({key!r}, {value!r})",
        repr(name) if name else "",
    )
    return [str(issue)]


@jsii.implements(IValidation)
class _Validation:
    def __init__(self, check: Callable[[], list[str]]) -> None:
        self._check = check

    def validate(self) -> list[str]:
        return self._check()
