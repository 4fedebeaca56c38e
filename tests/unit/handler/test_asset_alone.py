"""The function's asset works with nothing beside it but boto3, as in Lambda."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

from cdk_braket import _lambda

ASSET = Path(str(_lambda.__file__)).parent
ALLOWED = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")

PROGRAM = """
import sys
sys.path[:0] = {path!r}
from braket_jobs.handler import index

class Context:
    def get_remaining_time_in_millis(self):
        return 20_000

index.handler({event!r}, Context())
"""


def boto3_alone(directory: Path) -> Path:
    """A directory from which boto3 and its dependencies can be imported, and nothing else."""
    for name in ALLOWED:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        target = origin.parent if origin.name == "__init__.py" else origin
        (directory / target.name).symlink_to(target)
    return directory


def test_the_asset_alone_answers_an_event(tmp_path: Path) -> None:
    answers: list[bytes] = []

    class Mailbox(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            answers.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Mailbox)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    event = {
        "RequestType": "Create",
        "RequestId": "r",
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/s/u",
        "LogicalResourceId": "Job",
        "ResponseURL": f"http://127.0.0.1:{server.server_port}/",
        "ResourceProperties": {},
    }
    path = [str(boto3_alone(tmp_path)), str(ASSET)]
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    interpreter = str(base if base.exists() else sys.executable)
    done = subprocess.run(
        [
            interpreter,
            "-I",
            "-S",
            "-B",
            "-W",
            "error",
            "-c",
            PROGRAM.format(path=path, event=event),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "PATH": "/usr/bin:/bin",
        },
    )
    assert done.returncode == 0, done.stderr
    thread.join(10)
    server.server_close()
    [answer] = answers
    body = json.loads(answer)
    assert body["Status"] == "FAILED"
    assert "Request" in body["Reason"]
    assert json.loads(done.stdout.splitlines()[-1]) == {"decision": "answered", "httpStatus": 200}
