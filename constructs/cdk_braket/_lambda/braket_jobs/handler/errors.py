"""Errors: a gateway raises `ServiceError`, and `Failure` ends an event with a FAILED response.

The reasons are for the person who deploys: the call, the reply and the fix.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeVar
from urllib.parse import quote

from ..api.service_rules import text_in
from ..issue import Issue, one_line

_T = TypeVar("_T")

_SHORTEST_SECRET = 4  # redacting shorter values ("1", "sgd") would make messages unreadable
_LONGEST_MESSAGE = 1000  # characters of a service's message that are passed on

_DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "Forbidden"})
# Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_EXPLICIT_DENY = "explicit deny"
_QUOTA = "ServiceQuotaExceededException"
# Source: https://docs.aws.amazon.com/braket/latest/APIReference/CommonErrors.html
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
# The refusal of a third-party QPU, "User agreement has not been accepted".
_AGREEMENT = "user agreement"


class Kind(Enum):
    """The consequence of a service's error for the caller."""

    TRANSIENT = auto()
    """Throttled, an internal error, a lost connection: the same call may succeed later. It may also
    have had an effect."""
    NOT_FOUND = auto()
    """The requested resource does not exist."""
    CONFLICT = auto()
    """Another caller changed it, or its state does not allow the call."""
    PERMANENT = auto()
    """The same call will fail again."""


@dataclass(slots=True)
class ServiceError(Exception):
    """A call to a service failed.

    Attributes:
        operation: The operation, such as `CreateJob`.
        code: The service's error code, or the name of the client's exception.
        message: The service's message. Never a client-side message that repeats arguments.
        kind: Its consequence for the caller.
        request_id: The service's request id; empty without a response.
    """

    operation: str
    code: str
    message: str
    kind: Kind
    request_id: str = ""

    @property
    def may_be_propagation(self) -> bool:
        """Whether a new permission that has not taken effect yet may be the reason."""
        said = self.message.lower()
        return self.is_denied and not any(words in said for words in (_EXPLICIT_DENY, _AGREEMENT))

    @property
    def is_quota(self) -> bool:
        """Whether a quota of the account is used up."""
        return self.code == _QUOTA

    @property
    def is_refusal_for_now(self) -> bool:
        """Whether the call had no effect, and the same call succeeds once there is capacity."""
        return self.is_quota or self.code in _THROTTLED

    @property
    def is_denied(self) -> bool:
        """Whether the caller lacks the permission."""
        return self.code.rpartition(".")[2] in _DENIED

    @property
    def is_explicit_deny(self) -> bool:
        """Whether a policy denies the call, so that no permission can allow it."""
        return self.is_denied and _EXPLICIT_DENY in self.message.lower()

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        # The whole message: a secret cannot be found in a shortened one.
        return f"{self.operation}: {self.code}: {self.message}{request}"


def found_or_none(call: Callable[[], _T]) -> _T | None:
    """Return the result of a call; None if the service does not find it."""
    try:
        return call()
    except ServiceError as error:
        if error.kind is Kind.NOT_FOUND:
            return None
        raise


class Failure(Exception):  # noqa: N818 - the outcome of an event, not an error in a program
    """The event ends with FAILED, for these reasons."""

    def __init__(self, *issues: Issue | str) -> None:
        super().__init__(" ".join(str(Issue("", i) if isinstance(i, str) else i) for i in issues))


class DeferredFailure(Failure):
    """The service refuses to create a job now, and the caller repeats the event later.

    Attributes:
        is_quota: Whether a quota is used up; else the account calls too often.
    """

    def __init__(self, reason: str, *, is_quota: bool) -> None:
        super().__init__(reason)
        self.is_quota = is_quota


class LateEventFailure(Failure):
    """A later event replaced this one, which starts nothing."""


class OutOfTimeFailure(Failure):
    """The time for the response has ended."""


class UnfinishedWait(Exception):  # noqa: N818 - not an error: another invocation continues
    """This invocation's time ended before the wait for the job.

    Attributes:
        until: The end of the wait (seconds since the epoch).
        job: The job's ARN.
    """

    def __init__(self, until: float, job: str) -> None:
        super().__init__("the wait continues")
        self.until = until
        self.job = job


class UnreadableRecordFailure(Failure):
    """The record of the resource's jobs is damaged."""


class UnconfirmedCancelFailure(Failure):
    """A job may still run and bill: its cancellation could not be confirmed."""

    def __init__(self, job_arn: str, why: str) -> None:
        rule = (
            f"The job {job_arn} may still run and bill: its cancellation could not be confirmed "
            f"({why})"
        )
        fix = (
            "Check it in the Amazon Braket console, cancel it there if it runs, and try the "
            "deployment again"
        )
        super().__init__(Issue("", rule, fix))


ASSET_NOT_FOUND = "AssetNotFound"
"""Our own code for a copy with a missing source, for which S3 returns only 404."""

FORBIDDEN = "403"
"""S3's code for a refused HEAD request, whose response has no body."""

_ADVICE: Mapping[tuple[str, str], str] = {
    ("CreateJob", "ServiceQuotaExceededException"): (
        "A quota of this account in {region} is used up: concurrent hybrid jobs, or instances of "
        "type {instance}. Request more under Service Quotas, Amazon Braket, in {region}, choose "
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
        "The service refuses the request: correct the property in its message. Role {role} must "
        "exist and trust braket.amazonaws.com. A bucket must have a name that starts with "
        "amazon-braket- and be in {region}"
    ),
    ("CreateJob", "ParamValidationError"): (
        "The function's botocore does not know a member or a type of the request: use a newer "
        "runtime of the handler"
    ),
    ("CopyObject", "EntityTooLarge"): (
        "One copy is limited to 5 GB: upload the object to an amazon-braket- bucket yourself and "
        "refer to it there"
    ),
    ("CopyObject", ASSET_NOT_FOUND): (
        "Publish the assets again (cdk deploy does), or correct the reference to your own object"
    ),
}

_ADVICE_ON_CODE: Mapping[str, str] = {
    FORBIDDEN: (
        "The object is not there, or the handler's role lacks a permission on it or on its key"
    ),
    "AccessDenied": "The handler's role lacks a permission on this object, or on its key",
    "AccessDeniedException": "The handler's role lacks this permission",
    "NoSuchBucket": "The bucket is gone: restore it, or change the stack to create it again",
}


_EXPLICIT_DENY_ADVICE = (
    "A policy denies this explicitly, so no permission of the handler's role can allow it. It can "
    "be the policy of the bucket, the key or a VPC endpoint. It can also be a service control "
    "policy, a resource control policy or a permissions boundary. Request an exception for the "
    "handler's role from its owner{headers}"
)

_HEADERS_ADVICE = (
    ". If the policy requires a server-side encryption header, give the bucket to the "
    "environment with its encryption key, so that the handler sends the header"
)

_AGREEMENT_ADVICE = (
    "The user agreement for third-party devices is not accepted in this account. Accept it once "
    "in the Amazon Braket console, under Permissions and settings, and deploy again. This needs "
    "the permission braket:AcceptUserAgreement"
)


def _advice_on(error: ServiceError) -> str:
    if error.is_denied and _AGREEMENT in error.message.lower():
        return _AGREEMENT_ADVICE
    if error.is_explicit_deny:
        writes = error.operation in {"PutObject", "CopyObject"}
        return _EXPLICIT_DENY_ADVICE.replace("{headers}", _HEADERS_ADVICE if writes else "")
    return _ADVICE.get((error.operation, error.code)) or _ADVICE_ON_CODE.get(error.code, "")


def explain(error: ServiceError, request: Mapping[str, object], region: str) -> Issue:
    """Return the issue for the user: the call that failed, and the fix.

    Args:
        error: The error.
        request: The CreateJob request, for the names in the advice and the hyperparameter values to
            redact; may be empty.
        region: The region of the call.
    """
    secrets = hyperparameter_values(request)
    message = redacted(error.message, secrets)[:_LONGEST_MESSAGE]
    fix = _advice_on(error).format(
        region=region,
        instance=text_in(request, "instanceConfig", "instanceType") or "the chosen type",
        device=text_in(request, "deviceConfig", "device") or "the device",
        role=text_in(request, "roleArn") or "the job's role",
    )
    said = str(replace(error, message=message)).removeprefix(f"{error.operation}: ")
    return Issue(error.operation, redacted(said, secrets), fix)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return the text without secrets of four characters or more, however they are quoted.

    Pass the whole text: a part of a secret is not recognized.
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SHORTEST_SECRET:
            text = text.replace(form, "***")
    return text


def _forms(value: str) -> Iterable[str]:
    """Return the forms of a value in a message: unchanged, escaped, in JSON, in a repr."""
    quoted = (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value))
    once = [form[1:-1] for form in quoted]
    in_url = quote(value.encode("utf-8", "replace"))
    return [value, one_line(value), *once, json.dumps(once[0])[1:-1], in_url]


def hyperparameter_values(request: Mapping[str, object]) -> list[str]:
    """Return the values of a request's hyperparameters that are long enough to be secrets."""
    values = request.get("hyperParameters")
    if not isinstance(values, Mapping):
        return []
    return [v for v in values.values() if isinstance(v, str) and len(v) >= _SHORTEST_SECRET]
