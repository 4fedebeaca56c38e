"""A sweep that a deployment starts: its execution is handled like a job.

So an execution starts once, even if CloudFormation or Lambda repeats the event, and none is left
running. docs/adr/0004-one-job-per-definition.md has the reasoning. The name of the execution is the
client token of its run.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from .. import contract
from ..api.service_rules import text_in
from ..contract import CANCELLED, COMPLETED, FAILED, SweepAttribute, SweepProperty
from .create_job import Creation
from .errors import ServiceError, found_or_none
from .gateway import Job, Jobs, Page
from .invocation import Event
from .job_record import Run
from .lifecycle import Lifecycle
from .properties import JobProperties, Location, text_of
from .retries import Tools
from .run_objects import RunObjects
from .workflow_runs import cancel_all

# Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
_STATUSES: Mapping[str, str] = {
    "SUCCEEDED": COMPLETED,
    "FAILED": FAILED,
    "TIMED_OUT": FAILED,
    "ABORTED": CANCELLED,
}


class _Start(Creation):
    """Starts the execution of a run. Checks and copies are left to its points."""

    def _prepare(self, run: Run) -> None:
        """Do nothing."""


class SweepStart(Lifecycle):
    """Handles one event of CloudFormation for a sweep that its deployment starts."""

    creation = _Start

    def __init__(self, event: Event, tools: Tools) -> None:
        super().__init__(event, replace(tools, jobs=_Executions(event, tools)))

    def refuse_problems(self, definition: JobProperties) -> None:
        """Do nothing: a point's definition is checked when the point starts."""

    def attributes(self, arn: str, request: Mapping[str, object]) -> Mapping[str, str]:  # noqa: ARG002
        """Return the attributes of the resource."""
        return {SweepAttribute.EXECUTION_ARN.value: arn}


class _Executions(Jobs):
    """The executions of a sweep's state machine, as jobs."""

    def __init__(self, event: Event, tools: Tools) -> None:
        self._event = event
        self._tools = tools
        self._gateway = tools.gateway

    @property
    def _machine(self) -> str:
        return text_of(self._event.properties, SweepProperty.STATE_MACHINE)

    def create_job(self, request: Mapping[str, object]) -> str:
        name = text_in(request, "clientToken")
        try:
            return self._gateway.start_execution(self._machine, name, "{}")
        except ServiceError as error:
            if error.code != "ExecutionAlreadyExists":
                raise
            return f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"

    def get_job(self, arn: str) -> Job:
        return _as_job(Job(arn, self._gateway.execution_status(arn), arn.rpartition(":")[2], None))

    def find_jobs(self, created_after: float, token: str = "") -> Page[Job]:
        listed = found_or_none(lambda: self._gateway.list_executions(self._machine, token))
        if listed is None:
            return Page(())
        since = datetime.fromtimestamp(created_after, UTC).isoformat()
        found = tuple(_as_job(each) for each in listed.items if each.started_at >= since)
        # The newest are listed first.
        return Page(found, listed.next_token if len(found) == len(listed.items) else "")

    def cancel_job(self, arn: str) -> None:
        try:
            self._gateway.stop_execution(arn)
        finally:
            # The rule on stopped executions does the same, unless it is deleted with the sweep.
            records = Location.parse(text_of(self._event.properties, SweepProperty.RECORDS))
            cancel_all(RunObjects(self._tools, records), arn, self._gateway.now())


def _as_job(execution: Job) -> Job:
    return replace(
        execution,
        status=_STATUSES.get(execution.status, execution.status),
        tags={contract.TOKEN_TAG: execution.name},
    )
