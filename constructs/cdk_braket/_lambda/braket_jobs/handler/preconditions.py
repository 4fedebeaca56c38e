"""Checks of the account before a job is created, each with its fix.

Without them, the service refuses the job, or accepts it and fails it after its instance started. In
neither case does it name the fix. The checks create nothing and are optional. If one fails, is
denied or times out after some seconds, the service decides.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from ..api.service_rules import (
    LOCAL_DEVICE,
    REACHABLE_PREFIX,
    REACHABLE_TAG,
    SERVICE_LINKED_ROLE,
    s3_uris,
    text_in,
)
from ..issue import Issue
from .errors import ServiceError
from .properties import JobProperties, Location
from .retries import Calls

_A = TypeVar("_A")
_T = TypeVar("_T")

Unchecked = Callable[[str, ServiceError], None]
"""Receives the name and the error of a failed check."""


def missing(calls: Calls, definition: JobProperties, unchecked: Unchecked) -> list[Issue]:
    """Return the missing prerequisites of a job.

    Args:
        calls: The calls, with retries.
        definition: The definition, with all tokens resolved.
        unchecked: Called for each check that failed.

    Raises:
        OutOfTimeFailure: The time has ended.
    """
    checks = _Checks(calls, definition, unchecked)
    return [*checks.role(), *checks.device(), *checks.script(), *checks.buckets()]


class _Checks:
    def __init__(self, calls: Calls, definition: JobProperties, unchecked: Unchecked) -> None:
        self._calls = calls
        self._gateway = calls.gateway
        self._request = definition.request
        self._copied = {destination.uri for _, destination in definition.assets}
        self._unchecked = unchecked

    def role(self) -> Iterator[Issue]:
        has_role = self._result_of(
            "service-linked role", self._gateway.has_role, SERVICE_LINKED_ROLE
        )
        if has_role is False:
            yield Issue(
                "",
                "Amazon Braket is not enabled in this account: it has no role "
                f"{SERVICE_LINKED_ROLE}",
                "Open the Amazon Braket console once, or run: aws iam create-service-linked-role "
                "--aws-service-name braket.amazonaws.com",
            )

    def device(self) -> Iterator[Issue]:
        device = text_in(self._request, "deviceConfig", "device")
        if not device or device.startswith(LOCAL_DEVICE):
            return
        status = self._result_of("device", self._gateway.device_status, device)
        if status not in {None, "ONLINE"}:
            fix = "Deploy again when it is online, or choose another device"
            yield Issue("", f"{device} is {status}", fix)

    def script(self) -> Iterator[Issue]:
        uri = text_in(self._request, "algorithmSpecification", "scriptModeConfig", "s3Uri")
        if uri in self._copied or not uri.startswith("s3://"):
            return  # a copy is checked after copying
        if self._result_of("script", self._gateway.has_object, Location.parse(uri)) is False:
            yield Issue("", f"the script {uri} does not exist", "upload it, or correct the key")

    def buckets(self) -> Iterator[Issue]:
        uris = [uri for uri in s3_uris(self._request).values() if uri.startswith("s3://")]
        for bucket in sorted({Location.parse(uri).bucket for uri in uris}):
            if not bucket.startswith(REACHABLE_PREFIX):
                yield from self._bucket(bucket)

    def _bucket(self, bucket: str) -> Iterator[Issue]:
        tags = self._result_of("bucket", self._gateway.bucket_tags, bucket)
        key, value = REACHABLE_TAG
        if tags is not None and tags.get(key) != value:
            yield Issue(
                "",
                f"Amazon Braket does not reach the bucket {bucket}",
                f"Give it a name that begins with {REACHABLE_PREFIX}, or turn its attribute-based "
                f"access control on and tag it {key}={value}",
            )

    def _result_of(self, check: str, call: Callable[[_A], _T], of: _A) -> _T | None:
        """Run a check once, with the gateway's short timeouts; None if there is no result."""
        self._calls.check_time()
        try:
            return call(of)
        except ServiceError as error:
            self._unchecked(check, error)
            return None
