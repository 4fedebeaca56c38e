"""Clients whose answers tests decide; an unexpected call is an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
import pytest
from botocore.stub import Stubber

from cdk_braket_cli.command import Call
from cdk_braket_client.clients import Clients
from tests.emulator.jobs import Json

REGION = "us-east-1"


class StubbedClients(Clients):
    """The clients of one region, each with a stub."""

    def __init__(self) -> None:
        session = boto3.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
        )
        super().__init__(session)
        self.stubs: dict[str, Stubber] = {}

    def in_region(self, region: str) -> Clients:
        assert region == REGION
        return self

    def expect(self, service: str, operation: str, answer: Json, **parameters: Json) -> None:
        """Answer the next call of a service."""
        self._stub(service).add_response(operation, answer, parameters)

    def refuse(self, service: str, operation: str, code: str, message: str = "") -> None:
        """Answer the next call of a service with an error."""
        self._stub(service).add_client_error(operation, code, message)

    def other(self, service: str) -> Json:
        self._stub(service)
        return vars(self)[f"_other_{service}"]

    def _stub(self, service: str) -> Stubber:
        if service in self.stubs:
            return self.stubs[service]
        if hasattr(Clients, service):
            client = getattr(self, service)
        else:
            create: Callable[..., Json] = self.session.client
            client = vars(self)[f"_other_{service}"] = create(service)
        self.stubs[service] = Stubber(client)
        self.stubs[service].activate()
        return self.stubs[service]


@contextmanager
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    """Give all commands stubbed clients; each expected call must happen."""
    clients = StubbedClients()
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BRAKET", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Call, "clients", clients)
    yield clients
    for stub in clients.stubs.values():
        stub.assert_no_pending_responses()
