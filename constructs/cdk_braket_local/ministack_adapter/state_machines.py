"""The parts of MiniStack's Step Functions that several patches share.

MiniStack runs each execution in a thread. The execution that a thread runs is in a context
variable, which MiniStack copies to the threads that it starts for tasks.
"""

import contextvars
import json
import os
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import boto3
from ministack.core import responses
from ministack.services import stepfunctions

from cdk_braket_local.ministack_adapter import authorization
from cdk_braket_local.ministack_adapter.sessions import session_of

# MiniStack's record of an execution; nothing in it is typed.
Execution = MutableMapping[str, Any]
Context = dict[str, Any]

RUNNING: Final = "RUNNING"

current: contextvars.ContextVar[Execution | None] = contextvars.ContextVar(
    "execution", default=None
)
"""The execution that this thread runs."""

_redrive: contextvars.ContextVar[int] = contextvars.ContextVar("redrive", default=0)
"""The redrive count of that execution when this thread began.

A thread from before a redrive may still wait for a function. It must not change the execution any
more.
"""

_EXECUTORS: Final[Mapping[str, Callable[..., tuple[object, str | None]]]] = {
    "Pass": stepfunctions._execute_pass,
    "Choice": stepfunctions._execute_choice,
    "Wait": stepfunctions._execute_wait,
    "Task": stepfunctions._execute_task,
    "Parallel": stepfunctions._execute_parallel,
    "Map": stepfunctions._execute_map,
}
_WITH_EXECUTION: Final = ("Task", "Parallel", "Map")


class StoppedError(stepfunctions._ExecutionError):  # type: ignore[misc]  # untyped
    """The execution was stopped, so its states end."""

    def __init__(self) -> None:
        super().__init__("States.Aborted", "The execution was stopped.")


def failure(error: str, cause: str) -> Exception:
    """Return the failure of a state."""
    made: Exception = stepfunctions._ExecutionError(error, cause)
    return made


def is_stopped() -> bool:
    """Return whether the execution of this thread does not run any more."""
    execution = current.get()
    if execution is None:
        return False
    found = (execution.get("redriveCount", 0), execution["status"])
    return found != (_redrive.get(), RUNNING)


def role_arn(execution: Mapping[str, Any]) -> str:
    """Return the role of an execution, or of the parent of a child execution."""
    machine = execution["stateMachineArn"].partition("/")[0]
    found = stepfunctions._state_machines.get(machine) or {}
    return str(found.get("roleArn", ""))


def check(action: str, resource: str) -> None:
    """Check that the role of the current execution allows an action.

    Raises:
        Exception: The failure of the state: it does not.
    """
    execution = current.get()
    if execution is None:
        return
    found = authorization.role(role_arn(execution))
    if found is None:
        return  # a role that was never created, which MiniStack accepts
    session = session_of(found, "StepFunctions")
    message = authorization.denial(session.access_key_id, action, resource, {})
    if message is not None:
        raise failure(f"{action.partition(':')[0].capitalize()}.AccessDeniedException", message)


def client_of(execution: Mapping[str, Any], service: str) -> Any:  # noqa: ANN401 - any client
    """Return a client that calls a service as an execution's role."""
    found = authorization.role(role_arn(execution))
    session = session_of(found, "StepFunctions") if found else None
    return boto3.client(  # type: ignore[call-overload]  # the service is any
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=responses.get_region(),
        aws_access_key_id=session.access_key_id if session else None,
        aws_secret_access_key=session.secret_access_key if session else None,
        aws_session_token=session.session_token if session else None,
    )


def run_states(
    states: Mapping[str, Mapping[str, Any]],
    start: str,
    given: object,
    execution: Execution,
    context: Context,
) -> object:
    """Run states from one on, to the end.

    Args:
        states: The states, by name.
        start: The name of the first one.
        given: Its input.
        execution: The execution, which remembers the state that it is in.
        context: The context object.

    Returns:
        The output.

    Raises:
        StoppedError: The execution was stopped.
    """
    current.set(execution)
    _redrive.set(execution.get("redriveCount", 0))
    name: str | None = start
    data = given
    while name:
        if is_stopped():
            raise StoppedError
        state = states[name]
        kind = str(state["Type"])
        context["State"] = {"Name": name, "EnteredTime": responses.now_iso(), "RetryCount": 0}
        details = {"name": name, "input": json.dumps(data)}
        stepfunctions._add_event(
            execution, f"{kind}StateEntered", {"stateEnteredEventDetails": details}
        )
        data, name = _executed(state, kind, data, execution, context)
    return data


def _executed(
    state: Mapping[str, Any], kind: str, data: object, execution: Execution, context: Context
) -> tuple[object, str | None]:
    if kind == "Succeed":
        taken = stepfunctions._apply_input_path(state, data, context)
        return stepfunctions._apply_output_path(state, taken, context), None
    if kind == "Fail":
        raise failure(*stepfunctions._fail_state_error(state, data, context))
    arguments = (execution, context) if kind in _WITH_EXECUTION else (context,)
    return _EXECUTORS[kind](state, data, *arguments)


def entered(execution: Mapping[str, Any]) -> tuple[str, object] | None:
    """Return the state that an execution entered last, and its input."""
    for event in reversed(execution["events"]):
        if event["type"].endswith("StateEntered"):
            details = event["stateEnteredEventDetails"]
            return str(details["name"]), json.loads(details["input"])
    return None
