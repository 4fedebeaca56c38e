"""Whether the constructs that an argument names can be used where a construct is declared."""

from collections.abc import Iterator
from typing import Final

from aws_cdk import Stack, Stage
from constructs import IConstruct

from .issue import Issue
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
    node = getattr(used, "node", None)
    if node is None or _is_stand_in(used):
        return
    if Stage.of(used) is not Stage.of(scope) and _is_declared(used):  # type: ignore[arg-type]
        fix = _FIXES.get(argument, "Import it in this app by its name or ARN")
        rule = f"is declared in another app or stage ({node.path}), which this one cannot refer to"
        yield Issue(argument, rule, fix)
        return
    there, stack = getattr(used, "env", None), Stack.of(scope)
    if there is None:
        return
    if in_region and _differ(there.region, stack.region):
        yield _elsewhere(argument, there.region, stack.region, "region")
    if in_account and _differ(there.account, stack.account):
        yield _elsewhere(argument, there.account, stack.account, "account")


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
