"""The few calls of a custom resource's handler, answered at once over real HTTP.

It measures the handlers alone: their imports, clients and calls. It is no local AWS.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ARN = "arn:aws:braket:us-east-1:123456789012:job/12345678-1234-1234-1234-123456789012"
ANSWER = "/answer"
_ROLE = """<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role>
<Path>/</Path><RoleName>role</RoleName><RoleId>ROLE12345678901234567</RoleId>
<Arn>arn:aws:iam::123456789012:role/role</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>
</Role></GetRoleResult></GetRoleResponse>"""
_NO_KEY = "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
_EXISTS = "<Error><Code>PreconditionFailed</Code><Message>it exists</Message></Error>"
_ARCHIVE = b"archive"
_COPIED = '<CopyObjectResult><ETag>"copy"</ETag></CopyObjectResult>'


class CannedAws(ThreadingHTTPServer):
    """The server, and the calls that it received with their times."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, float]] = []

    @property
    def url(self) -> str:
        """The endpoint for all clients."""
        return f"http://127.0.0.1:{self.server_port}"

    def when(self, call: str) -> float:
        """Return when a call was received first."""
        return next(at for name, at in self.calls if name == call)


@contextmanager
def serving() -> Iterator[CannedAws]:
    """Serve while the block runs."""
    with CannedAws() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CannedAws

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/job/"):
            self._seen("GetJob")
            self._json({"jobArn": ARN, "status": "QUEUED", "tags": {}})
            return
        self._seen("GetObject")
        found = self.server.objects.get(path)
        if found is None:
            self._reply(404, _NO_KEY.encode())
        else:
            self._reply(200, found, {"ETag": _etag(found)})

    def do_HEAD(self) -> None:
        self._seen("HeadObject")
        path = unquote(urlsplit(self.path).path)
        found = _ARCHIVE if path.startswith("/cdk-") else self.server.objects.get(path)
        if found is None:
            self._reply(404, b"")
        else:
            kept = self.server.metadata.get(path, {})
            self._reply(200, found, {"ETag": _etag(found), **kept})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        if path == ANSWER:
            self._seen("answer")
            self._reply(200, b"")
        elif "x-amz-copy-source" in self.headers:
            self._seen("CopyObject")
            self.server.objects[path] = _ARCHIVE
            self.server.metadata[path] = {
                name: value for name, value in self.headers.items() if "x-amz-meta-" in name
            }
            self._reply(200, _COPIED.encode())
        else:
            self._put(path, body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/job":
            self._seen("CreateJob")
            self._json({"jobArn": ARN}, 201)
        elif self.path == "/jobs":
            self._seen("SearchJobs")
            self._json({"jobs": []})
        elif b"Action=GetRole" in body:
            self._seen("GetRole")
            self._reply(200, _ROLE.encode())
        else:
            self._seen(f"POST {self.path}")
            self._json({})

    def _put(self, path: str, body: bytes) -> None:
        self._seen("PutObject")
        old = self.server.objects.get(path)
        is_new = self.headers.get("If-None-Match") == "*"
        expected = self.headers.get("If-Match")
        if (is_new and old is not None) or (expected and expected != _etag(old or b"")):
            self._reply(412, _EXISTS.encode())
            return
        self.server.objects[path] = body
        self._reply(200, b"", {"ETag": _etag(body)})

    def _seen(self, call: str) -> None:
        self.server.calls.append((call, time.time()))

    def _json(self, document: object, status: int = 200) -> None:
        self._reply(status, json.dumps(document).encode())

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


def _etag(body: bytes) -> str:
    return f'"{hash(body):x}"'
