"""AWS::Braket::SpendingLimit, the one resource type of Braket's that CloudFormation knows."""

from typing import Any

import boto3
from botocore.exceptions import ClientError
from ministack.core import responses
from ministack.services.cloudformation import provisioners, stacks

SPENDING_LIMIT = "AWS::Braket::SpendingLimit"

# The properties of a template; nothing in them is typed here.
Properties = dict[str, Any]

# What a service says that does not know an operation.
_UNKNOWN = {"UnknownOperationException", "UnknownOperation", "404", "NotFound"}


def install() -> None:
    """Have MiniStack's CloudFormation make spending limits through the local Braket service."""
    provisioners._RESOURCE_HANDLERS[SPENDING_LIMIT] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    provisioners._STACK_TAG_PROPERTY[SPENDING_LIMIT] = ("Tags", "list")
    on_worker_thread = stacks._runs_on_worker_thread

    def runs_on_worker_thread(resource_type: str) -> bool:
        # It calls this server, which must not wait for itself.
        return resource_type == SPENDING_LIMIT or on_worker_thread(resource_type)

    stacks._runs_on_worker_thread = runs_on_worker_thread


def _create(_logical_id: str, props: Properties, _stack_name: str) -> tuple[str, Properties]:
    own_tags = {
        tag["Key"]: tag["Value"]
        for tag in props.get("Tags", [])
        if not tag["Key"].startswith("aws:")
    }
    wanted = {
        "clientToken": responses.new_uuid(),
        "deviceArn": props["DeviceArn"],
        "spendingLimit": props["SpendingLimit"],
        **_time_period(props),
        **({"tags": own_tags} if own_tags else {}),
    }
    try:
        arn = _client().create_spending_limit(**wanted)["spendingLimitArn"]
    except ClientError as error:
        if not _is_unknown(error):
            raise
        region, account = responses.get_region(), responses.get_account_id()
        arn = f"arn:aws:braket:{region}:{account}:spending-limit/{responses.new_uuid()}"
    return arn, _attributes(arn, responses.now_iso())


def _update(
    arn: str, old_props: Properties, new_props: Properties, stack_name: str
) -> tuple[str, Properties]:
    if old_props["DeviceArn"] != new_props["DeviceArn"]:
        return _create("", new_props, stack_name)
    wanted = {"spendingLimit": new_props["SpendingLimit"], **_time_period(new_props)}
    try:
        _client().update_spending_limit(
            spendingLimitArn=arn, clientToken=responses.new_uuid(), **wanted
        )
    except ClientError as error:
        if not _is_unknown(error):
            raise
    return arn, _attributes(arn, responses.now_iso())


def _delete(arn: str, _props: Properties) -> None:
    try:
        _client().delete_spending_limit(spendingLimitArn=arn)
    except ClientError as error:
        if (
            not _is_unknown(error)
            and error.response["Error"]["Code"] != "ResourceNotFoundException"
        ):
            raise


def _attributes(arn: str, now: str) -> Properties:
    return {
        "SpendingLimitArn": arn,
        "CreatedAt": now,
        "UpdatedAt": now,
        "QueuedSpend": "0",
        "TotalSpend": "0",
    }


def _time_period(props: Properties) -> Properties:
    period = props.get("TimePeriod")
    if not period:
        return {}
    return {"timePeriod": {"startAt": period["StartAt"], "endAt": period["EndAt"]}}


def _is_unknown(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"] in _UNKNOWN or status in (404, 501)


def _client() -> Any:  # noqa: ANN401 - boto3's clients have no type without its stubs
    # The endpoint and the root user's credentials are in the environment.
    return boto3.client("braket", region_name=responses.get_region())
