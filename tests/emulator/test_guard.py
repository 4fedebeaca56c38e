"""The local AWS accepts local programs, under each name that their SDK uses."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket_local.request_guard import guarded, refusal

KEY = "AKIAEXAMPLE"
SIGNED = (b"authorization", b"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/us-east-1/s3/x")


def _scope(*headers: tuple[bytes, bytes], path: str = "/", kind: str = "http") -> dict[str, Any]:
    return {"type": kind, "path": path, "query_string": b"", "headers": [*headers, SIGNED]}


def _refusal_of_host(host: bytes) -> str | None:
    return refusal(_scope((b"host", host)), KEY)


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1",
        b"127.0.0.1:4566",
        b"localhost:4566",
        b"LocalHost",
        b"[::1]:4566",
        # How SDKs name a bucket that is not in the path.
        b"amazon-braket-results.localhost:4566",
        b"bucket.with.dots.s3.localhost",
        b"bucket.s3.us-east-1.localhost:4566",
    ],
)
def test_the_names_of_the_loopback_interface_are_let_in(host: bytes) -> None:
    assert _refusal_of_host(host) is None


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"example.com",
        b"example.com:4566",
        b"127.0.0.1.example.com",
        b"127.0.0.1.nip.io:4566",
        b"localhost.example.com:4566",
        b"evillocalhost",
        b"evil.com/.localhost",
        b"evil.com?.localhost",
        b"evil.com#.localhost",
        b"user@example.com:.localhost",
        b"localhost@example.com",
        b"localhost:4566:80",
        b"127.0.0.1,example.com",
        b"127.0.0.1 example.com",
        b"bucket.s3.amazonaws.com",
        b"0.0.0.0:4566",
        b"10.0.0.1",
        b"[::]:4566",
        b"[::ffff:10.0.0.1]",
        b"::1",
        b"[::1",
        b"\xe2\x80\x8blocalhost",
        b".localhost",
    ],
)
def test_a_name_that_someone_else_can_resolve_is_refused(host: bytes) -> None:
    assert "loopback" in str(_refusal_of_host(host))


def test_a_request_that_names_no_host_or_two_is_refused() -> None:
    local = (b"host", b"localhost")
    assert "loopback" in str(refusal(_scope(), KEY))
    for other in (b"example.com", b"localhost"):
        assert "loopback" in str(refusal(_scope(local, (b"Host", other)), KEY))
        assert "loopback" in str(refusal(_scope((b"Host", other), local), KEY))


@pytest.mark.parametrize("path", ["/", "/_ministack/health", "/_ministack/cfn-response/token"])
@pytest.mark.parametrize(
    "headers",
    [
        [(b"origin", b"https://example.com")],
        [(b"Origin", b"http://localhost:4566")],
        [(b"origin", b"")],
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"Sec-Fetch-Site", b"same-origin")],
        [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-site", b"none")],
    ],
)
def test_a_request_of_a_web_page_is_refused_everywhere(
    headers: list[tuple[bytes, bytes]], path: str
) -> None:
    assert "web pages" in str(refusal(_scope((b"host", b"localhost"), *headers, path=path), KEY))


def test_a_web_socket_of_a_web_page_is_closed() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def never(*_: object) -> None:
        raise AssertionError("the emulator was asked")

    scope = _scope((b"host", b"localhost"), (b"origin", b"https://a"), kind="websocket")
    asyncio.run(guarded(never, KEY)(scope, never, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


LOCAL = {"127.0.0.1", "localhost", "[::1]"}


@given(
    st.text(alphabet=st.characters(max_codepoint=255), max_size=20)
    | st.lists(
        st.sampled_from(["localhost", ".", ":", "80", "127.0.0.1", "@", "/", "evil.com", "[::1]"]),
        max_size=6,
    ).map("".join)
)
def test_no_name_but_a_local_one_is_let_in(host: str) -> None:
    if _refusal_of_host(host.encode("latin-1")) is not None:
        return
    name = host.lower()
    if ":" in name.removeprefix("[::1]"):
        name, _, port = name.rpartition(":")
        assert port.isdigit()
    labels = name.split(".")
    assert name in LOCAL or (labels[-1] == "localhost" and all(labels))
    assert not set(name) & set("/@?#, \\")
