"""CloudFormation's events and the responses to them."""

import hashlib
import json
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from time import strptime
from urllib.parse import parse_qs, urlsplit

from ..api.service_rules import mapping_in, text_in
from .errors import Failure, Kind, ServiceError
from .gateway import Gateway
from .invocation import NOTHING_STARTED, Event, RequestType
from .log import log

LARGEST_BODY = 4096
"""Bytes of a response document.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

LARGEST_PHYSICAL_ID = 1024
"""Bytes of a physical id. Same source."""

WAITS_UNTIL = "CdkBraketWaitsUntil"
"""The member of an event for the next invocation: the end of the wait for the job, in seconds since
the epoch."""

ANSWER_ATTEMPTS = 6

_LONGEST_NAME = 512  # bytes; CloudFormation's own ids are shorter
_LATEST_TIME = 1e11  # seconds since the epoch; a later one is no time
_HTTP_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a failure if it has a reason, else a success."""

    physical_id: str
    reason: str | None = None
    attributes: Mapping[str, str] | None = None


# --- Events. ---


def response_url(event: object) -> str | None:
    """Return the presigned URL for the response to an event; None if it has none."""
    url = text_in(event, "ResponseURL")
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return url if is_valid else None


def read_event(raw: Mapping[str, object]) -> Event:
    """Read CloudFormation's event.

    Raises:
        Failure: It is not one.
    """
    kind = text_in(raw, "RequestType")
    if kind not in set(RequestType):
        raise Failure(f"The event's RequestType is none of {', '.join(RequestType)}")
    for name in ("StackId", "LogicalResourceId", "RequestId"):
        if not _is_name(text_in(raw, name)):
            raise Failure(f"The event's {name} is missing or too long")
    url = text_in(raw, "ResponseURL")
    sent_at, expires_at = _times(url)
    delivery = f"{text_in(raw, 'RequestId')}\n{url}".encode("utf-8", "surrogatepass")
    return Event(
        type=RequestType(kind),
        id=hashlib.sha256(delivery).hexdigest()[:32],
        stack_id=text_in(raw, "StackId"),
        logical_id=text_in(raw, "LogicalResourceId"),
        physical_id=text_in(raw, "PhysicalResourceId"),
        properties=mapping_in(raw, "ResourceProperties"),
        old_properties=mapping_in(raw, "OldResourceProperties"),
        sent_at=sent_at,
        expires_at=expires_at,
        waits_until=_time_in(raw, WAITS_UNTIL),
    )


def _is_name(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:  # JSON can hold text that UTF-8 cannot
        return False


def _times(url: str) -> tuple[float | None, float | None]:
    """Return when a presigned URL was signed and when it expires, if it has both.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    query = parse_qs(urlsplit(url).query)
    try:
        signed = float(timegm(strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ")))
        return signed, signed + int(query["X-Amz-Expires"][0])
    except (KeyError, ValueError):
        return None, None


def _time_in(raw: Mapping[str, object], name: str) -> float | None:
    value = raw.get(name)
    if not isinstance(value, int | float) or not 0 < value < _LATEST_TIME:
        return None
    return float(value)


# --- Answers. ---


def body_of(event: Mapping[str, object], answer: Answer) -> bytes:
    """Return the response document, never larger than CloudFormation allows."""
    fields: dict[str, object] = {
        "PhysicalResourceId": _valid_physical_id(answer.physical_id),
        "StackId": _echo(event, "StackId"),
        "RequestId": _echo(event, "RequestId"),
        "LogicalResourceId": _echo(event, "LogicalResourceId"),
    }
    reason = answer.reason
    if reason is None:
        body = _encoded({"Status": "SUCCESS", **fields, "Data": answer.attributes or {}})
        if len(body) <= LARGEST_BODY:
            return body
        reason = "The job's paths are too long to be answered to CloudFormation: use shorter ones."
    fields["Status"] = "FAILED"
    room = LARGEST_BODY - len(_encoded({**fields, "Reason": ""}))
    while reason and len(_encoded(reason)) - 2 > room:
        reason = reason[: max(len(reason) * 9 // 10 - 1, 0)]
    return _encoded({**fields, "Reason": reason})


def _echo(event: Mapping[str, object], name: str) -> str:
    text = text_in(event, name).encode("utf-8", "replace")
    return text[:_LONGEST_NAME].decode("utf-8", "ignore")


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _valid_physical_id(physical_id: str) -> str:
    size = len(physical_id.encode("utf-8", "replace"))
    return physical_id if 0 < size <= LARGEST_PHYSICAL_ID else NOTHING_STARTED


def deliver(url: str, body: bytes, gateway: Gateway, ends: float) -> None:
    """Send a response until CloudFormation has received it.

    Every status except a success is retried. S3 returns 400 for a slow request, and 409 or a
    redirect for one that may be sent again.

    Args:
        url: The ResponseURL.
        body: The response document.
        gateway: Every call that leaves the process.
        ends: When to stop (seconds since the epoch).

    Raises:
        ServiceError: It was not received. Lambda then runs the event again. This is safe, because
            everything that this run did is in the record.
    """
    for attempt in range(ANSWER_ATTEMPTS):
        try:
            status = gateway.put_answer(url, body)
        except ServiceError as error:
            log("answer_not_delivered", {"error": error.code})
        else:
            log("answered", {"httpStatus": status})
            if status in _HTTP_OK:
                return
        pause = 0.5 * 2**attempt
        if gateway.now() + pause >= ends:
            break
        gateway.sleep(pause)
    raise ServiceError("PutAnswer", "Undeliverable", "the answer was not received", Kind.TRANSIENT)
