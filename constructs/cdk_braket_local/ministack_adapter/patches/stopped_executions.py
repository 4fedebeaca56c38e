"""Executions that are stopped while a state waits for a task token.

In MiniStack the state waits on, and an error that it ends with turns the aborted execution into a
failed one. A function that fails instead of keeping its token is passed over; on AWS it fails the
state. Sources: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
and https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from ministack.services import stepfunctions

from cdk_braket_local.ministack_adapter import state_machines

_State = Mapping[str, Any]

_LOOK_SECONDS: Final = 0.2
_STEP_SECONDS: Final = 0.5


def install() -> None:
    """Have MiniStack's Step Functions end the states of a stopped execution."""
    stepfunctions._fail_execution = _unless_stopped(stepfunctions._fail_execution)
    stepfunctions._invoke_with_callback = _stoppable(stepfunctions._invoke_with_callback)
    stepfunctions._scaled_sleep = _interruptible(stepfunctions._scaled_sleep)


def _unless_stopped(fail: Callable[..., None]) -> Callable[..., None]:
    def fail_running(execution: MutableMapping[str, Any], error: str, cause: str) -> None:
        is_stopped = state_machines.is_stopped()
        if execution["status"] == state_machines.RUNNING and not is_stopped:
            fail(execution, error, cause)

    return fail_running


def _stoppable(invoke: Callable[..., object]) -> Callable[..., object]:
    """Wrap the wait for a token: the execution may stop, and the function may fail."""

    def invoke_stoppable(resource: str, given: Any, token: str, state: _State) -> object:  # noqa: ANN401
        function = _function_of(resource, given)
        if function is None:
            return invoke(resource, given, token, state)
        answered = threading.Event()
        info: dict[str, Any] = {"event": answered, "result": None, "error": None, "heartbeat": None}
        stepfunctions._task_tokens[token] = info
        try:
            payload = given.get("Payload", given) if isinstance(given, Mapping) else given
            stepfunctions._call_lambda(function, payload)
            _wait(answered, float(state.get("TimeoutSeconds", 99_999_999)))
        finally:
            stepfunctions._task_tokens.pop(token, None)
        return _result(info)

    return invoke_stoppable


def _function_of(resource: str, given: object) -> str | None:
    clean = resource.replace(".waitForTaskToken", "")
    function: str | None = stepfunctions._extract_lambda_ref(clean)
    if function is None and "states:::lambda:invoke" in clean and isinstance(given, Mapping):
        name = given.get("FunctionName", "")
        function = stepfunctions._resolve_lambda_function_ref(name, optimized=True)
    return function


def _wait(answered: threading.Event, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not answered.wait(min(_LOOK_SECONDS, max(ends - time.monotonic(), 0))):
        if state_machines.is_stopped():
            raise state_machines.StoppedError
        if time.monotonic() >= ends:
            raise state_machines.failure("States.Timeout", "The task token was not returned")


def _result(info: Mapping[str, Any]) -> object:
    error = info.get("error")
    if error:
        raise state_machines.failure(error.get("Error", "TaskFailed"), error.get("Cause", ""))
    result: object = json.loads(info.get("result") or "{}")
    return result


def _interruptible(sleep: Callable[[float], None]) -> Callable[[float], None]:
    """Wrap the delays of retries and Wait states."""

    def sleep_stoppable(seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if state_machines.is_stopped():
                raise state_machines.StoppedError
            sleep(min(left, _STEP_SECONDS))

    return sleep_stoppable
