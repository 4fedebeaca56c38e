"""The role by which Amazon Braket acts in an account: the local AWS is one in which it is enabled.

MiniStack invents the names of such roles, and this one is named otherwise. It also leaves them
without permissions. Source of the policy:
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonBraketServiceRolePolicy.html
"""

import json
from typing import Final

from ministack.core import responses
from ministack.services import iam

from cdk_braket._lambda.braket_jobs.api.service_rules import SERVICE_LINKED_ROLE

_SERVICE = "braket.amazonaws.com"
_POLICY: Final = "arn:aws:iam::aws:policy/aws-service-role/AmazonBraketServiceRolePolicy"
_TASK_ACTIONS: Final = ("s3:GetObject", "s3:ListBucket", "s3:PutObject")
_LOG_ACTIONS: Final = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)
_MADE_UP = "AWSServiceRoleForBraket"


def install() -> None:
    """Enable Amazon Braket, as its console does at the first visit."""
    iam._create_service_linked_role({"AWSServiceName": _SERVICE})
    role = iam._roles.pop(_MADE_UP)
    account = responses.get_account_id()
    arn = f"arn:aws:iam::{account}:role{role['Path']}{SERVICE_LINKED_ROLE}"
    iam._aws_managed_policies[_POLICY] = _policy(account)
    iam._roles[SERVICE_LINKED_ROLE] = role | {
        "RoleName": SERVICE_LINKED_ROLE,
        "Arn": arn,
        "AttachedPolicies": [_POLICY],
    }


def _policy(account: str) -> object:
    """Return the managed policy. MiniStack knows no `${aws:PrincipalAccount}`."""
    own = {"StringEquals": {"aws:ResourceAccount": account}}
    tagged = {"StringEqualsIgnoreCase": {"aws:ResourceTag/AmazonBraket": "true"}}
    statements = [
        _allow(_TASK_ACTIONS, "arn:aws:s3:::amazon-braket-*", own),
        _allow(_TASK_ACTIONS, "arn:aws:s3:::*", own | tagged),
        _allow(_LOG_ACTIONS, "arn:aws:logs:*:*:log-group:/aws/braket:*", own),
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return iam._make_aws_managed_record(
        _POLICY.rpartition("/")[2], document, description="Permissions of Amazon Braket itself."
    )


def _allow(
    actions: tuple[str, ...], resource: str, condition: dict[str, dict[str, str]]
) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": resource,
        "Condition": condition,
    }
