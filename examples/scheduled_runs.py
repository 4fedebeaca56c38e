"""Starts the state machines that the schedules of a deployed stack would start later."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3

from cdk_braket_local.following import Region

_SECONDS: Final = 60
_PAUSE: Final = 0.5


class NothingRanError(Exception):
    """No job was started; the message has the reason."""


def start(region: Region) -> list[str]:
    """Start the state machine of each schedule, with its input.

    Args:
        region: The region of the jobs.

    Returns:
        The ARNs of the jobs that were started.

    Raises:
        NothingRanError: There is no such schedule, or no job was started.
    """
    states: Any = boto3.client("stepfunctions")
    before = set(region.jobs())
    executions = [
        states.start_execution(stateMachineArn=target["Arn"], input=target.get("Input", "{}"))
        for target in _targets()
    ]
    if not executions:
        raise NothingRanError("no output of the stacks is a hybrid job's ARN")

    def is_running(execution: Mapping[str, Any]) -> bool:
        found = states.describe_execution(executionArn=execution["executionArn"])
        return bool(found["status"] == "RUNNING")

    deadline = time.monotonic() + _SECONDS
    while not (started := sorted(set(region.jobs()) - before)):
        if time.monotonic() > deadline or not any(map(is_running, executions)):
            names = ", ".join(execution["executionArn"] for execution in executions)
            raise NothingRanError(f"no job was started by {names}")
        time.sleep(_PAUSE)
    return started


def _targets() -> Iterator[Mapping[str, Any]]:
    scheduler: Any = boto3.client("scheduler")
    for summary in scheduler.list_schedules()["Schedules"]:
        target = scheduler.get_schedule(Name=summary["Name"])["Target"]
        if ":stateMachine:" in target["Arn"]:
            yield target
