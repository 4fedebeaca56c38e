"""Accepts requests to the local AWS from programs of this user only.

A client of the local AWS can run code, because it runs Lambda functions and jobs. The local AWS
listens on the loopback interface only, but two other clients can reach that as well:

- A web page in the user's browser, either directly or through a domain name that resolves to
  127.0.0.1. A browser cannot omit the headers that are refused here.
- Another user of the machine. They do not know the access key. Requests without a key are refused.
  So are requests with a key that every copy of the emulator accepts for the root user (`test`, any
  twelve digits).
"""

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qs

# ASGI's own types: https://asgi.readthedocs.io/en/latest/specs/www.html
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# `<bucket>.localhost`: browsers resolve the names under localhost to the loopback only.
_LOCAL_HOST = re.compile(
    rb"(127\.0\.0\.1|\[::1\]|([a-z0-9_-]+\.)*localhost)(:[0-9]{1,5})?", re.IGNORECASE
)
# Paths of the emulator that need no key: they reveal nothing, or contain a secret token.
_OPEN_ADMINISTRATION = (
    "/_ministack/health",
    "/_ministack/cfn-response/",
    "/_ministack/cfn-signal/",
)
_KEY_OF_HEADER = re.compile(r"(?:Credential=|^AWS )([^/:]*)[/:]")
_WELL_KNOWN_KEY = re.compile(r"test|[0-9]{12}")


def guarded(application: Application, access_key_id: str) -> Application:
    """Wrap an ASGI application so that only local programs reach it.

    Args:
        application: The application.
        access_key_id: The root user's access key; it may look like the refused ones.

    Returns:
        The application to serve. For the wrapped one, every request appears to have come over TLS.
        Nothing leaves this machine, and policies that require `aws:SecureTransport`, such as that
        of the CDK's bootstrap bucket, must not fail here.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await application(scope, receive, send)
            return
        problem = refusal(scope, access_key_id)
        if problem is None:
            secure = "https" if scope["type"] == "http" else "wss"
            await application({**scope, "scheme": secure}, receive, send)
        elif scope["type"] == "http":
            await _refuse(send, problem)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guard


def refusal(scope: Scope, access_key_id: str) -> str | None:
    """Return the reason to refuse a request, or None."""
    hosts = _values(scope, b"host")
    # If there are two, MiniStack might read the other one.
    if len(hosts) != 1 or not _LOCAL_HOST.fullmatch(hosts[0]):
        return "the Host header does not name this machine's loopback interface"
    if _values(scope, b"origin") or any(
        site != b"none" for site in _values(scope, b"sec-fetch-site")
    ):
        return "web pages may not use the local AWS"
    path: str = scope["path"]
    if path.startswith(_OPEN_ADMINISTRATION):
        return None
    if path.startswith("/_"):
        return "this path of the emulator is closed"
    return _key_problem(set(_access_keys(scope)), access_key_id)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for given, value in scope["headers"] if given.lower() == name]


def _key_problem(keys: set[str], access_key_id: str) -> str | None:
    if not all(keys) or not keys:
        return "the request is not signed"
    if any(_WELL_KNOWN_KEY.fullmatch(key) for key in keys - {access_key_id}):
        return "the access key is not this local AWS's"
    return None


def _access_keys(scope: Scope) -> Iterator[str]:
    """Yield every access key in a request, in the header or the query."""
    for value in _values(scope, b"authorization"):
        yield from _KEY_OF_HEADER.findall(value.decode("latin-1"))
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    for name in ("X-Amz-Credential", "AWSAccessKeyId"):
        yield from (value.split("/")[0] for value in query.get(name, []))


async def _refuse(send: Send, problem: str) -> None:
    body = f"cdk-braket-local: {problem}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
