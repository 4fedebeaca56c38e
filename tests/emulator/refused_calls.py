"""Calls of CreateJob that Amazon Braket refuses, as a test requests it.

A test writes the refusals into a file of the local AWS's state directory. The server of the suite
(`recording_server`) answers the next calls with them whose body has a given text.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.emulator.lost_answers import _again, _body

if TYPE_CHECKING:
    from cdk_braket_local.request_guard import Application, Receive, Scope, Send

_FILE = "refused-calls"
_STATUSES = {"ThrottlingException": 429, "ServiceQuotaExceededException": 402}


def refuse(state_directory: Path, text: str, errors: Sequence[str]) -> None:
    """Refuse the next calls of CreateJob.

    Args:
        state_directory: The local AWS's.
        text: A part of the requests that are refused.
        errors: The error of each.
    """
    _write(state_directory / _FILE, {"text": text, "errors": list(errors)})


def left(state_directory: Path) -> int:
    """Return how many calls are still to be refused."""
    return len(json.loads((state_directory / _FILE).read_text(encoding="utf-8"))["errors"])


def refusing(application: "Application", state_directory: Path) -> "Application":
    """Wrap an application so that it refuses the calls that a test names."""

    async def refused(scope: "Scope", receive: "Receive", send: "Send") -> None:
        file = state_directory / _FILE
        is_create = (scope.get("method"), scope.get("path")) == ("POST", "/job")
        if scope["type"] != "http" or not is_create or not file.exists():
            await application(scope, receive, send)
            return
        body = await _body(receive)
        error = _next(file, body)
        if error is None:
            await application(scope, _again(body), send)
            return
        text = json.dumps({"message": "Not now."}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"x-amzn-errortype", error.encode()),
            (b"content-length", str(len(text)).encode()),
        ]
        status = _STATUSES[error]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return refused


def _next(file: Path, body: bytes) -> str | None:
    waiting = json.loads(file.read_text(encoding="utf-8"))
    if not waiting["errors"] or waiting["text"].encode() not in body:
        return None
    error: str = waiting["errors"].pop(0)
    _write(file, waiting)
    return error


def _write(file: Path, waiting: Mapping[str, object]) -> None:
    """Write the file at once: the test reads it meanwhile."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(waiting), encoding="utf-8")
    new.replace(file)
