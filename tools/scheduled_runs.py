"""Runs at once what a schedule of a deployed stack would run later: its state machine."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3

_SECONDS: Final = 60
_PAUSE: Final = 0.5


class NothingRanError(Exception):
    """No job was started; the message says why."""


class ScheduledRuns:
    """The schedules, state machines and jobs of a local AWS.

    Args:
        session: Its credentials and region.
        endpoint_url: Where it listens.
    """

    def __init__(self, session: boto3.Session, endpoint_url: str) -> None:
        self._scheduler: Any = session.client("scheduler", endpoint_url=endpoint_url)
        self._states: Any = session.client("stepfunctions", endpoint_url=endpoint_url)
        self._braket = session.client("braket", endpoint_url=endpoint_url)

    def start(self) -> list[str]:
        """Start what each schedule would, with its input.

        Returns:
            The ARNs of the jobs that were started so.

        Raises:
            NothingRanError: There is no such schedule, or no job came of it.
        """
        before = set(self._jobs())
        executions = [
            self._states.start_execution(
                stateMachineArn=target["Arn"], input=target.get("Input", "{}")
            )["executionArn"]
            for target in self._targets()
        ]
        if not executions:
            raise NothingRanError("no output of the stacks is a hybrid job's ARN")
        deadline = time.monotonic() + _SECONDS
        while not (started := sorted(set(self._jobs()) - before)):
            if time.monotonic() > deadline or not any(map(self._is_running, executions)):
                raise NothingRanError(f"no job was started by {', '.join(executions)}")
            time.sleep(_PAUSE)
        return started

    def _targets(self) -> Iterator[Mapping[str, Any]]:
        for summary in self._scheduler.list_schedules()["Schedules"]:
            target = self._scheduler.get_schedule(Name=summary["Name"])["Target"]
            if ":stateMachine:" in target["Arn"]:
                yield target

    def _is_running(self, execution: str) -> bool:
        found = self._states.describe_execution(executionArn=execution)
        return bool(found["status"] == "RUNNING")

    def _jobs(self) -> list[str]:
        return [job["jobArn"] for job in self._braket.search_jobs(filters=[])["jobs"]]
