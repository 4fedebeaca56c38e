"""Keeps everyone but local programs away from the local AWS.

Whoever reaches it can run code: it runs Lambda functions and jobs. It listens on the loopback
interface only, but a web page in the user's browser reaches that too: directly, or under a name of
its own that it makes resolve to 127.0.0.1. Browsers cannot leave out the headers refused here.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# ASGI's own types: https://asgi.readthedocs.io/en/latest/specs/www.html
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOCAL_NAMES = (b"127.0.0.1", b"localhost", b"[::1]")
# Emulator administration that needs no credentials; programs of the local AWS use only these.
_OPEN_ADMINISTRATION = (
    "/_ministack/health",
    "/_ministack/cfn-response/",
    "/_ministack/cfn-signal/",
    "/_ministack/lambda-code/",
    "/_ministack/lambda-layers/",
)


def guarded(application: Application) -> Application:
    """Wrap an ASGI application so that only local programs reach it.

    Requests are presented to it as if they had come over TLS: nothing leaves this machine, and
    policies that demand `aws:SecureTransport`, such as those of the CDK's bootstrap bucket, hold
    on AWS and must not fail here.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await application(scope, receive, send)
            return
        problem = refusal(scope)
        if problem is None:
            secure = "https" if scope["type"] == "http" else "wss"
            await application({**scope, "scheme": secure}, receive, send)
        elif scope["type"] == "http":
            await _refuse(send, problem)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guard


def refusal(scope: Scope) -> str | None:
    """Why a request is refused, or None."""
    headers: dict[bytes, bytes] = {name.lower(): value for name, value in scope["headers"]}
    if not _is_local(headers.get(b"host", b"")):
        return "the Host header does not name this machine's loopback interface"
    if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none":
        return "web pages may not use the local AWS"
    path: str = scope["path"]
    if path.startswith("/_") and not path.startswith(_OPEN_ADMINISTRATION):
        return "this path of the emulator is closed"
    return None


def _is_local(host: bytes) -> bool:
    name, _, port = host.rpartition(b":")
    if not port.isdigit():
        name = host
    # `<bucket>.localhost`: browsers resolve the names under localhost to the loopback only.
    return name.lower() in _LOCAL_NAMES or name.lower().endswith(b".localhost")


async def _refuse(send: Send, problem: str) -> None:
    body = f"cdk-braket-local: {problem}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
