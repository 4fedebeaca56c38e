"""RedriveExecution: an execution goes on with the state that did not succeed.

MiniStack does not have the operation.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

import contextvars
import json
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from ministack import app
from ministack.core import responses
from ministack.services import stepfunctions

from cdk_braket_local.ministack_adapter import state_machines
from cdk_braket_local.ministack_adapter.patches.distributed_maps import execution_context
from cdk_braket_local.ministack_adapter.state_machines import Execution

_Query = Mapping[str, Sequence[str]]
_Handled = tuple[int, dict[str, str], bytes]

_ACTION: Final = "AWSStepFunctions.RedriveExecution"
_REDRIVABLE: Final = ("FAILED", "ABORTED", "TIMED_OUT")
_DEFINITION: Final = "_definition"


def install() -> None:
    """Have MiniStack's Step Functions redrive executions."""
    handle = app.SERVICE_HANDLERS["states"]

    async def handle_redrives(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: _Query
    ) -> _Handled:
        if headers.get("x-amz-target", "") == _ACTION:
            return _redrive(json.loads(body or b"{}"))
        handled: _Handled = await handle(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS["states"] = handle_redrives
    stepfunctions._run_execution = _keeping_definition(stepfunctions._run_execution)
    stepfunctions._describe_execution = _describing_redrives(stepfunctions._describe_execution)


def _keeping_definition(run: Callable[[str], None]) -> Callable[[str], None]:
    """Keep the definition that an execution began with: its redrives use the same."""

    def run_keeping(exec_arn: str) -> None:
        execution = stepfunctions._executions.get(exec_arn)
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
        if machine:
            execution[_DEFINITION] = machine["definition"]
        run(exec_arn)

    return run_keeping


def _describing_redrives(describe: Callable[[Mapping[str, Any]], _Handled]) -> Any:  # noqa: ANN401
    def describe_redrives(data: Mapping[str, Any]) -> _Handled:
        status, headers, body = describe(data)
        execution = stepfunctions._executions.get(data.get("executionArn"))
        if status != HTTPStatus.OK or not execution:
            return status, headers, body
        is_redrivable = execution["status"] in _REDRIVABLE
        described = json.loads(body) | {
            "redriveCount": execution.get("redriveCount", 0),
            "redriveStatus": "REDRIVABLE" if is_redrivable else "NOT_REDRIVABLE",
        }
        if execution.get("redriveDate"):
            described["redriveDate"] = execution["redriveDate"]
        answer: _Handled = responses.json_response(described)
        return answer

    return describe_redrives


def _redrive(data: Mapping[str, Any]) -> _Handled:
    arn = data.get("executionArn")
    execution = stepfunctions._executions.get(arn)
    if execution is None or execution.get("mapRunArn"):
        return _refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    if execution["status"] not in _REDRIVABLE or _DEFINITION not in execution:
        return _refused("ExecutionNotRedrivable", f"Execution {arn} is {execution['status']}")
    now = responses.now_iso()
    execution.update(
        status="RUNNING",
        stopDate=None,
        output=None,
        error=None,
        cause=None,
        redriveCount=execution.get("redriveCount", 0) + 1,
        redriveDate=now,
    )
    stepfunctions._add_event(execution, "ExecutionRedriven")
    stepfunctions._emit_execution_status_event(execution)
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_go_on, execution), daemon=True).start()
    answered: _Handled = stepfunctions._finalize_response(
        responses.json_response({"redriveDate": now})
    )
    return answered


def _refused(code: str, message: str) -> _Handled:
    refused: _Handled = responses.error_response_json(code, message, 400)
    return refused


def _go_on(execution: Execution) -> None:
    definition = json.loads(execution[_DEFINITION])
    given = json.loads(execution["input"] or "{}")
    start, data = state_machines.entered(execution) or (definition["StartAt"], given)
    arn = execution["stateMachineArn"]
    context: dict[str, Any] = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": execution_context(execution, given),
        "StateMachine": {"Id": arn, "Name": arn.rpartition(":")[2]},
        "variables": {},
    }
    try:
        output = state_machines.run_states(definition["States"], start, data, execution, context)
    except Exception as error:  # noqa: BLE001 - any error fails the execution
        name = getattr(error, "error", "States.Runtime")
        stepfunctions._fail_execution(execution, name, getattr(error, "cause", str(error)))
        return
    _succeed(execution, output)


def _succeed(execution: MutableMapping[str, Any], output: object) -> None:
    if execution["status"] != state_machines.RUNNING:
        return
    text = json.dumps(output)
    execution.update(status="SUCCEEDED", output=text, stopDate=responses.now_iso())
    details = {"executionSucceededEventDetails": {"output": text}}
    stepfunctions._add_event(execution, "ExecutionSucceeded", details)
    stepfunctions._emit_execution_status_event(execution)
