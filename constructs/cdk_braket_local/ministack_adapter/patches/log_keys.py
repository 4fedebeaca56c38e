"""The key of a log group: its policy must let CloudWatch Logs use it for that log group.

MiniStack accepts any key, so that a key policy without the statement for CloudWatch Logs, or one
for another log group, would go unnoticed.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

from collections.abc import Mapping
from typing import Any, Final

from ministack.core import responses
from ministack.services import cloudwatch_logs, kms
from ministack.services.cloudformation import provisioners

from cdk_braket_local.ministack_adapter import authorization

_LOG_GROUP: Final = "AWS::Logs::LogGroup"
# The actions of the documented statement.
_ACTIONS: Final = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
)

_Properties = Mapping[str, Any]


def install() -> None:
    """Have MiniStack check the key of each log group, in calls and in templates."""
    create = cloudwatch_logs._create_log_group

    def create_log_group(data: _Properties) -> object:
        problem = _problem(data.get("kmsKeyId"), str(data.get("logGroupName")))
        if problem:
            return responses.error_response_json("InvalidParameterException", problem, 400)
        return create(data)

    cloudwatch_logs._create_log_group = create_log_group

    handler = provisioners._RESOURCE_HANDLERS[_LOG_GROUP]
    create_resource, update_resource = handler["create"], handler["update"]

    def create_group(logical_id: str, props: _Properties, stack_name: str) -> object:
        _check(props)
        return create_resource(logical_id, props, stack_name)

    def update_group(
        physical_id: str,
        old_props: _Properties,
        new_props: _Properties,
        stack_name: str,
        logical_id: str | None = None,
    ) -> object:
        if old_props.get("KmsKeyId") != new_props.get("KmsKeyId"):
            _check(new_props)
        return update_resource(physical_id, old_props, new_props, stack_name, logical_id=logical_id)

    handler |= {"create": create_group, "update": update_group}


def _check(props: _Properties) -> None:
    # `log_names` has given it a name.
    problem = _problem(props.get("KmsKeyId"), str(props.get("LogGroupName")))
    if problem:
        raise ValueError(problem)


def _problem(key: object, group: str) -> str | None:
    """Return why CloudWatch Logs cannot use a key for a log group, or None if it can."""
    if not isinstance(key, str) or not key:
        return None
    region, account = responses.get_region(), responses.get_account_id()
    arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"
    record = kms._resolve_key(key)
    refused = f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
    if record is None:
        return refused
    missing = authorization.missing_key_actions(
        record.get("Policy") or "{}",
        f"logs.{region}.amazonaws.com",
        _ACTIONS,
        record["Arn"],
        {"kms:EncryptionContext:aws:logs:arn": arn},
    )
    return f"{refused}: its key policy does not allow {', '.join(missing)}" if missing else None
