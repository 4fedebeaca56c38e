"""Responses to CloudFormation that do not arrive, on request of a test.

A test writes faults into a file of the local AWS's state directory. The server of the suite
(`recording_server`) applies them to the responses of a stack, one after the other.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk_braket_local.request_guard import Application, Receive, Scope, Send

# The parts of ASGI's messages.
Message = MutableMapping[str, Any]

CUT = "cut"
"""The response arrives, but the connection ends in the middle of the reply."""

_FOLDER = "lost-answers"


def lose(state_directory: Path, stack: str, what: Sequence[str]) -> None:
    """Lose the next responses of a stack.

    Args:
        state_directory: The local AWS's.
        stack: The stack's name.
        what: The fault for each: an HTTP status, or `CUT`.
    """
    folder = state_directory / _FOLDER
    folder.mkdir(exist_ok=True)
    (folder / stack).write_text("\n".join(what), encoding="utf-8")


def left(state_directory: Path, stack: str) -> list[str]:
    """Return the faults that have not happened yet."""
    return (state_directory / _FOLDER / stack).read_text(encoding="utf-8").split()


def losing(application: "Application", state_directory: Path, path: str) -> "Application":
    """Wrap an application so that it loses the chosen responses.

    Args:
        application: The application.
        state_directory: The directory of the file with the faults.
        path: The prefix of the paths of ResponseURLs.
    """

    async def troubled(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or not scope["path"].startswith(path):
            await application(scope, receive, send)
            return
        body = await _body(receive)
        trouble = _next(state_directory / _FOLDER, body)
        if trouble is None:
            await application(scope, _again(body), send)
            return
        if trouble == CUT:
            # S3 reports 200 only for an object that it has stored.
            await application(scope, _again(body), _discard)
        status = 200 if trouble == CUT else int(trouble)
        length = b"5" if trouble == CUT else b"0"
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": trouble == CUT})

    return troubled


def _next(folder: Path, body: bytes) -> str | None:
    answered = json.loads(body)
    stack = str(answered.get("StackId", "")).split("/")[1:2]
    file = folder.joinpath(*stack)
    waiting = file.read_text(encoding="utf-8").split() if file.is_file() else []
    if not waiting:
        return None
    file.write_text("\n".join(waiting[1:]), encoding="utf-8")
    return waiting[0]


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    return body


async def _discard(message: Message) -> None:
    """Drop a part of a reply."""


def _again(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
