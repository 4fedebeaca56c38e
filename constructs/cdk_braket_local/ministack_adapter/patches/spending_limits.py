"""AWS::Braket::SpendingLimit, the one resource type of Braket's that CloudFormation knows.

CloudFormation calls the API of the Braket service for it, as on AWS.
"""

import json
import os
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ministack.core import responses
from ministack.services.cloudformation import provisioners

from cdk_braket_local.braket.platform import Caller

if TYPE_CHECKING:
    from cdk_braket_local.ministack_adapter.braket_handler import Service

SPENDING_LIMIT: Final = "AWS::Braket::SpendingLimit"

# The properties of a template, and answers of the API; nothing in them is typed here.
Properties = dict[str, Any]

# The attributes of the resource by the members of the API.
_ATTRIBUTES: Final = {
    "SpendingLimitArn": "spendingLimitArn",
    "CreatedAt": "createdAt",
    "UpdatedAt": "updatedAt",
    "QueuedSpend": "queuedSpend",
    "TotalSpend": "totalSpend",
}


def install(braket: "Service") -> None:
    """Have MiniStack's CloudFormation know the spending limits of a Braket service."""
    limits = _Limits(braket)
    provisioners._RESOURCE_HANDLERS[SPENDING_LIMIT] = {
        "create": limits.create,
        "update": limits.update,
        "delete": limits.delete,
    }


class _Limits:
    def __init__(self, braket: "Service") -> None:
        self._braket = braket

    def create(
        self, _logical_id: str, props: Properties, _stack_name: str
    ) -> tuple[str, Properties]:
        given = {"deviceArn": props.get("DeviceArn"), "tags": _tags(props), **_changeable(props)}
        arn = str(self._call("POST", "/spending-limit", given)["spendingLimitArn"])
        return arn, self._attributes(arn, props)

    def update(
        self, arn: str, old_props: Properties, new_props: Properties, stack_name: str
    ) -> tuple[str, Properties]:
        if old_props.get("DeviceArn") != new_props.get("DeviceArn"):
            return self.create("", new_props, stack_name)
        if "SpendingLimit" not in new_props:
            raise ValueError("Invalid request provided: spendingLimit is missing")
        self._call("PATCH", f"/spending-limit/{quote(arn, safe='')}/update", _changeable(new_props))
        self._change_tags(arn, _tags(old_props), _tags(new_props))
        return arn, self._attributes(arn, new_props)

    def delete(self, arn: str, _props: Properties) -> None:
        self._call("DELETE", f"/spending-limit/{quote(arn, safe='')}/delete", None)

    def _change_tags(self, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        path = f"/tags/{quote(arn, safe='')}"
        if gone := sorted(old.keys() - new.keys()):
            self._call("DELETE", path, None, {"tagKeys": gone})
        if new:
            self._call("POST", path, {"tags": dict(new)})

    def _attributes(self, arn: str, props: Properties) -> Properties:
        of_device = {"name": "deviceArn", "operator": "EQUAL", "values": [props["DeviceArn"]]}
        found = self._call("POST", "/spending-limits", {"filters": [of_device]})["spendingLimits"]
        (limit,) = [each for each in found if each["spendingLimitArn"] == arn]
        return {name: limit[member] for name, member in _ATTRIBUTES.items()}

    def _call(
        self,
        method: str,
        path: str,
        given: Properties | None,
        query: Mapping[str, list[str]] | None = None,
    ) -> Properties:
        """Call the API as the account's administrator.

        Raises:
            ValueError: The service refuses the request; the message is CloudFormation's.
        """
        account, region = responses.get_account_id(), responses.get_region()
        caller = Caller(account, region, os.environ["AWS_ACCESS_KEY_ID"])
        body = {name: value for name, value in (given or {}).items() if value not in (None, {})}
        content = json.dumps(body).encode() if given is not None else b""
        response = self._braket.handle(caller, method, path, query or {}, {}, content)
        answer: Properties = json.loads(response.body)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ValueError(
                f"Invalid request provided: {answer['message']} "
                f"(Service: Braket, Status Code: {response.status})"
            )
        return answer


def _changeable(props: Properties) -> Properties:
    """Return the members of a request that an update can change, with a new token."""
    period = props.get("TimePeriod")
    return {
        "clientToken": str(uuid.uuid4()),
        "spendingLimit": props.get("SpendingLimit"),
        # The service reads a time without a zone as UTC.
        "timePeriod": period and {"startAt": period["StartAt"], "endAt": period["EndAt"]},
    }


def _tags(props: Properties) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in props.get("Tags") or []}
