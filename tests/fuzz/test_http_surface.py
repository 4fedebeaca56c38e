"""The Braket service responds to any request with a response of its model, in time."""

import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket._lambda.braket_jobs.api import service_model
from cdk_braket_local.braket.platform import Caller, Credentials, RoleNotAssumableError
from cdk_braket_local.braket.protocol import Response
from cdk_braket_local.braket.service import BraketService
from cdk_braket_local.control.instance import LOG_FILE, LocalAws
from tests.fuzz.profile import fuzzed
from tests.fuzz.values import HOSTILE_TEXTS, json_values, texts
from tests.unit.handler.worlds import request

CALLER = Caller("123456789012", "us-east-1", "AKIAEXAMPLE")
CANARY = "canary-6b7d"
JOB = "arn:aws:braket:us-east-1:123456789012:job/00000000-0000-0000-0000-000000000000"

Query = Mapping[str, Sequence[str]]


class OpenPlatform:
    """A local AWS in which all principals may do everything, and no role can be assumed."""

    endpoint_url = "http://127.0.0.1:1"

    def authorize(self, *_: object) -> None:
        """Allow it."""

    def role_session(self, role_arn: str, session_name: str, source_arn: str) -> Credentials:
        raise RoleNotAssumableError(role_arn + session_name + source_arn)

    def end_session(self, credentials: Credentials) -> None:
        """There is none."""

    def bucket_tags(self, *_: object) -> Mapping[str, str]:
        return {}

    def bucket_region(self, *_: object) -> None:
        """Know none."""

    def service_linked_session(self, caller: Caller, session_name: str) -> Credentials:
        raise RoleNotAssumableError(caller.account + session_name)

    def put_event(self, *_: object) -> None:
        """Lose it."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BraketService]:
    folder = tmp_path_factory.mktemp("service")
    # Jobs queue, and none runs.
    made = BraketService(OpenPlatform(), state_directory=folder, concurrent_jobs=0)
    yield made
    made.close()
    assert list(folder.iterdir()) == []


ERRORS = {
    name
    for name in service_model.shape_names()
    if service_model.shape(name).type == "structure" and service_model.shape(name).error_status
}


def assert_is_modelled(answer: Response) -> None:
    content = json.loads(answer.body)
    assert isinstance(content, dict)
    assert answer.headers["Content-Type"] == "application/json"
    if answer.status in {200, 201}:
        return
    code = answer.headers["x-amzn-ErrorType"]
    assert code in ERRORS
    assert answer.status == service_model.shape(code).error_status
    assert 400 <= answer.status < 500, content
    assert set(content) == {"message"}
    assert "Traceback" not in content["message"]


PATHS = sorted({service_model.operation(name).uri for name in service_model.operation_names()})
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "get", "", "\x00"])
labels = st.sampled_from([JOB, quote(JOB, safe=""), *HOSTILE_TEXTS])
paths = st.builds(
    lambda path, label: re.sub(r"{\w+}", lambda _: label, path), st.sampled_from(PATHS), labels
) | st.text(max_size=20)
names = st.sampled_from(["tagKeys", "additionalAttributeNames", "maxResults", "nextToken"]) | texts
queries = st.dictionaries(names, st.lists(texts, min_size=1, max_size=3), max_size=3)
bodies = st.binary(max_size=50) | json_values.map(lambda value: json.dumps(value).encode())


@fuzzed(400)
@given(method=methods, path=paths, query=queries, body=bodies)
def test_any_request_gets_an_answer_of_the_model(
    service: BraketService, method: str, path: str, query: Query, body: bytes
) -> None:
    assert_is_modelled(service.handle(CALLER, method, path, query, {}, body))


OPERATIONS = {
    "CreateJob": {
        **request(),
        "clientToken": "t" * 40,
        "hyperParameters": {"p": CANARY},
        "inputDataConfig": [
            {
                "channelName": "a",
                "dataSource": {"s3DataSource": {"s3Uri": "s3://amazon-braket-a/k"}},
            }
        ],
    },
    "SearchJobs": {
        "filters": [{"name": "jobArn", "operator": "EQUAL", "values": [JOB]}],
        "maxResults": 1,
        "nextToken": JOB,
    },
    "TagResource": {"tags": {"a": "b"}},
    "CancelJob": {},
    "GetJob": {},
}


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    parts = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(each for key, part in parts for each in places(part, (*path, key)))]


def with_value(value: object, path: tuple[str | int, ...], new: object) -> object:
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return copy


changes = st.sampled_from(sorted(OPERATIONS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.sampled_from(places(OPERATIONS[name])), json_values | texts
    )
)


@fuzzed(400)
@given(changes)
def test_an_operation_with_anything_anywhere_gets_an_answer_of_the_model(
    service: BraketService, change: tuple[str, tuple[str | int, ...], object]
) -> None:
    name, path, value = change
    operation = service_model.operation(name)
    body = json.dumps(with_value(OPERATIONS[name], path, value)).encode()
    uri = re.sub(r"{\w+}", JOB, operation.uri)
    answer = service.handle(CALLER, operation.method, uri, {}, {}, body)
    assert_is_modelled(answer)
    if answer.status >= 400:
        assert CANARY not in answer.body.decode()


CREATE_JOB_PLACES = places(OPERATIONS["CreateJob"])


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_hostile_text_anywhere_in_a_job_gets_an_answer_of_the_model(
    service: BraketService, text: str
) -> None:
    for path in CREATE_JOB_PLACES:
        body = json.dumps(with_value(OPERATIONS["CreateJob"], path, text)).encode()
        assert_is_modelled(service.handle(CALLER, "POST", "/job", {}, {}, body))


def test_a_tag_by_the_name_of_a_uri_is_a_tag(service: BraketService) -> None:
    job = with_value(OPERATIONS["CreateJob"], ("tags",), {"s3Uri": "https://[/x"})
    body = json.dumps(with_value(job, ("clientToken",), "tagged")).encode()
    answer = service.handle(CALLER, "POST", "/job", {}, {}, body)
    assert answer.status == 201, answer.body


# --- Through the sockets of a whole local AWS. ---


@pytest.fixture(scope="module")
def quiet_aws(local_aws: LocalAws) -> Iterator[LocalAws]:
    """A local AWS whose log shows no stack trace for these requests."""
    log = local_aws.state_directory / LOG_FILE
    before = len(log.read_bytes())
    yield local_aws
    assert b"Traceback" not in log.read_bytes()[before:]


def signed(aws: LocalAws, service_: str = "braket") -> dict[str, str]:
    key = aws.client_settings["aws_access_key_id"]
    scope = f"{key}/20261123/us-east-1/{service_}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"
    }


def sent(aws: LocalAws, data: bytes) -> bytes:
    """Return the beginning of the server's response to some bytes; empty if it waits for more."""
    port = int(aws.endpoint_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.settimeout(0.1)
        try:
            return connection.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return b""


def exchanged(
    aws: LocalAws, method: str, path: str, body: bytes
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, body=body, headers=signed(aws))
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def _uri(path: str, label: str, query: str) -> str:
    quoted = quote(label.encode("utf-8", "replace"), safe="")
    return re.sub(r"{\w+}", quoted, path)[:4000] + f"?{query}"


@fuzzed(60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "FOO"]),
    uri=st.builds(_uri, st.sampled_from(PATHS), labels, st.text("a=&%;+?0Z", max_size=10)),
    body=bodies,
)
def test_any_request_over_http_gets_an_answer_of_the_model(
    quiet_aws: LocalAws, method: str, uri: str, body: bytes
) -> None:
    status, headers, text = exchanged(quiet_aws, method, uri, body)
    assert status < 500
    assert b"Traceback" not in text
    if status >= 400:
        assert headers["x-amzn-ErrorType"] in ERRORS


PARTS = [
    b"GET", b" ", b"/job", b"\r\n", b"\n", b"HTTP/1.1", b"HTTP/2.0", b"Host: ", b"localhost", b"-1",
    b"Content-Length: ", b"999999999999", b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"Upgrade: h2c", b"Connection: Upgrade", b"\xff",
    b"Expect: 100-continue", b"x: " + b"y" * 9000, b"ffffffffffffffff\r\n",
]  # fmt: skip
STARTS = [
    b"GET /job/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /job HTTP/1.1\r\nHost: localhost\r\nContent-Length: ",
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"",
]


@fuzzed(60)
@given(
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(PARTS) | st.binary(max_size=20), max_size=8).map(b"".join),
)
def test_any_bytes_are_answered_without_an_error_of_the_servers(
    quiet_aws: LocalAws, start: bytes, data: bytes
) -> None:
    answer = sent(quiet_aws, start + data)
    assert not re.match(rb"HTTP/[0-9.]+ 5", answer), answer
    assert b"Traceback" not in answer
    status, _, _ = exchanged(quiet_aws, "GET", f"/job/{quote(JOB, safe='')}", b"")
    assert status == 404
