"""What can go wrong, and what to say about it.

`ServiceError` is what a gateway raises, `Failure` is what ends an event with a FAILED answer. The
reasons are for the person who deploys: what was tried, what was said, what to do.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

_SHORTEST_SECRET = 4  # shorter hyperparameter values ("1", "sgd") would only garble the text
_LONGEST_MESSAGE = 1000  # characters of a service's message that are passed on


class Kind(Enum):
    """What an error of a service means for the one who called."""

    TRANSIENT = auto()
    """Throttled, an internal error, a lost connection: the same call may succeed later. The call
    may have had its effect."""
    NOT_FOUND = auto()
    """What was asked for is not there."""
    CONFLICT = auto()
    """Somebody else changed it, or it is not in a state that allows the call."""
    PERMANENT = auto()
    """The same call will fail again."""


@dataclass(slots=True)
class ServiceError(Exception):
    """A call to a service failed.

    Attributes:
        operation: What was called, such as `CreateJob`.
        code: The service's error code, or the name of the client's exception.
        message: The service's message. Never a client-side message that repeats arguments.
        kind: What it means.
        request_id: The service's request id; empty when there was no answer.
    """

    operation: str
    code: str
    message: str
    kind: Kind
    request_id: str = ""

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        # The whole message: a value that is to be hidden is not found in one that was cut.
        return f"{self.operation}: {self.code}: {self.message}{request}"


class Failure(Exception):  # noqa: N818 - the outcome of an event, not an error in a program
    """The event ends with FAILED, and this is the reason."""


class LateEventFailure(Failure):
    """Nobody waits for this event any more: a later one overtook it. It starts nothing."""


class OutOfTimeFailure(Failure):
    """The time to answer in is used up."""


class UnfinishedWait(Exception):  # noqa: N818 - not an error: another invocation goes on
    """This invocation's time is over before the wait for the job is.

    Attributes:
        until: When the wait is over (seconds since the epoch).
        physical_id: What to answer with if nobody can go on.
    """

    def __init__(self, until: float) -> None:
        super().__init__("the wait goes on")
        self.until = until
        self.physical_id = ""


class UnreadableRecordFailure(Failure):
    """The record of the resource's jobs is damaged, or of a newer release."""


class UnconfirmedCancelFailure(Failure):
    """A job may still run and bill: its cancellation could not be confirmed."""

    def __init__(self, job_arn: str, why: str) -> None:
        super().__init__(
            f"The job {job_arn} may still run and bill: its cancellation could not be confirmed "
            f"({why}). Look at it in the Amazon Braket console, cancel it there if need be, and "
            f"try the deployment again."
        )
        self.job_arn = job_arn


ASSET_NOT_FOUND = "AssetNotFound"
"""Our own code for a copy whose source is not there: S3 says 404 and no more."""

FORBIDDEN = "403"
"""The code of what S3 refuses in answer to HEAD, where there is no body to say more."""

_ADVICE: Mapping[tuple[str, str], str] = {
    ("CreateJob", "ServiceQuotaExceededException"): (
        "A quota of this account in {region} is used up: concurrent hybrid jobs, or instances of "
        "type {instance}. Ask for more under Service Quotas, Amazon Braket, in {region}, choose "
        "another instance type, or wait until a job ends"
    ),
    ("CreateJob", "AccessDeniedException"): (
        "Either the handler's role lacks braket:CreateJob, braket:TagResource or iam:PassRole on "
        "{role}, or the account may not use {device} or hybrid jobs in {region} yet"
    ),
    ("CreateJob", "DeviceRetiredException"): "{device} is retired: choose another device",
    ("CreateJob", "DeviceOfflineException"): (
        "{device} is offline: deploy again when it is online, or choose another device"
    ),
    ("CreateJob", "ConflictException"): (
        "The service holds another request under this client token: change the definition"
    ),
    ("CreateJob", "ValidationException"): (
        "The service refuses the request: mend the property that its message names. If it is "
        "about the role, {role} must exist and trust braket.amazonaws.com; if about a bucket, its "
        "name must start with amazon-braket- and it must be in {region}"
    ),
    ("CreateJob", "ParamValidationError"): (
        "The function's boto3 does not know a member or a type of the request: use a newer "
        "runtime of the handler"
    ),
    ("CopyObject", "EntityTooLarge"): (
        "One copy takes 5 GB at most: upload the object to an amazon-braket- bucket yourself and "
        "refer to it there"
    ),
    ("CopyObject", ASSET_NOT_FOUND): (
        "Publish the assets again (cdk deploy does), or mend the reference to your own object"
    ),
}

_ADVICE_ON_CODE: Mapping[str, str] = {
    FORBIDDEN: (
        "The object is not there, or the handler's role lacks a permission on it or on its key"
    ),
    "AccessDenied": "The handler's role lacks a permission on this object, or on its key",
    "AccessDeniedException": "The handler's role lacks this permission",
    "NoSuchBucket": "The bucket is gone: restore it, or change the stack so that it is made anew",
}


def explain(error: ServiceError, request: Mapping[str, object], region: str) -> str:
    """Return the reason for the user: what failed and what to do.

    Args:
        error: What the service said.
        request: The CreateJob request that it was about, for names to put in the advice and
            hyperparameter values to keep out; may be empty.
        region: The region of the call.
    """
    advice = _ADVICE.get((error.operation, error.code)) or _ADVICE_ON_CODE.get(error.code, "")
    message = without_secrets(error.message, request)[:_LONGEST_MESSAGE]
    said = without_secrets(str(replace(error, message=message)), request)
    if not advice:
        return said
    filled = advice.format(
        region=region,
        instance=_text(request, "instanceConfig", "instanceType") or "the chosen type",
        device=_text(request, "deviceConfig", "device") or "the device",
        role=_text(request, "roleArn") or "the job's role",
    )
    return f"{said}. {filled}."


def without_secrets(text: str, request: Mapping[str, object]) -> str:
    """Return the text without the values of the request's hyperparameters.

    The text must not have been cut: what is left of a value is not recognized.
    """
    forms = {form for value in _hyperparameter_values(request) for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(value: str) -> Iterable[str]:
    """Return what a value looks like where a service quotes it: as it is, in JSON, in a repr."""
    quoted = (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value))
    return [value, *(form[1:-1] for form in quoted)]


def _hyperparameter_values(request: Mapping[str, object]) -> Iterable[str]:
    values = request.get("hyperParameters")
    if not isinstance(values, Mapping):
        return []
    return [v for v in values.values() if isinstance(v, str) and len(v) >= _SHORTEST_SECRET]


def _text(request: Mapping[str, object], *path: str) -> str:
    value: object = request
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
