"""The name that CloudFormation gives a log group: it begins with the name of the stack.

MiniStack generates another name, which policies for the log groups of a stack do not match.
Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
"""

from collections.abc import Mapping
from typing import Any, Final

from ministack.services.cloudformation import provisioners

_LOG_GROUP: Final = "AWS::Logs::LogGroup"
_NAME: Final = "LogGroupName"
_LONGEST: Final = 512

_Properties = Mapping[str, Any]


def install() -> None:
    """Have MiniStack name log groups after their stack."""
    handler = provisioners._RESOURCE_HANDLERS[_LOG_GROUP]
    create, update = handler["create"], handler["update"]

    def create_group(logical_id: str, props: _Properties, stack_name: str) -> object:
        made_up = provisioners._physical_name(stack_name, logical_id, max_len=_LONGEST)
        return create(logical_id, {**props, _NAME: props.get(_NAME) or made_up}, stack_name)

    def update_group(
        physical_id: str,
        old_props: _Properties,
        new_props: _Properties,
        stack_name: str,
        logical_id: str | None = None,
    ) -> object:
        made_up = provisioners._physical_name(
            stack_name, logical_id or physical_id, max_len=_LONGEST
        )
        old = {**old_props, _NAME: physical_id}
        new = {**new_props, _NAME: new_props.get(_NAME) or made_up}
        return update(physical_id, old, new, stack_name, logical_id=logical_id)

    handler |= {"create": create_group, "update": update_group}
