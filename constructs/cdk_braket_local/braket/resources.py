"""The common parts of jobs and quantum tasks: their owner, and the token that creates one."""

import hashlib
import json
from collections.abc import Mapping
from typing import Protocol, TypeVar

from cdk_braket_local.braket.platform import Caller
from cdk_braket_local.braket.protocol import BraketError


class Resource(Protocol):
    """A job or a quantum task."""

    @property
    def caller(self) -> Caller:
        """The principal that created it."""


_R = TypeVar("_R", bound=Resource)


def is_visible(resource: Resource, caller: Caller) -> bool:
    """Whether a caller is in the account of a resource and speaks to its region."""
    own = resource.caller
    return (own.account, own.region) == (caller.account, caller.region)


def visible(resource: _R | None, caller: Caller, arn: str) -> _R:
    """Return a resource that a caller can see.

    Raises:
        BraketError: There is none with this ARN.
    """
    if resource is None or not is_visible(resource, caller):
        raise BraketError("ResourceNotFoundException", f"there is no {arn}")
    return resource


def queue_place(kind: str, status: str, position: int | None) -> dict[str, str]:
    """Return the members of QueueInfo for a place in a queue, or for none.

    Args:
        kind: The noun for the resource.
        status: Its state.
        position: The place, from 1; None if it is in no queue.
    """
    if position is not None:
        return {"position": str(position)}
    return {"position": "None", "message": f"The {kind} is {status}: it is in no queue."}


class ClientTokens:
    """The client tokens of an operation, each of which creates one resource.

    The caller holds the service's lock.

    Args:
        error: The error's shape for a token that comes back with another request. The answer of AWS
            is not known; this one loses and doubles nothing.
    """

    def __init__(self, error: str) -> None:
        self._error = error
        self._known: dict[tuple[str, str, str], tuple[str, str]] = {}

    def arn_of(self, caller: Caller, request: Mapping[str, object]) -> str | None:
        """Return the ARN of the resource that a request has created before, or None.

        Raises:
            BraketError: The token was used for another request.
        """
        known = self._known.get(_name(caller, request))
        if known is None:
            return None
        arn, content = known
        if content != _digest(request):
            raise BraketError(self._error, "the clientToken was used for another request before")
        return arn

    def remember(self, caller: Caller, request: Mapping[str, object], arn: str) -> None:
        """Remember the resource that a request has created."""
        self._known[_name(caller, request)] = (arn, _digest(request))


def _name(caller: Caller, request: Mapping[str, object]) -> tuple[str, str, str]:
    return caller.account, caller.region, str(request["clientToken"])


def _digest(request: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
