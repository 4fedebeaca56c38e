"""Limits of AWS that only a deployment would meet: they are counted when the app is synthesized."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, cast
from weakref import WeakSet

import jsii
from aws_cdk import CfnResource, Stack, Stage
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct, IValidation

from cdk_braket.permissions.managed_policy_role import characters

# Source of those of IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICIES: Final = 10
MOST_MANAGED_POLICIES: Final = 20
INLINE_CHARACTERS: Final = 10_240

# The most characters of an ARN, by the resource's type.
_LONGEST_ARN: Final = {
    "AWS::IAM::Role": len("arn:aws-us-gov:iam::111122223333:role/") + 64,
    "AWS::KMS::Key": len("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/") + 36,
    "AWS::S3::Bucket": len("arn:aws-us-gov:s3:::") + 63,
}

QUOTA_KEY: Final = "cdk-braket:managed-policies-per-role"
"""The context that has the account's quota, where it was raised."""

_WATCHED: Final[WeakSet[Construct]] = WeakSet()


def watch_limits(scope: Construct) -> None:
    """Have the synthesis of the scope's app fail if the app is beyond a limit."""
    stage = Stage.of(scope) or scope.node.root
    if stage not in _WATCHED:
        _WATCHED.add(cast("Construct", stage))
        stage.node.add_validation(_Limits(stage))


@jsii.implements(IValidation)
class _Limits:
    def __init__(self, stage: IConstruct) -> None:
        self._stage = stage

    def validate(self) -> list[str]:
        resources = [each for each in self._stage.node.find_all() if isinstance(each, CfnResource)]
        return [*_roles(self._stage, resources)]


def _roles(stage: IConstruct, resources: list[CfnResource]) -> Iterator[str]:
    """Count the policies of each role."""
    roles = {_id(each): each for each in resources if isinstance(each, iam.CfnRole)}
    managed: dict[str, int] = defaultdict(int)
    inline: dict[str, list[int]] = defaultdict(list)
    longest = {
        _logical_id(each): _LONGEST_ARN[each.cfn_resource_type]
        for each in resources
        if each.cfn_resource_type in _LONGEST_ARN
    }
    for policy in resources:
        if not isinstance(policy, (iam.CfnManagedPolicy, iam.CfnPolicy)):
            continue
        document = Stack.of(policy).resolve(policy.policy_document)
        for holder in _holders(policy, roles):
            if isinstance(policy, iam.CfnManagedPolicy):
                managed[holder] += 1
            else:
                inline[holder].append(characters(document, longest))
    most = _quota(stage)
    for name, role in roles.items():
        count = managed[name] + len(Stack.of(role).resolve(role.managed_policy_arns) or [])
        if count > most:
            yield (
                f"[{_path(role)}] has {count} managed policies, and IAM attaches {most} to a role: "
                f"{count - most} too many. Give jobs with buckets, images or devices of their own "
                "environments of their own, or put what they share into the same bucket. Of a "
                f"raised quota, tell by the context {QUOTA_KEY} (at most {MOST_MANAGED_POLICIES})."
            )
        sizes = inline[name]
        if sum(sizes) > INLINE_CHARACTERS:
            fit = _fitting(sizes, INLINE_CHARACTERS)
            yield (
                f"[{_path(role)}] has {len(sizes)} inline policies of up to {sum(sizes):,} "
                f"characters, and IAM takes {INLINE_CHARACTERS:,} of a role: {fit} of them fit. "
                "Isolated jobs add one each to their handler's role. Spread them over "
                "environments of several stacks, each of which has a handler."
            )


def _quota(stage: IConstruct) -> int:
    given = stage.node.try_get_context(QUOTA_KEY)
    try:
        return min(int(given), MOST_MANAGED_POLICIES)
    except (TypeError, ValueError):
        return MANAGED_POLICIES


def _fitting(sizes: list[int], most: int) -> int:
    total = fit = 0
    for size in sizes:
        total += size
        fit += total <= most
    return fit


def _holders(
    policy: iam.CfnManagedPolicy | iam.CfnPolicy, roles: Mapping[str, iam.CfnRole]
) -> Iterator[str]:
    stack = Stack.of(policy)
    for role in stack.resolve(policy.roles) or []:
        match role:
            case {"Ref": str(logical_id)} if (name := f"{stack.node.path}:{logical_id}") in roles:
                yield name
            case dict():
                yield from _elsewhere(json.dumps(role), roles)


def _elsewhere(reference: str, roles: Mapping[str, iam.CfnRole]) -> Iterator[str]:
    """The role of another stack that a reference names, by its export or its output."""
    for name, role in roles.items():
        logical_id = name.rpartition(":")[-1]
        if logical_id in reference and Stack.of(role).stack_name in reference:
            yield name


def _id(resource: CfnResource) -> str:
    return f"{Stack.of(resource).node.path}:{_logical_id(resource)}"


def _logical_id(resource: CfnResource) -> str:
    return str(Stack.of(resource).resolve(resource.logical_id))


def _path(resource: CfnResource) -> str:
    return resource.node.path.removesuffix("/Resource")
