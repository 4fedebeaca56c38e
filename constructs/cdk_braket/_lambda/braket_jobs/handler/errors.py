"""Errors: a gateway raises `ServiceError`, and `Failure` ends an event with a FAILED answer.

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

_SHORTEST_SECRET = 4  # shorter hyperparameter values ("1", "sgd") would only garble the text
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

    @property
    def may_be_propagation(self) -> bool:
        """Whether it is a refusal that a permission which was just given may still meet."""
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
        """Whether the caller may not make the call."""
        return self.code.rpartition(".")[2] in _DENIED

    @property
    def is_explicit_deny(self) -> bool:
        """Whether a policy denies the call, so that no permission can allow it."""
        return self.is_denied and _EXPLICIT_DENY in self.message.lower()

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        # The whole message: a value that is to be hidden is not found in one that was cut.
        return f"{self.operation}: {self.code}: {self.message}{request}"


def found_or_none(call: Callable[[], _T]) -> _T | None:
    """Return the result of a call; None if the service says that there is no such thing."""
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
    """Nobody waits for this event any more: a later one overtook it. It starts nothing."""


class OutOfTimeFailure(Failure):
    """The time to answer in is used up."""


class UnfinishedWait(Exception):  # noqa: N818 - not an error: another invocation goes on
    """This invocation's time is over before the wait for the job is.

    Attributes:
        until: When the wait is over (seconds since the epoch).
        job: The job's ARN.
    """

    def __init__(self, until: float, job: str) -> None:
        super().__init__("the wait goes on")
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
        "The service refuses the request: correct the property that its message names. If it is "
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
        "Publish the assets again (cdk deploy does), or correct the reference to your own object"
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


_EXPLICIT_DENY_ADVICE = (
    "A policy denies this explicitly, so no permission of the handler's role can allow it: the "
    "bucket's or the key's policy, a service control policy, a resource control policy, a "
    "permissions boundary or a VPC endpoint's policy. Ask its owner for an exception for the "
    "handler's role{headers}"
)

_HEADERS_ADVICE = (
    ". If the policy requires a server-side encryption header, give the bucket to the "
    "environment with its encryption key, so that the handler sends the header"
)

_AGREEMENT_ADVICE = (
    "Nobody has accepted the user agreement for third-party devices in this account: accept it "
    "once in the Amazon Braket console, under Permissions and settings, which takes the "
    "permission braket:AcceptUserAgreement, and deploy again"
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
        request: The CreateJob request that it was about, for names to put in the advice and
            hyperparameter values to keep out; may be empty.
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

    The text must not have been cut: what is left of a secret is not recognized.
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _SHORTEST_SECRET:
            text = text.replace(form, "***")
    return text


def _forms(value: str) -> Iterable[str]:
    """Return the forms in which a text may quote a value: as it is, escaped, in JSON, in a repr."""
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
