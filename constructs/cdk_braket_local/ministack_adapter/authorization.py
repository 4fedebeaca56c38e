"""Decisions of MiniStack's policy evaluator, for services in which MiniStack does not use it."""

import json
from collections.abc import Mapping, Sequence

from ministack.core import iam_actions, iam_evaluator, responses
from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import iam


def denial(
    access_key_id: str, action: str, resource_arn: str, context: Mapping[str, str]
) -> str | None:
    """Evaluate the policies of a caller, and of the resource, for one action.

    The account and the region are those of the current request.

    Args:
        access_key_id: The caller's access key.
        action: The IAM action, such as `kms:Decrypt`.
        resource_arn: The ARN that the action is evaluated on.
        context: Condition keys and their values.

    Returns:
        The message of AWS if the action is denied, otherwise None.
    """
    found = iam_evaluator.enforce(
        access_key_id,
        action,
        action.partition(":")[0],
        responses.get_region(),
        resource_arn=resource_arn,
        service_context=dict(context),
    )
    if found is None:
        return None
    if isinstance(found, iam_evaluator.AuthError):
        return str(found.message)
    message: str = iam_actions.identity_denial_message(
        action, found.principal_arn, resource_arn, found.decision == "Deny"
    )
    return message


def role(role_arn: str) -> Mapping[str, str] | None:
    """Return a role by its ARN, or None if there is no such role."""
    try:
        arn = parse_arn(role_arn)
    except ArnParseError:
        return None
    # The resource is `role/path/name`; names are unique in all paths.
    name = arn.resource.rpartition("/")[2]
    found: Mapping[str, str] | None = iam._roles.get_scoped(arn.account_id, None, name)
    return found if found is not None and found["Arn"] == role_arn else None


def trusts_service(role_arn: str, service: str, account: str, source_arn: str) -> bool:
    """Return whether the trust policy of a role lets an AWS service assume it.

    MiniStack's evaluator matches callers by ARN, and a service has none. So the statements that
    name the service are evaluated as if they named everyone, and the others are left out.

    Args:
        role_arn: The role.
        service: The service principal, such as `lambda.amazonaws.com`.
        account: The value of `aws:SourceAccount`.
        source_arn: The value of `aws:SourceArn`.
    """
    found = role(role_arn)
    if found is None:
        return False
    policy = json.loads(found["AssumeRolePolicyDocument"])
    statements = policy.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    concerning = [{**each, "Principal": "*"} for each in statements if _concerns(each, service)]
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region="",
        service_context={"aws:sourceaccount": account, "aws:sourcearn": source_arn},
    )
    allowed: bool = iam_evaluator.evaluate_trust_policy(
        {**policy, "Statement": concerning}, service, context
    )
    return allowed


def missing_key_actions(
    key_policy: str, service: str, actions: Sequence[str], key_arn: str, context: Mapping[str, str]
) -> list[str]:
    """Return the actions that a key policy does not allow an AWS service.

    Args:
        key_policy: The key policy, as JSON.
        service: The service principal, such as `logs.us-east-1.amazonaws.com`.
        actions: The actions of KMS.
        key_arn: The key.
        context: Condition keys and their values.
    """
    return [
        action
        for action in actions
        if iam_evaluator.evaluate_resource_policy(
            key_policy,
            iam_evaluator.EvalContext(
                principal_arn=service,
                principal_type="Service",
                principal_account="",
                action=action,
                resource_arn=key_arn,
                region=responses.get_region(),
                service_context={name.lower(): value for name, value in context.items()},
            ),
            service=service,
        ).decision
        != "Allow"
    ]


def _concerns(statement: Mapping[str, object], service: str) -> bool:
    principal = statement.get("Principal")
    # `{"AWS": "*"}` is everyone as well. Whether that is enough to let a service in is not known.
    if statement.get("Effect") == "Deny" and _names_every_account(principal):
        return True
    matches: bool = iam_evaluator._service_principal_matches(principal, service)
    return principal == "*" or matches


def _names_every_account(principal: object) -> bool:
    accounts = principal.get("AWS") if isinstance(principal, Mapping) else None
    return "*" in (accounts if isinstance(accounts, list) else [accounts])
