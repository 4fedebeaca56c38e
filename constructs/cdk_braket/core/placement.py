"""Whether the constructs that an argument names can be used where a construct is declared."""

from collections.abc import Iterator
from typing import Final, cast

from constructs import IConstruct

from .issue import Issue
from .memo import (
    account_and_region_of,
    account_of,
    is_construct,
    path_of,
    region_of,
    stack_of,
    stage_of,
)
from .tokens import is_stand_in, is_unknown

_PUBLISH: Final = (
    "Call publish('/name') on it there, and use HybridJobEnvironment.from_parameter_name(…) here"
)
_FIXES: Final = {
    "role": "Use iam.Role.from_role_arn(…) in this app",
    "environment": _PUBLISH,
}

# By what constructs are referred to. Not by ARNs of buckets, which hold the partition.
_NAMES: Final = (
    "bucket_name",
    "job_arn",
    "key_arn",
    "managed_policy_arn",
    "queue_arn",
    "role_arn",
    "security_group_id",
    "topic_arn",
    "vpc_id",
)


def misplaced(
    argument: str,
    used: object,
    scope: IConstruct,
    *,
    in_region: bool = True,
    in_account: bool = False,
) -> Iterator[Issue]:
    """Return why a construct or resource cannot be used by another.

    Args:
        argument: The argument that it is given in.
        used: It; None is passed over.
        scope: The construct that uses it, or where that is declared.
        in_region: Whether it has to be in the region of the scope's stack.
        in_account: Whether it has to be in the account of the scope's stack.
    """
    if used is None or not is_construct(used) or _is_stand_in(used):
        return
    resource = cast("IConstruct", used)
    if stage_of(resource) is not stage_of(scope) and _is_declared(used):
        fix = _FIXES.get(argument, "Import it in this app by its name or ARN")
        where = f"another app or stage ({path_of(resource)})"
        rule = f"is declared in {where}, which this one cannot refer to"
        yield Issue(argument, rule, fix)
        return
    place = account_and_region_of(resource)
    if place is None:
        return
    account, region = place
    stack = stack_of(scope)
    if in_region and _differ(region, region_of(stack)):
        yield _elsewhere(argument, region, region_of(stack), "region")
    if in_account and _differ(account, account_of(stack)):
        yield _elsewhere(argument, account, account_of(stack), "account")


def _is_declared(used: object) -> bool:
    """Whether only a deployment knows the name: of imports, it is a plain string."""
    of_environment = getattr(used, "inputs_bucket", None)
    names = [getattr(of_environment or used, name, None) for name in _NAMES]
    known = [name for name in names if name is not None]
    return not known or any(is_unknown(name) for name in known)


def _is_stand_in(used: object) -> bool:
    """Whether a look-up has no result yet: its account and region are placeholders then."""
    return any(is_stand_in(getattr(used, name, None)) for name in ("role_arn", "key_arn"))


def _differ(there: str, here: str) -> bool:
    return there != here and not is_unknown(there) and not is_unknown(here)


def _elsewhere(argument: str, there: str, here: str, kind: str) -> Issue:
    rule = f"is in {kind} {there}, and it would be used in {here}"
    return Issue(argument, rule, f"Use one of {kind} {here}, or deploy the stack to {there}")
