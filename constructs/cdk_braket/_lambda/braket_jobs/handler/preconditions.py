"""Checks of the account before a job is created, each with its fix.

Without them the service refuses the job, or accepts it and lets it fail once its instance runs, and
in neither case names the fix. Nothing is created here. The checks are optional: one that cannot be
made, is not allowed or does not answer in seconds costs nothing, and the service decides.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from ..api.service_rules import (
    LOCAL_DEVICE,
    REACHABLE_PREFIX,
    REACHABLE_TAG,
    SERVICE_LINKED_ROLE,
    s3_uris,
    text_in,
)
from .errors import ServiceError
from .properties import JobProperties, Location
from .retries import Calls

_T = TypeVar("_T")

_ONLINE = "ONLINE"

Unchecked = Callable[[str, ServiceError], None]
"""Takes the name of a check that could not be made, and why."""


def missing(calls: Calls, definition: JobProperties, unchecked: Unchecked) -> list[str]:
    """Return what is missing for the job to run, a sentence each.

    Args:
        calls: Makes the calls.
        definition: What is asked for, with all tokens resolved.
        unchecked: Told of what could not be looked at.

    Raises:
        OutOfTimeFailure: The time is over.
    """
    looks = _Looks(calls, definition, unchecked)
    return [*looks.at_role(), *looks.at_device(), *looks.at_script(), *looks.at_buckets()]


class _Looks:
    def __init__(self, calls: Calls, definition: JobProperties, unchecked: Unchecked) -> None:
        self._calls = calls
        self._gateway = calls.gateway
        self._request = definition.request
        self._copied = {destination for _, destination in definition.assets}
        self._unchecked = unchecked

    def at_role(self) -> Iterator[str]:
        there = self._looked(
            "service-linked role", lambda: self._gateway.has_role(SERVICE_LINKED_ROLE)
        )
        if there is False:
            yield (
                f"Amazon Braket is not enabled in this account: it has no role "
                f"{SERVICE_LINKED_ROLE}. Open the Amazon Braket console once, or run: "
                "aws iam create-service-linked-role --aws-service-name braket.amazonaws.com"
            )

    def at_device(self) -> Iterator[str]:
        device = text_in(self._request, "deviceConfig", "device")
        if not device or device.startswith(LOCAL_DEVICE):
            return
        status = self._looked("device", lambda: self._gateway.device_status(device))
        if status is not None and status != _ONLINE:
            yield (
                f"{device} is {status}: deploy again when it is online, or choose another device"
            )

    def at_script(self) -> Iterator[str]:
        uri = text_in(self._request, "algorithmSpecification", "scriptModeConfig", "s3Uri")
        if not uri.startswith("s3://"):
            return
        script = Location.parse(uri)
        if script in self._copied:
            return  # the copy is checked
        if self._looked("script", lambda: self._gateway.has_object(script)) is False:
            yield f"the script {uri} does not exist: upload it, or correct the key"

    def at_buckets(self) -> Iterator[str]:
        for bucket in sorted(_buckets(self._request)):
            if not bucket.startswith(REACHABLE_PREFIX):
                yield from self._at_bucket(bucket)

    def _at_bucket(self, bucket: str) -> Iterator[str]:
        tags = self._looked("bucket", lambda: self._gateway.bucket_tags(bucket))
        key, value = REACHABLE_TAG
        if tags is not None and tags.get(key) != value:
            yield (
                f"Amazon Braket does not reach the bucket {bucket}: give it a name that begins "
                f"with {REACHABLE_PREFIX}, or turn its attribute-based access control on and tag "
                f"it {key}={value}"
            )

    def _looked(self, what: str, look: Callable[[], _T]) -> _T | None:
        """Make a check once, with the gateway's short time-outs; None if there is no result."""
        self._calls.check_time()
        try:
            return look()
        except ServiceError as error:
            self._unchecked(what, error)
            return None


def _buckets(request: Mapping[str, object]) -> set[str]:
    """Return the buckets of a request's S3 URIs."""
    uris = s3_uris(request).values()
    return {Location.parse(uri).bucket for uri in uris if uri.startswith("s3://")}
