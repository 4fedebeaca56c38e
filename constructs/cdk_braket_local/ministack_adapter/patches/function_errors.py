"""The error of a function that raises: the name of the exception's class.

MiniStack's error is `Runtime.HandlerError` for every exception, so that a state machine could not
retry some of them. It is the same for a process that died; on AWS, that is `Runtime.ExitError`.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from collections.abc import Mapping
from typing import Any, Final

from ministack.services import lambda_svc

_Result = dict[str, Any]

_UNNAMED: Final = "Runtime.HandlerError"
_DIED: Final = ("Worker process died", "Worker process exited")
_EXIT: Final = "Runtime.ExitError"


def install() -> None:
    """Have MiniStack's Lambda name the exceptions of functions."""
    execute = lambda_svc._execute_function_with_config_scope

    def execute_naming(func: Mapping[str, Any], event: object) -> _Result:
        result: _Result = execute(func, event)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and _is_unnamed(body):
            name = _name(str(body.get("errorMessage", "")), str(result.get("log", "")))
            return {**result, "body": {**body, "errorType": name}}
        return result

    lambda_svc._execute_function_with_config_scope = execute_naming


def _is_unnamed(body: Mapping[str, Any]) -> bool:
    is_death = str(body.get("errorMessage", "")).startswith(_DIED)
    return is_death or body.get("errorType") == _UNNAMED


def _name(message: str, log: str) -> str:
    """Return the class in the last line of the traceback; the name of before if there is none."""
    if message.startswith(_DIED):
        return _EXIT
    lines = log.splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith("  ")]
    last = lines[frames[-1] + 1 :] if frames else []
    name = last[0].partition(":")[0].rpartition(".")[2] if last else ""
    return name if name.isidentifier() else _UNNAMED
