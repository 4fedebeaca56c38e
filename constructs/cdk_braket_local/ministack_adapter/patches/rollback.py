"""Rollback of custom resources as CloudFormation does it.

MiniStack omits two requests. One is the Delete after a failed Create. The other is the Update with
the old properties, when an update that has replaced a resource is rolled back.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core import concurrency, responses
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, provisioners, stacks

# MiniStack's records of stacks, resources and operations; nothing in them is typed.
Record = dict[str, Any]
RollBack = Callable[[str, str, Record, Record, str], Awaitable[None]]


def install() -> None:
    """Replace the function with which MiniStack's CloudFormation rolls back."""
    roll_back = _corrected(stacks._roll_back_operation)
    stacks._roll_back_operation = roll_back
    handlers._roll_back_operation = roll_back


def _corrected(original: RollBack) -> RollBack:
    async def roll_back(
        stack_name: str, stack_id: str, stack: Record, operation: Record, reason_override: str = ""
    ) -> None:
        created = [*operation["created"], *_failed_creates(stack, operation)]
        replaced = _replaced(stack, operation)
        # MiniStack sends the old properties back to a resource that kept its id and was not
        # replaced. To CloudFormation a custom resource under its new id is such a one.
        previous = (operation.get("previous_stack") or {}).get("_resources", {})
        for logical_id, record in replaced.items():
            previous[logical_id]["PhysicalResourceId"] = record["PhysicalResourceId"]
        kept = [name for name in operation["replaced_ids"] if name not in replaced]
        fixed = {**operation, "created": created, "replaced_ids": kept}
        await original(stack_name, stack_id, stack, fixed, reason_override)
        await _clean_up(stack_name, stack_id, stack, replaced)

    return roll_back


def _failed_creates(stack: Record, operation: Record) -> list[str]:
    return [
        logical_id
        for logical_id, record in stack["_resources"].items()
        if record.get("ResourceStatus") == "CREATE_FAILED"
        and logical_id not in operation["created"]
    ]


def _replaced(stack: Record, operation: Record) -> dict[str, Record]:
    """Return the custom resources with a new physical id in the operation, by logical id."""
    previous = (operation.get("previous_stack") or {}).get("_resources", {})
    found = {}
    for logical_id in operation["created"]:
        record = stack["_resources"].get(logical_id)
        before = previous.get(logical_id)
        if (
            record
            and before
            and _is_custom(record["ResourceType"])
            and record["PhysicalResourceId"] != before["PhysicalResourceId"]
        ):
            found[logical_id] = record
    return found


def _is_custom(resource_type: str) -> bool:
    custom = "AWS::CloudFormation::CustomResource"
    return resource_type.startswith("Custom::") or resource_type == custom


async def _clean_up(
    stack_name: str, stack_id: str, stack: Record, replaced: dict[str, Record]
) -> None:
    """Delete the update's resource if the Update back returned another id."""
    left = {
        logical_id: record
        for logical_id, record in replaced.items()
        if stack["_resources"][logical_id]["PhysicalResourceId"] != record["PhysicalResourceId"]
    }
    if not left or stack["StackStatus"] != "UPDATE_ROLLBACK_COMPLETE":
        return
    # No caller has seen the end of the rollback yet: there was no await since.
    final = cloudformation._stack_events[stack_id].pop()
    stack["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    for logical_id, record in left.items():
        await _delete(stack_name, stack_id, logical_id, record)
    stack["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE"
    cloudformation._stack_events[stack_id].append({**final, "Timestamp": responses.now_iso()})


async def _delete(stack_name: str, stack_id: str, logical_id: str, record: Record) -> None:
    kind, physical_id = record["ResourceType"], record["PhysicalResourceId"]

    def send(status: str, reason: str = "") -> None:
        stacks._add_event(stack_id, stack_name, logical_id, kind, status, reason, physical_id)

    send("DELETE_IN_PROGRESS")
    try:
        await concurrency.run_reentrant(
            provisioners._delete_resource,
            kind,
            physical_id,
            record["Properties"],
            stack_name,
            logical_id,
        )
    except Exception as error:  # noqa: BLE001 - no error fails a clean-up
        send("DELETE_FAILED", str(error))
    else:
        send("DELETE_COMPLETE")
