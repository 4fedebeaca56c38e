"""Puts a Braket service into MiniStack, at the endpoint of all its services."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ministack import app
from ministack.core import concurrency, responses, router

from cdk_braket_local.braket.platform import Caller

_Query = Mapping[str, Sequence[str]]
_Handled = tuple[int, dict[str, str], bytes]


class Response(Protocol):
    """The answers of the Braket service."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    @property
    def body(self) -> bytes:
        """The body."""


class Service(Protocol):
    """A Braket service, as far as MiniStack is concerned."""

    def handle(  # noqa: PLR0917 - the members of a request, in their usual order
        self,
        caller: Caller,
        method: str,
        path: str,
        query: _Query,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        """Answer a request whose signature has been checked; `path` is percent-decoded."""

    def close(self) -> None:
        """End all jobs."""


def register(service: Service) -> None:
    """Have MiniStack hand requests that are signed for `braket` to a service.

    MiniStack knows no IAM action of Braket, so it checks their signature alone. The service knows
    the action and the resource of a request, and enforces permissions.
    """

    async def handle(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: _Query
    ) -> _Handled:
        caller = Caller(
            account=responses.get_account_id(),
            region=responses.get_region(),
            access_key_id=router.extract_access_key_id(headers, query),
        )
        # A thread of its own: the service may call the local AWS before it answers.
        response = await concurrency.run_reentrant(
            service.handle, caller, method, path, query, headers, body
        )
        return response.status, dict(response.headers), response.body

    app.SERVICE_HANDLERS["braket"] = handle
    # Without a pattern of its own, a request would be matched against botocore's models of all
    # services, which takes seconds and hundreds of megabytes.
    router.SERVICE_PATTERNS["braket"] = {}
