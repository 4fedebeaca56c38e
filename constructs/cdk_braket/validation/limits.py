"""Limits of AWS that only a deployment would meet: they are counted when the app is synthesized."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, cast
from weakref import WeakSet

import jsii
from aws_cdk import CfnResource, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IConstruct, IValidation

from cdk_braket.core.memo import root_of, stage_of
from cdk_braket.permissions.managed_policy_role import characters

# Source of those of IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICIES: Final = 10
MOST_MANAGED_POLICIES: Final = 20
INLINE_CHARACTERS: Final = 10_240

# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
FUNCTION_POLICY_BYTES: Final = 20_480
# The most bytes of the statement that a permission for a rule adds: its text, a statement id of
# 100 characters, and the ARNs of the function and of the rule.
PERMISSION_BYTES: Final = 460

# Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
RULES_OF_BUS: Final = 300
TARGETS_OF_RULE: Final = 5

# Sources: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html,
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html and
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
KEY_POLICY_BYTES: Final = 32_768
BUCKET_POLICY_BYTES: Final = 20_480
STATE_MACHINE_BYTES: Final = 1_048_576

RULES_KEY: Final = "cdk-braket:rules-per-event-bus"
"""The context that has the account's quota of rules, where it was raised."""

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
    stage = stage_of(scope) or root_of(scope)
    if stage not in _WATCHED:
        _WATCHED.add(cast("Construct", stage))
        stage.node.add_validation(_Limits(stage))


@jsii.implements(IValidation)
class _Limits:
    def __init__(self, stage: IConstruct) -> None:
        self._stage = stage

    def validate(self) -> list[str]:
        resources = [each for each in self._stage.node.find_all() if isinstance(each, CfnResource)]
        return [
            *_roles(self._stage, resources),
            *_functions(resources),
            *_rules(self._stage, resources),
            *_resource_policies(resources),
            *_state_machines(resources),
        ]


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
    most = min(_context(stage, QUOTA_KEY, MANAGED_POLICIES), MOST_MANAGED_POLICIES)
    for name, role in roles.items():
        count = managed[name] + len(Stack.of(role).resolve(role.managed_policy_arns) or [])
        if count > most:
            yield (
                f"[{_path(role)}] has {count} managed policies, and IAM attaches {most} to a role: "
                f"{count - most} too many. Give jobs with other buckets, images or devices "
                "environments for groups of jobs, or put shared data into the same bucket. Of a "
                f"raised quota, set the context {QUOTA_KEY} (at most {MOST_MANAGED_POLICIES})."
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


def _functions(resources: list[CfnResource]) -> Iterator[str]:
    """Count the permissions in each function's resource policy."""
    permissions: dict[str, list[lambda_.CfnPermission]] = defaultdict(list)
    for each in resources:
        if isinstance(each, lambda_.CfnPermission):
            function = json.dumps(Stack.of(each).resolve(each.function_name), sort_keys=True)
            permissions[f"{Stack.of(each).node.path} {function}"].append(each)
    most = FUNCTION_POLICY_BYTES // PERMISSION_BYTES
    for given in permissions.values():
        if len(given) > most:
            yield (
                f"[{_path(given[0])}] is one of {len(given)} permissions to invoke a function, "
                f"whose policy has {FUNCTION_POLICY_BYTES:,} bytes: {most} fit. Replace "
                "permissions of single rules with one for all of them."
            )


def _rules(stage: IConstruct, resources: list[CfnResource]) -> Iterator[str]:
    """Count the rules of each account and region's default bus, and the targets of each rule."""
    rules: dict[tuple[str, str], list[events.CfnRule]] = defaultdict(list)
    for each in resources:
        if not isinstance(each, events.CfnRule):
            continue
        stack = Stack.of(each)
        if each.event_bus_name in {None, "default"}:
            rules[stack.account, stack.region].append(each)
        count = len(stack.resolve(each.targets) or [])
        if count > TARGETS_OF_RULE:
            yield f"[{_path(each)}] has {count} targets: {TARGETS_OF_RULE} fit. Add another rule."
    most = _context(stage, RULES_KEY, RULES_OF_BUS)
    for given in rules.values():
        if len(given) > most:
            yield (
                f"[{_path(given[0])}] is one of {len(given)} rules on the default event bus: "
                f"{most} fit. An alarm on a job adds a rule. Use one rule for several jobs, or "
                f"spread them over regions or accounts. If your quota is higher, set the context "
                f"{RULES_KEY}."
            )


def _resource_policies(resources: list[CfnResource]) -> Iterator[str]:
    """Measure the policies of keys and buckets."""
    for each in resources:
        if isinstance(each, kms.CfnKey):
            document, most = each.key_policy, KEY_POLICY_BYTES
        elif isinstance(each, s3.CfnBucketPolicy):
            document, most = each.policy_document, BUCKET_POLICY_BYTES
        else:
            continue
        resolved = Stack.of(each).resolve(document) or {}
        sizes = [characters(statement) for statement in resolved.get("Statement", [])]
        if sum(sizes) > most:
            fit = _fitting(sizes, most)
            yield (
                f"[{_path(each)}] has {len(sizes)} statements of up to {sum(sizes):,} bytes in its "
                f"policy, which has {most:,}: {fit} of them fit. Grant less by the policy of the "
                "resource and more by those of roles."
            )


def _state_machines(resources: list[CfnResource]) -> Iterator[str]:
    for each in resources:
        if isinstance(each, sfn.CfnStateMachine):
            size = characters(Stack.of(each).resolve(each.definition_string) or "")
            if size > STATE_MACHINE_BYTES:
                yield (
                    f"[{_path(each)}] has a definition of up to {size:,} bytes: "
                    f"{STATE_MACHINE_BYTES:,} fit. Split it into several state machines."
                )


def _context(stage: IConstruct, key: str, default: int) -> int:
    given = stage.node.try_get_context(key)
    try:
        return int(given)
    except (TypeError, ValueError):
        return default


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
