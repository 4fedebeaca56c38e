"""The attributes of a schedule in its target's input: its ARN and its time.

MiniStack hands the keywords on as they are, so that each run would look like the one before.
Source:
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ministack.services import eventbridge

_SCHEDULER: Final = "aws.scheduler"
_FIRST_ATTEMPT: Final = "1"


def install() -> None:
    """Have MiniStack replace the keywords when a schedule invokes its target."""
    invoke = eventbridge._invoke_target

    def invoke_target(
        target: Mapping[str, Any], event: Mapping[str, Any], *rest: object, **more: object
    ) -> object:
        if event.get("Source") == _SCHEDULER and target.get("Input"):
            target = {**target, "Input": _replaced(str(target["Input"]), event)}
        return invoke(target, event, *rest, **more)

    eventbridge._invoke_target = invoke_target


def _replaced(text: str, event: Mapping[str, Any]) -> str:
    """Fill the keywords in. The time is that of the call: locally, it comes within a second."""
    time = datetime.fromtimestamp(int(event["Time"]), UTC)
    values = {
        "schedule-arn": event["Resources"][0],
        "scheduled-time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": uuid.uuid4().hex[:16],
        "attempt-number": _FIRST_ATTEMPT,
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
