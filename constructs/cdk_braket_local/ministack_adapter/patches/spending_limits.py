"""AWS::Braket::SpendingLimit, the one resource type of Braket's that CloudFormation knows.

Limits are for quantum hardware, which is not here: they are checked and recorded, no more.
"""

from typing import Any

from ministack.core import responses
from ministack.services.cloudformation import provisioners

from cdk_braket._lambda.braket_jobs.api import model_rules

SPENDING_LIMIT = "AWS::Braket::SpendingLimit"

# The properties of a template; nothing in them is typed here.
Properties = dict[str, Any]


def install() -> None:
    """Have MiniStack's CloudFormation know spending limits."""
    provisioners._RESOURCE_HANDLERS[SPENDING_LIMIT] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def _create(_logical_id: str, props: Properties, _stack_name: str) -> tuple[str, Properties]:
    _check(props)
    region, account = responses.get_region(), responses.get_account_id()
    arn = f"arn:aws:braket:{region}:{account}:spending-limit/{responses.new_uuid()}"
    now = responses.now_iso()
    spend = {"QueuedSpend": "0", "TotalSpend": "0"}
    return arn, {"SpendingLimitArn": arn, "CreatedAt": now, "UpdatedAt": now, **spend}


def _update(
    arn: str, old_props: Properties, new_props: Properties, stack_name: str
) -> tuple[str, Properties]:
    if old_props.get("DeviceArn") != new_props.get("DeviceArn"):
        return _create("", new_props, stack_name)
    _check(new_props)
    return arn, {"SpendingLimitArn": arn, "UpdatedAt": responses.now_iso()}


def _delete(_arn: str, _props: Properties) -> None:
    """Nothing is left of it once its stack forgets it."""


def _check(props: Properties) -> None:
    """Refuse requests that the service's CreateSpendingLimit would refuse."""
    request = {
        "clientToken": responses.new_uuid(),
        "deviceArn": props.get("DeviceArn"),
        "spendingLimit": props.get("SpendingLimit"),
    }
    given = {name: value for name, value in request.items() if value is not None}
    problems = model_rules.check("CreateSpendingLimitRequest", given)
    if problems:
        told = "; ".join(
            f"{'.'.join(map(str, problem.path))} {problem.message}" for problem in problems
        )
        raise ValueError(f"Invalid request provided: {told} (Service: Braket, Status Code: 400)")
