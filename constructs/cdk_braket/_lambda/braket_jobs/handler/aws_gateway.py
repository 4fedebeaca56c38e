"""Every call that leaves the handler, by botocore or HTTP.

docs/reference/permissions.md lists them. The clients are botocore's: they start faster than those
of boto3, which would add nothing here.

Each method is one call, without decisions or retries. Botocore's retries are disabled, so that each
retry is explicit, has jitter and respects the time budget. Every call has timeouts, which are short
for optional checks.
"""

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    ParamValidationError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session, get_session

from ..api import model_rules, service_model
from ..api.sweep_table import numbers_in
from .create_job import ANNOUNCED_SECONDS, CALL_SECONDS
from .errors import (
    ASSET_NOT_FOUND,
    FORBIDDEN,
    Kind,
    ServiceError,
    found_or_none,
    hyperparameter_values,
    redacted,
)
from .gateway import Gateway, Job, Page
from .properties import Encryption, Location

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_P = ParamSpec("_P")
_T = TypeVar("_T")

CONNECT_SECONDS = 5
READ_SECONDS = 30
CHECK_SECONDS = 3
"""Timeouts of an optional check, which may hang, such as IAM in a VPC without NAT."""

COPY_SECONDS = 180
"""A server-side copy of a large object responds only after it is complete."""

ANSWER_SECONDS = 10

# With status 400.
_NOT_FOUND_CODES = frozenset({"ExecutionDoesNotExist", "StateMachineDoesNotExist"})

LARGEST_COPY_BYTES = 5 * 1024**3
"""The limit of one CopyObject.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

SOURCE_ETAG = "cdk-braket-source-etag"
"""Metadata of a copy: the ETag of its source. (The copy's own ETag differs if it is encrypted with
another key.)"""

_TRANSIENT_CODES = frozenset(
    {
        "InternalException",
        "InternalFailure",
        "RequestLimitExceeded",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TRANSIENT = (
    BotoConnectionError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    OSError,
    ResponseParserError,
)
"""The errors of botocore for an incomplete response."""

_GUESSED: Final = (Encryption("aws:kms"), Encryption("AES256"))
"""The encryption to request where a bucket refuses objects without a header, and neither the
environment nor S3 specifies the bucket's own."""

_KINDS: Final[Mapping[int, Kind]] = {
    307: Kind.TRANSIENT,  # S3, while a new bucket's name is not known everywhere
    404: Kind.NOT_FOUND,
    408: Kind.TRANSIENT,
    409: Kind.CONFLICT,
    412: Kind.CONFLICT,
    429: Kind.TRANSIENT,
}
_HTTP_ERROR = 500


def _client(service: str, read: float = READ_SECONDS, connect: float = CONNECT_SECONDS) -> Any:  # noqa: ANN401 - annotated where it is used
    """Return a client that is created on first use, so that cold starts create no others."""
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent_extra="cdk-braket",
    )

    def created(_: object) -> object:
        with _translated(service):  # it may read credentials
            return _session().create_client(service, config=config)

    return cached_property(created)


@cache
def _session() -> Session:
    session = get_session()
    session.register_component("data_loader", service_model.LOADER)
    return session


class AwsGateway(Gateway):
    """The gateway to the real services, or to those of `AWS_ENDPOINT_URL`."""

    _braket: "BraketClient" = _client("braket")
    _braket_checks: "BraketClient" = _client("braket", CHECK_SECONDS, CHECK_SECONDS)
    _events: "EventBridgeClient" = _client("events")
    _iam: "IAMClient" = _client("iam", CHECK_SECONDS, CHECK_SECONDS)
    _lambda: "LambdaClient" = _client("lambda")
    _s3: "S3Client" = _client("s3")
    _s3_checks: "S3Client" = _client("s3", CHECK_SECONDS, CHECK_SECONDS)
    _s3_for_copies: "S3Client" = _client("s3", COPY_SECONDS)
    _states: Any = _client("stepfunctions")  # boto3-stubs are not installed for it

    def __init__(self) -> None:
        self._encryption_of: dict[str, Encryption] = {}
        self._checked_buckets: set[str] = set()

    def create_clients(self) -> None:
        """Create the clients that almost every event needs, before there is one.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/best-practices.html
        """
        with suppress(ServiceError):  # the first call will fail, and is handled
            _ = self._s3, self._braket

    @property
    def region(self) -> str:
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    # --- The record. ---

    def read_record(self, location: Location) -> tuple[str, str] | None:
        with _translated("GetObject"):
            try:
                found = self._s3.get_object(Bucket=location.bucket, Key=location.key)
            except self._s3.exceptions.NoSuchKey:
                return None
            return found["Body"].read().decode("utf-8", "replace"), found["ETag"]

    def write_record(
        self,
        location: Location,
        text: str,
        version: str | None,
        encryption: Encryption | None = None,
    ) -> str:
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}

        def put() -> str:
            return self._put(location, text, "application/json", encryption, **condition)

        try:
            written = put()
        except ServiceError as error:
            if error.code == "NoSuchKey":  # the record was deleted since it was read
                error.kind = Kind.CONFLICT
            raise
        if version is None and location.bucket not in self._checked_buckets:
            self._check_conditions(location.bucket, put)
        return written

    def _check_conditions(self, bucket: str, put: Callable[[], str]) -> None:
        """Repeat the write of the new object, which must be refused."""
        try:
            put()
        except ServiceError as error:
            if error.kind is Kind.CONFLICT:
                self._checked_buckets.add(bucket)
            return
        message = f"s3://{bucket} ignores the condition If-None-Match of PutObject"
        raise ServiceError("PutObject", "ConditionIgnored", message, Kind.PERMANENT)

    def overwrite(self, location: Location, text: str, content_type: str) -> None:
        self._put(location, text, content_type, None)

    def _put(
        self,
        location: Location,
        text: str,
        content_type: str,
        encryption: Encryption | None,
        **condition: str,
    ) -> str:
        def put(headers: Mapping[str, str]) -> str:
            written = self._s3.put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=text.encode(),
                ContentType=content_type,
                **condition,  # type: ignore[arg-type]  # the stub knows no mapping
                **headers,  # type: ignore[arg-type]
            )
            return written.get("ETag", "")

        return self._encrypted("PutObject", location.bucket, encryption, put)

    def _encrypted(
        self,
        operation: str,
        bucket: str,
        encryption: Encryption | None,
        put: Callable[[Mapping[str, str]], _T],
    ) -> _T:
        """Write an object with the encryption header that fits the bucket.

        Without a header S3 applies the bucket's default, which is right unless a policy
        denies writes without one.
        """
        known = encryption or self._encryption_of.get(bucket)
        try:
            return _call(operation, put, _headers(known))
        except ServiceError as refusal:
            if known is not None or not refusal.is_denied or "no identity-based" in refusal.message:
                raise
            accepted = self._with_guess(operation, bucket, put)
            if accepted is None:
                raise
            guess, written = accepted
            if refusal.is_explicit_deny:
                self._encryption_of[bucket] = guess
            return written

    def _with_guess(
        self, operation: str, bucket: str, put: Callable[[Mapping[str, str]], _T]
    ) -> tuple[Encryption, _T] | None:
        """Write an object with each likely encryption; return the accepted one and the result."""
        for guess in self._guesses(bucket):
            try:
                return guess, _call(operation, put, _headers(guess))
            except ServiceError as error:
                if not error.is_denied and error.kind is not Kind.PERMANENT:
                    raise
        return None

    def _guesses(self, bucket: str) -> list[Encryption]:
        """Return the bucket's default encryption, if it may be read, then the usual ones."""
        try:
            get = self._s3_checks.get_bucket_encryption
            found = _call("GetBucketEncryption", get, Bucket=bucket)
            [rule, *_] = found["ServerSideEncryptionConfiguration"]["Rules"]
            default = rule["ApplyServerSideEncryptionByDefault"]
        except (ServiceError, KeyError, ValueError):
            return list(_GUESSED)
        own = Encryption(default["SSEAlgorithm"], default.get("KMSMasterKeyID", ""))
        return list(dict.fromkeys((own, *_GUESSED)))

    # --- Assets. ---

    def copy_asset(
        self, source: Location, destination: Location, encryption: Encryption | None = None
    ) -> None:
        head = found_or_none(lambda: self._head("CopyObject", source))
        if head is None:
            message = f"{source.uri} is not there"
            raise ServiceError("CopyObject", ASSET_NOT_FOUND, message, Kind.PERMANENT)
        size, etag = head["ContentLength"], head["ETag"]
        if self._is_copy(destination, size, etag):
            return
        if size > LARGEST_COPY_BYTES:
            message = f"{source.uri} has {size} bytes"
            raise ServiceError("CopyObject", "EntityTooLarge", message, Kind.PERMANENT)

        def copy(headers: Mapping[str, str]) -> object:
            return self._s3_for_copies.copy_object(
                CopySource={"Bucket": source.bucket, "Key": source.key},
                CopySourceIfMatch=etag,
                Bucket=destination.bucket,
                Key=destination.key,
                # Neither the source's metadata nor its tags: tags would need permissions.
                MetadataDirective="REPLACE",
                Metadata={SOURCE_ETAG: etag},
                TaggingDirective="REPLACE",
                **headers,  # type: ignore[arg-type]
            )

        try:
            self._encrypted("CopyObject", destination.bucket, encryption, copy)
        except ServiceError as error:
            if error.kind is Kind.CONFLICT:  # the source changed since it was measured
                error.kind = Kind.TRANSIENT
            raise

    def list_keys(self, prefix: Location, token: str = "") -> Page[str]:
        page = _call(
            "ListObjectsV2",
            self._s3.list_objects_v2,
            Bucket=prefix.bucket,
            Prefix=prefix.key,
            **({"ContinuationToken": token} if token else {}),  # type: ignore[arg-type]
        )
        keys = tuple(entry["Key"] for entry in page.get("Contents", []))
        return Page(keys, page.get("NextContinuationToken", ""))

    def _is_copy(self, destination: Location, size: int, etag: str) -> bool:
        head = found_or_none(lambda: self._head("HeadObject", destination))
        if head is None:
            return False
        return head["ContentLength"] == size and head["Metadata"].get(SOURCE_ETAG) == etag

    def _head(
        self, operation: str, place: Location, client: "S3Client | None" = None
    ) -> "HeadObjectOutputTypeDef":
        """Describe an object. S3 refuses without a message, so the error names the object."""
        get = (client or self._s3).head_object
        try:
            return _call(operation, get, Bucket=place.bucket, Key=place.key)
        except ServiceError as error:
            if error.code == FORBIDDEN:
                error.message = place.uri
            raise

    # --- Optional checks. ---

    def has_role(self, name: str) -> bool:
        get = self._iam.get_role
        return found_or_none(lambda: _call("GetRole", get, RoleName=name)) is not None

    def device_status(self, arn: str) -> str:
        found = _call("GetDevice", self._braket_checks.get_device, deviceArn=arn)
        return found["deviceStatus"]

    def has_object(self, location: Location) -> bool:
        client = self._s3_checks
        return found_or_none(lambda: self._head("HeadObject", location, client)) is not None

    def bucket_tags(self, bucket: str) -> Mapping[str, str]:
        try:
            found = _call("GetBucketTagging", self._s3_checks.get_bucket_tagging, Bucket=bucket)
        except ServiceError as error:
            if error.code == "NoSuchTagSet":
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    # --- The function itself. ---

    def invoke_again(self, function_arn: str, event: Mapping[str, object]) -> None:
        _call(
            "Invoke",
            self._lambda.invoke,
            FunctionName=function_arn,
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )

    # --- Jobs. ---

    def create_job(self, request: Mapping[str, object]) -> str:
        created = _call("CreateJob", self._braket.create_job, **request)  # type: ignore[arg-type]
        return created["jobArn"]

    def get_job(self, arn: str) -> Job:
        found = _call("GetJob", self._braket.get_job, jobArn=arn)
        return Job(
            arn=found["jobArn"],
            status=found["status"],
            name=found["jobName"],
            tags=found.get("tags", {}),
            results_path=found["outputDataConfig"]["s3Path"],
            checkpoint_uri=found.get("checkpointConfig", {"s3Uri": ""})["s3Uri"],
            # The reason is the script's, and may quote hyperparameters.
            failure_reason=redacted(found.get("failureReason", ""), hyperparameter_values(found)),
            started_at=_iso(found.get("startedAt")),
            ended_at=_iso(found.get("endedAt")),
            instances=found["instanceConfig"].get("instanceCount", 1),
        )

    def find_jobs(self, created_after: float, token: str = "") -> Page[Job]:
        since = datetime.fromtimestamp(created_after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        most = model_rules.bounds(model_rules.shape_of("SearchJobsRequest", "maxResults")).maximum
        page = _call(
            "SearchJobs",
            self._braket.search_jobs,
            filters=[{"name": "createdAt", "operator": "GTE", "values": [since]}],
            maxResults=most or 10,
            **({"nextToken": token} if token else {}),
        )
        jobs = (Job(j["jobArn"], j["status"], j["jobName"], j.get("tags")) for j in page["jobs"])
        return Page(tuple(jobs), page.get("nextToken", ""))

    def cancel_job(self, arn: str) -> None:
        _call("CancelJob", self._braket.cancel_job, jobArn=arn)

    def tag_job(self, arn: str, tags: Mapping[str, str]) -> None:
        _call("TagResource", self._braket.tag_resource, resourceArn=arn, tags=tags)

    def untag_job(self, arn: str, keys: tuple[str, ...]) -> None:
        _call("UntagResource", self._braket.untag_resource, resourceArn=arn, tagKeys=list(keys))

    # --- Events and state machines. ---

    def put_event(
        self, source: str, detail_type: str, detail: Mapping[str, str], resource: str
    ) -> None:
        entry: dict[str, Any] = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": [resource],
        }
        answer = _call("PutEvents", self._events.put_events, Entries=[entry])  # type: ignore[list-item]
        for result in answer["Entries"]:
            # Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
            if code := result.get("ErrorCode"):
                kind = _kind(code, 0)
                raise ServiceError("PutEvents", code, result.get("ErrorMessage", ""), kind)

    def send_task_success(self, token: str, output: Mapping[str, object]) -> None:
        send = self._states.send_task_success
        _call("SendTaskSuccess", send, taskToken=token, output=json.dumps(output))

    def send_task_failure(self, token: str, error: str, cause: str) -> None:
        send = self._states.send_task_failure
        _call("SendTaskFailure", send, taskToken=token, error=error, cause=cause)

    # --- CloudFormation. ---

    def start_execution(self, state_machine: str, name: str, text: str) -> str:
        start = self._states.start_execution
        answer = _call(
            "StartExecution", start, stateMachineArn=state_machine, name=name, input=text
        )
        return str(answer["executionArn"])

    def list_executions(self, state_machine: str, token: str = "") -> Page[Job]:
        more = {"nextToken": token} if token else {}
        listed = self._states.list_executions
        page = _call("ListExecutions", listed, stateMachineArn=state_machine, **more)
        executions = tuple(
            Job(e["executionArn"], e["status"], e["name"], None, started_at=_iso(e["startDate"]))
            for e in page["executions"]
        )
        return Page(executions, page.get("nextToken", ""))

    def execution_status(self, execution: str) -> str:
        describe = self._states.describe_execution
        return str(_call("DescribeExecution", describe, executionArn=execution)["status"])

    def stop_execution(self, execution: str) -> None:
        _call("StopExecution", self._states.stop_execution, executionArn=execution)

    def read_metrics(self, archive: Location) -> Mapping[str, int | float]:
        # Only points of sweeps need it: its modules are slow to import.
        from .job_result import result_in  # noqa: PLC0415

        with _translated("GetObject"):
            body = self._s3.get_object(Bucket=archive.bucket, Key=archive.key)["Body"]
            try:
                return numbers_in(result_in(body))
            finally:
                body.close()

    def accepts_answers(self, url: str) -> bool:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return True
        endpoints = (v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT_URL"))
        return parts.hostname in {urlsplit(endpoint).hostname for endpoint in endpoints}

    def put_answer(self, url: str, body: bytes) -> int:
        connection, target = _connection(url)
        # Ends the connection after some seconds, however slowly the reply is sent.
        timer = threading.Timer(ANSWER_SECONDS, _shut_down, [connection])
        timer.daemon = True
        try:
            timer.start()
            connection.request(
                "PUT", target, body, {"Content-Type": "", "Content-Length": str(len(body))}
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            # Not even as a cause: its text may have the URL.
            name = type(error).__name__
            raise ServiceError("PutAnswer", name, "no answer", Kind.TRANSIENT) from None
        finally:
            timer.cancel()
            connection.close()


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds")


def _shut_down(connection: http.client.HTTPConnection) -> None:
    """Close a connection that another thread reads from."""
    opened: socket.socket | None = connection.sock
    if opened is not None:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    target = f"{parts.path or '/'}?{parts.query}".removesuffix("?")
    return kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS), target


def _headers(encryption: Encryption | None) -> Mapping[str, str]:
    if encryption is None:
        return {}
    key = {"SSEKMSKeyId": encryption.key} if encryption.key else {}
    return {"ServerSideEncryption": encryption.algorithm, **key}


def _call(operation: str, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    with _translated(operation):
        return call(*args, **kwargs)


class _translated:  # noqa: N801 - reads as a clause: `with _translated("GetObject"):`
    """Turns the errors of botocore into `ServiceError`."""

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            raise _from_reply(self._operation, error) from error
        if isinstance(error, ParamValidationError):
            # The message repeats the arguments, hyperparameters included: not even as a cause.
            message = f"botocore {botocore.__version__} refuses the arguments"
            name = type(error).__name__
            raise ServiceError(self._operation, name, message, Kind.PERMANENT) from None
        if isinstance(error, (*_TRANSIENT, BotoCoreError)):
            is_transient = isinstance(error, _TRANSIENT)
            message = "no answer" if is_transient else str(error)
            kind_of_error = Kind.TRANSIENT if is_transient else Kind.PERMANENT
            name = type(error).__name__
            raise ServiceError(self._operation, name, message, kind_of_error) from error


def _from_reply(operation: str, error: ClientError) -> ServiceError:
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code = details.get("Code", "Unknown")
    return ServiceError(
        operation=operation,
        code=code,
        message=details.get("Message", ""),
        kind=_kind(code, metadata.get("HTTPStatusCode", 0)),
        request_id=metadata.get("RequestId", ""),
    )


def _kind(code: str, status: int) -> Kind:
    # S3 puts the name of the service that refused before the code: KMS.ThrottlingException.
    if code.rpartition(".")[2] in _TRANSIENT_CODES or status >= _HTTP_ERROR:
        return Kind.TRANSIENT
    if code in _NOT_FOUND_CODES:
        return Kind.NOT_FOUND
    return _KINDS.get(status, Kind.PERMANENT)


if CONNECT_SECONDS + READ_SECONDS > CALL_SECONDS - ANNOUNCED_SECONDS:
    raise AssertionError("a call of CreateJob may outlast the time that the record gives it")
