"""A sweep that a deployment starts: the custom resource of its execution."""

import itertools
import json
from functools import partial

from ..contract import Property, SweepAttribute, SweepProperty
from .errors import (
    Failure,
    LateEventFailure,
    OutOfTimeFailure,
    ServiceError,
    found_or_none,
)
from .invocation import Event, Outcome, RequestType
from .properties import Location
from .retries import PROPAGATION_SECONDS, PROPAGATION_SECONDS_OF_DELETE, Tools
from .sweep_points import stopped_at
from .workflow_runs import cancel_all
from .workflow_tools import digest

_ABORTED = "ABORTED"
_NOTHING_STARTED = "no-execution-was-started"


class SweepStart:
    """Handles one event of CloudFormation for a sweep that its deployment starts.

    The execution's name is the digest of the resource and its definition. So a repeated event, or a
    rollback, finds the execution that exists. A stopped one is followed by another, which skips the
    points that have completed.
    """

    def __init__(self, event: Event, tools: Tools) -> None:
        self.physical_id = event.physical_id or _NOTHING_STARTED
        self._event = event
        self._tools = tools
        is_delete = event.type is RequestType.DELETE
        self._calls = tools.calls(
            PROPAGATION_SECONDS_OF_DELETE if is_delete else PROPAGATION_SECONDS
        )

    def handle(self) -> Outcome:
        """Start the execution, or stop it.

        Raises:
            Failure: That was not possible.
        """
        try:
            if self._event.type is RequestType.DELETE:
                self._stop()
                return Outcome(self.physical_id, {})
            self.physical_id = self._started()
        except ServiceError as error:
            raise Failure(f"The sweep's execution: {error}.") from error
        return Outcome(self.physical_id, {SweepAttribute.EXECUTION_ARN.value: self.physical_id})

    def note_answered(self) -> None:
        """Do nothing after the answer."""

    def _started(self) -> str:
        machine = self._property(SweepProperty.STATE_MACHINE)
        event = self._event
        names = (SweepProperty.POINTS, Property.REQUEST, Property.COPY_CHECKPOINTS_FROM)
        definition = json.dumps([event.properties.get(name) for name in names], sort_keys=True)
        base = digest(f"{event.stack_id}\n{event.logical_id}\n{definition}")
        for number in itertools.count(1):
            name = f"{base}-{number}"
            execution = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
            status = self._status(execution)
            if status is None:
                return self._start(machine, name, execution)
            if status != _ABORTED:
                self._tools.log("sweep_found", {"execution": execution, "status": status})
                return execution
            self._refuse_late(execution)
        raise AssertionError("unreachable")

    def _refuse_late(self, stopped: str) -> None:
        """Refuse an event that was sent before its execution was stopped, such as a duplicate."""
        records = Location.parse(self._property(SweepProperty.RECORDS))
        sent_at = self._event.sent_at
        if sent_at is not None and sent_at <= stopped_at(self._tools, records, stopped):
            raise LateEventFailure("The sweep was stopped after this event, so none was started.")

    def _start(self, machine: str, name: str, execution: str) -> str:
        gateway = self._tools.gateway
        try:
            arn = self._calls.retry(lambda: gateway.start_execution(machine, name, json.dumps({})))
        except OutOfTimeFailure:
            # It may have started without a response. Then the Delete of a Create stops it.
            self.physical_id = self._event.physical_id or execution
            raise
        self._tools.log("sweep_started", {"execution": arn})
        return arn

    def _stop(self) -> None:
        """Stop the execution, and cancel its jobs before the handler may go."""
        execution = self._event.physical_id
        if ":execution:" not in execution:
            return
        if self._status(execution) == "RUNNING":
            self._calls.retry(lambda: self._tools.gateway.stop_execution(execution))
        records = Location.parse(self._property(SweepProperty.RECORDS))
        cancel_all(self._tools, records, execution, self._calls.now())
        self._tools.log("sweep_stopped", {"execution": execution})

    def _status(self, execution: str) -> str | None:
        get = partial(self._tools.gateway.execution_status, execution)
        return found_or_none(lambda: self._calls.retry(get))

    def _property(self, name: SweepProperty) -> str:
        value = self._event.properties.get(name)
        if not isinstance(value, str) or not value:
            raise Failure(f"The property {name} is missing.")
        return value
