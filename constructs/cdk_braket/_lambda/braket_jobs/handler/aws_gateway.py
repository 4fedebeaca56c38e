"""Every call that leaves the handler: Amazon Braket, Amazon S3, CloudFormation's answer.

One method, one purpose; no decisions, and no retries: botocore's are off, so that every repetition
is deliberate, jittered and within the time budget. Every call has time-outs, and those of optional
checks are short.

What the handler's role needs (action, resource, why):

Amazon Braket. Source of the resource types:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html

- `braket:CreateJob` on `*` (the device and the job, which has no ARN yet): start the job.
- `braket:TagResource` on `arn:<partition>:braket:<region>:<account>:job/*`: CreateJob is always
  called with tags (the client token's tag), and changed tags are set.
- `braket:UntagResource` on the same: tags that were dropped are removed.
- `braket:GetJob` on the same: state, tags.
- `braket:CancelJob` on the same: delete, replacement, failed creation.
- `braket:SearchJobs` on `*` (it has no resource level): find a job whose ARN was never received.
- `iam:PassRole` on each job's execution role, with the condition `iam:PassedToService` =
  `braket.amazonaws.com`: CreateJob passes it.

Amazon S3:

- `s3:GetObject` on the assets' sources (the bootstrap bucket's objects): copy script and inputs.
- `s3:GetObject`, `s3:PutObject` on the assets' destinations (the inputs bucket's `scripts/*` and
  `inputs/*`): look whether the copy is there already; copy; check it.
- `s3:GetObject`, `s3:PutObject` on the records (`<Records>/*`): read and write the record.
- `s3:ListBucket` and `s3:GetObject` on the checkpoints to go on from; `s3:GetObject` and
  `s3:PutObject` on the checkpoints' place in the results bucket: copy them before the job starts.
- `s3:ListBucket` on the buckets, without a prefix condition: else S3 answers 403, not 404, to a
  question for an object that is not there. Source:
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

AWS KMS, where the buckets are encrypted with a key:

- `kms:Decrypt` and `kms:GenerateDataKey` on the inputs bucket's key: records and copies.
- `kms:Decrypt` on the bootstrap bucket's key, if the bootstrap uses one of its own.

Amazon EventBridge, only for jobs that have rules:

- `events:PutEvents` on the default event bus, with the conditions `events:source` =
  `cdk-braket.*` and `events:detail-type`: tell a rule what it missed.

AWS Step Functions, only where state machines run jobs:

- `states:StartExecution`, `states:DescribeExecution` and `states:StopExecution` on a sweep's state
  machine and its executions, only for sweeps that their deployment starts.
- `s3:GetObject` on the results of a sweep's jobs and on the sweep's own results, `s3:PutObject` on
  the latter: the numbers of each point, and the table.
- `states:SendTaskSuccess` and `states:SendTaskFailure` on the state machines of the account and
  region: tell the one that waits for a job what became of it.

AWS Lambda's logs: `logs:CreateLogStream` and `logs:PutLogEvents` on the function's log group.
"""

import http.client
import json
import os
import socket
import tarfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import boto3
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

from ..api import model_rules
from ..api.sweep_table import numbers_in
from .create_job import ANNOUNCED_SECONDS, CALL_SECONDS
from .errors import ASSET_NOT_FOUND, FORBIDDEN, Kind, ServiceError
from .gateway import Job, Page
from .properties import Encryption, Location

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_T = TypeVar("_T")

CONNECT_SECONDS = 5
READ_SECONDS = 30
CHECK_SECONDS = 3
"""Time-outs of an optional check: one that hangs, such as IAM in a VPC without NAT, is given up."""

COPY_SECONDS = 180
"""A server-side copy of a large object answers only when it is done."""

ANSWER_SECONDS = 10

_NO_EXECUTION = "ExecutionDoesNotExist"  # status 400

_RESULT = "results.json"
_LARGEST_ARCHIVE = 64 * 1024**2
"""How much of a job's archive is searched for its result."""

_LARGEST_RESULT = 4 * 1024**2

LARGEST_COPY_BYTES = 5 * 1024**3
"""What one CopyObject takes.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

SOURCE_ETAG = "cdk-braket-source-etag"
"""Metadata of a copy: the ETag of what was copied. (A copy's own ETag differs from it when it is
encrypted with another key.)"""

_THROTTLED = frozenset(
    {
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
"""What boto3 raises for an answer that did not arrive whole."""

_GUESSED: Final = (Encryption("aws:kms"), Encryption("AES256"))
"""The encryption to request where a bucket refuses objects without a header, and neither the
environment nor S3 says which one is the bucket's own."""

_NO_TAGS = "NoSuchTagSet"
_HTTP_NOT_FOUND = 404
_HTTP_TOO_MANY = 429
_HTTP_ERROR = 500
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "ConflictException"})


def _config(read_seconds: float, connect_seconds: float = CONNECT_SECONDS) -> Config:
    return Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent_extra="cdk-braket",
    )


class _StatesClient(Protocol):
    """What is used of boto3's client for AWS Step Functions."""

    def send_task_success(self, *, taskToken: str, output: str) -> object:  # noqa: N803
        """Let a state succeed."""

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> object:  # noqa: N803
        """Let a state fail."""

    def start_execution(
        self,
        *,
        stateMachineArn: str,  # noqa: N803
        name: str,
        input: str,
    ) -> Mapping[str, str]:
        """Start an execution."""

    def describe_execution(self, *, executionArn: str) -> Mapping[str, str]:  # noqa: N803
        """Describe an execution."""

    def stop_execution(self, *, executionArn: str) -> object:  # noqa: N803
        """Stop an execution."""


class AwsGateway:
    """The gateway to the real services, or to those that `AWS_ENDPOINT_URL` names."""

    def __init__(self) -> None:
        self._encryption_of: dict[str, Encryption] = {}
        self._checked_buckets: set[str] = set()

    @property
    def region(self) -> str:
        """The region that the function runs in."""
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")

    @cached_property
    def _braket(self) -> "BraketClient":
        client: BraketClient = boto3.client("braket", config=_config(READ_SECONDS))
        return client

    @cached_property
    def _events(self) -> "EventBridgeClient":
        client: EventBridgeClient = boto3.client("events", config=_config(READ_SECONDS))
        return client

    @cached_property
    def _states(self) -> "_StatesClient":
        client: _StatesClient = boto3.client("stepfunctions", config=_config(READ_SECONDS))
        return client

    @cached_property
    def _iam(self) -> "IAMClient":
        client: IAMClient = boto3.client("iam", config=_config(CHECK_SECONDS, CHECK_SECONDS))
        return client

    @cached_property
    def _braket_checks(self) -> "BraketClient":
        client: BraketClient = boto3.client("braket", config=_config(CHECK_SECONDS, CHECK_SECONDS))
        return client

    @cached_property
    def _s3_checks(self) -> "S3Client":
        client: S3Client = boto3.client("s3", config=_config(CHECK_SECONDS, CHECK_SECONDS))
        return client

    @cached_property
    def _lambda(self) -> "LambdaClient":
        client: LambdaClient = boto3.client("lambda", config=_config(READ_SECONDS))
        return client

    @cached_property
    def _s3(self) -> "S3Client":
        client: S3Client = boto3.client("s3", config=_config(READ_SECONDS))
        return client

    @cached_property
    def _s3_for_copies(self) -> "S3Client":
        client: S3Client = boto3.client("s3", config=_config(COPY_SECONDS))
        return client

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    # --- The record. ---

    def read_record(self, location: Location) -> tuple[str, str] | None:
        """Return an object's text and its ETag, or None when there is no such object."""
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
    ) -> None:
        """Write an object that still has that ETag, or, with None, that does not exist.

        Raises:
            ServiceError: With kind CONFLICT if it has changed, and with kind PERMANENT if the
                store ignores conditions: then nothing keeps two invocations apart.
        """
        self._put_record(location, text, version, encryption)
        if version is None and location.bucket not in self._checked_buckets:
            self._check_conditions(location, text, encryption)

    def _check_conditions(
        self, location: Location, text: str, encryption: Encryption | None
    ) -> None:
        """Write the object that was just written once more, which has to be refused."""
        try:
            self._put_record(location, text, None, encryption)
        except ServiceError as error:
            if error.kind is Kind.CONFLICT:
                self._checked_buckets.add(location.bucket)
            return
        message = f"s3://{location.bucket} ignores the condition If-None-Match of PutObject"
        raise ServiceError("PutObject", "ConditionIgnored", message, Kind.PERMANENT)

    def _put_record(
        self, location: Location, text: str, version: str | None, encryption: Encryption | None
    ) -> None:
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}

        def put(headers: Mapping[str, str]) -> object:
            return self._s3.put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=text.encode(),
                ContentType="application/json",
                **condition,  # type: ignore[arg-type]  # the stub knows no either-or
                **headers,  # type: ignore[arg-type]
            )

        try:
            self._encrypted("PutObject", location.bucket, encryption, put)
        except ServiceError as error:
            if error.code == "NoSuchKey":
                raise ServiceError(
                    "PutObject", "NoSuchKey", "the record was deleted", Kind.CONFLICT
                ) from error
            raise

    def _encrypted(
        self,
        operation: str,
        bucket: str,
        encryption: Encryption | None,
        put: Callable[[Mapping[str, str]], _T],
    ) -> _T:
        """Write an object with the encryption header that fits the bucket.

        Without a header S3 applies the bucket's default, which is right everywhere but where a
        policy denies writes without one.
        """
        known = encryption or self._encryption_of.get(bucket)
        try:
            with _translated(operation):
                return put(_headers(known))
        except ServiceError as error:
            if known is not None or not error.is_denied or "no identity-based" in error.message:
                raise
            return self._encrypted_by_guess(operation, bucket, put, error)

    def _encrypted_by_guess(
        self,
        operation: str,
        bucket: str,
        put: Callable[[Mapping[str, str]], _T],
        refusal: ServiceError,
    ) -> _T:
        for guess in self._guesses(bucket):
            try:
                with _translated(operation):
                    done = put(_headers(guess))
            except ServiceError as error:
                if not error.is_denied and error.kind is not Kind.PERMANENT:
                    raise
                continue
            if refusal.is_explicit_deny:
                self._encryption_of[bucket] = guess
            return done
        raise refusal

    def _guesses(self, bucket: str) -> list[Encryption]:
        """Return the bucket's default encryption, if it may be read, then the usual ones."""
        try:
            with _translated("GetBucketEncryption"):
                found = self._s3_checks.get_bucket_encryption(Bucket=bucket)
            [rule, *_] = found["ServerSideEncryptionConfiguration"]["Rules"]
            default = rule["ApplyServerSideEncryptionByDefault"]
        except (ServiceError, KeyError, ValueError):
            return list(_GUESSED)
        own = Encryption(default["SSEAlgorithm"], default.get("KMSMasterKeyID", ""))
        return [own, *(guess for guess in _GUESSED if guess != own)]

    # --- Assets. ---

    def copy_asset(
        self, source: Location, destination: Location, encryption: Encryption | None = None
    ) -> None:
        """Copy an object within S3 unless it is there, and check the copy."""
        size, etag = self._measured(source)
        if self._is_copy(destination, size, etag):
            return
        if size > LARGEST_COPY_BYTES:
            message = f"s3://{source.bucket}/{source.key} has {size} bytes"
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

        with _changing():
            self._encrypted("CopyObject", destination.bucket, encryption, copy)
        if not self._is_copy(destination, size, etag):
            message = f"s3://{destination.bucket}/{destination.key} is not what was copied"
            raise ServiceError("CopyObject", "CopyDiffers", message, Kind.TRANSIENT)

    def list_keys(self, prefix: Location, token: str = "") -> Page[str]:
        """Return one page of the keys that start with the location's."""
        more = {"ContinuationToken": token} if token else {}
        with _translated("ListObjectsV2"):
            page = self._s3.list_objects_v2(
                Bucket=prefix.bucket,
                Prefix=prefix.key,
                **more,  # type: ignore[arg-type]
            )
        keys = tuple(entry["Key"] for entry in page.get("Contents", []))
        return Page(keys, page.get("NextContinuationToken", ""))

    def _measured(self, source: Location) -> tuple[int, str]:
        try:
            head = self._head("CopyObject", source)
        except ServiceError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            message = f"s3://{source.bucket}/{source.key} is not there"
            raise ServiceError(
                "CopyObject", ASSET_NOT_FOUND, message, Kind.PERMANENT, error.request_id
            ) from error
        return head["ContentLength"], head["ETag"]

    def _is_copy(self, destination: Location, size: int, etag: str) -> bool:
        try:
            head = self._head("HeadObject", destination)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return head["ContentLength"] == size and head["Metadata"].get(SOURCE_ETAG) == etag

    def _head(
        self, operation: str, place: Location, client: "S3Client | None" = None
    ) -> "HeadObjectOutputTypeDef":
        """Describe an object. S3 refuses without a message, so the error names the object."""
        try:
            with _translated(operation):
                return (client or self._s3).head_object(Bucket=place.bucket, Key=place.key)
        except ServiceError as error:
            if error.code == FORBIDDEN:
                error.message = f"s3://{place.bucket}/{place.key}"
            raise

    # --- What must be there. ---

    def has_role(self, name: str) -> bool:
        """Say whether there is a role of that name."""
        try:
            with _translated("GetRole"):
                self._iam.get_role(RoleName=name)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return True

    def device_status(self, arn: str) -> str:
        """Return the status of a device."""
        with _translated("GetDevice"):
            return self._braket_checks.get_device(deviceArn=arn)["deviceStatus"]

    def has_object(self, location: Location) -> bool:
        """Say whether there is that object."""
        try:
            self._head("HeadObject", location, self._s3_checks)
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return True

    def bucket_tags(self, bucket: str) -> Mapping[str, str]:
        """Return the tags of a bucket."""
        try:
            with _translated("GetBucketTagging"):
                found = self._s3_checks.get_bucket_tagging(Bucket=bucket)["TagSet"]
        except ServiceError as error:
            if error.code == _NO_TAGS:
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in found}

    # --- The function itself. ---

    def invoke_again(self, function_arn: str, event: Mapping[str, object]) -> None:
        """Have the function run once more, with this event, after this invocation."""
        with _translated("Invoke"):
            self._lambda.invoke(
                FunctionName=function_arn,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )

    # --- Jobs. ---

    def create_job(self, request: Mapping[str, object]) -> str:
        """Create a job and return its ARN."""
        with _translated("CreateJob"):
            made = self._braket.create_job(**request)  # type: ignore[arg-type]  # rules checked it
        return made["jobArn"]

    def get_job(self, arn: str) -> Job:
        """Return what the service knows of a job."""
        with _translated("GetJob"):
            found = self._braket.get_job(jobArn=arn)
        return Job(
            arn=found["jobArn"],
            status=found["status"],
            name=found["jobName"],
            tags=found.get("tags", {}),
            results_path=found["outputDataConfig"]["s3Path"],
            checkpoint_uri=found.get("checkpointConfig", {"s3Uri": ""})["s3Uri"],
            failure_reason=found.get("failureReason", ""),
            started_at=_iso(found.get("startedAt")),
            ended_at=_iso(found.get("endedAt")),
            instances=found["instanceConfig"].get("instanceCount", 1),
        )

    def find_jobs(self, created_after: float, token: str = "") -> Page[Job]:
        """Return one page of the jobs created since."""
        since = datetime.fromtimestamp(created_after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with _translated("SearchJobs"):
            page = self._braket.search_jobs(
                filters=[{"name": "createdAt", "operator": "GTE", "values": [since]}],
                maxResults=_page_size(),
                **({"nextToken": token} if token else {}),
            )
        jobs = (Job(j["jobArn"], j["status"], j["jobName"], j.get("tags")) for j in page["jobs"])
        return Page(tuple(jobs), page.get("nextToken", ""))

    def cancel_job(self, arn: str) -> None:
        """Ask for a job's cancellation."""
        with _translated("CancelJob"):
            self._braket.cancel_job(jobArn=arn)

    def tag_job(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set tags of a job."""
        with _translated("TagResource"):
            self._braket.tag_resource(resourceArn=arn, tags=tags)

    def untag_job(self, arn: str, keys: tuple[str, ...]) -> None:
        """Remove tags of a job."""
        with _translated("UntagResource"):
            self._braket.untag_resource(resourceArn=arn, tagKeys=list(keys))

    # --- Events. ---

    def put_event(
        self, source: str, detail_type: str, detail: Mapping[str, str], resource: str
    ) -> None:
        """Put an event on the account's default event bus."""
        with _translated("PutEvents"):
            answer = self._events.put_events(
                Entries=[
                    {
                        "Source": source,
                        "DetailType": detail_type,
                        "Detail": json.dumps(detail),
                        "Resources": [resource],
                    }
                ]
            )
        for entry in answer["Entries"]:
            if "ErrorCode" in entry:
                raise _not_put(entry["ErrorCode"], entry.get("ErrorMessage", ""))

    # --- State machines. ---

    def send_task_success(self, token: str, output: Mapping[str, object]) -> None:
        """Let the state that waits with this token succeed."""
        with _translated("SendTaskSuccess"):
            self._states.send_task_success(taskToken=token, output=json.dumps(output))

    def send_task_failure(self, token: str, error: str, cause: str) -> None:
        """Let the state that waits with this token fail."""
        with _translated("SendTaskFailure"):
            self._states.send_task_failure(taskToken=token, error=error, cause=cause)

    # --- CloudFormation. ---

    def start_execution(self, state_machine: str, name: str, text: str) -> str:
        """Start an execution of a state machine with an input; return its ARN."""
        with _translated("StartExecution"):
            answer = self._states.start_execution(
                stateMachineArn=state_machine, name=name, input=text
            )
        return answer["executionArn"]

    def execution_status(self, execution: str) -> str:
        """Return the status of an execution, such as `RUNNING`."""
        with _translated("DescribeExecution"):
            return self._states.describe_execution(executionArn=execution)["status"]

    def stop_execution(self, execution: str) -> None:
        """Stop an execution."""
        with _translated("StopExecution"):
            self._states.stop_execution(executionArn=execution)

    def read_metrics(self, archive: Location) -> Mapping[str, int | float]:
        """Return the numbers that a script saved as its result, read from the job's archive.

        The archive is the script's, so it is not trusted: one member is read, up to a limit, and
        nothing is unpacked.
        """
        with _translated("GetObject"):
            body = self._s3.get_object(Bucket=archive.bucket, Key=archive.key)["Body"]
            try:
                return numbers_in(_result_in(body))
            finally:
                body.close()

    def write_table(self, place: Location, text: str) -> None:
        """Write a CSV file over an existing one."""

        def put(headers: Mapping[str, str]) -> object:
            return self._s3.put_object(
                Bucket=place.bucket,
                Key=place.key,
                Body=text.encode(),
                ContentType="text/csv; charset=utf-8",
                **headers,  # type: ignore[arg-type]  # the stub knows no mapping
            )

        self._encrypted("PutObject", place.bucket, None, put)

    def accepts_answers(self, url: str) -> bool:
        """Return whether a URL is one that CloudFormation may have signed.

        That is one with https, or, for a local AWS, with the host of a configured endpoint.
        """
        parts = urlsplit(url)
        if parts.scheme == "https":
            return True
        endpoints = (v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT_URL"))
        return parts.hostname in {urlsplit(endpoint).hostname for endpoint in endpoints}

    def put_answer(self, url: str, body: bytes) -> int:
        """Send a response document to the presigned URL.

        Of the reply only the status is read, and the connection ends after some seconds however
        slowly it is sent.

        Returns:
            The HTTP status.

        Raises:
            ServiceError: With kind TRANSIENT, when there was no answer. Its text holds neither
                the URL nor a part of it.
        """
        connection, target = _connection(url)
        timer = threading.Timer(ANSWER_SECONDS, _shut_down, [connection])
        timer.daemon = True
        try:
            timer.start()
            connection.request(
                "PUT", target, body, {"Content-Type": "", "Content-Length": str(len(body))}
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            name = type(error).__name__
            raise ServiceError("PutAnswer", name, "no answer", Kind.TRANSIENT) from None
        finally:
            timer.cancel()
            connection.close()


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds")


class _Readable(Protocol):
    def read(self, amt: int | None = None) -> bytes:
        """Return the next bytes."""


def _result_in(body: "_Readable") -> Mapping[str, object]:
    """Return the result in a job's archive; an empty one if there is none."""
    try:
        with tarfile.open(fileobj=_Limited(body), mode="r|gz") as archive:  # type: ignore[call-overload]  # a file by what it does
            for member in archive:
                if member.isfile() and member.name.rpartition("/")[2] == _RESULT:
                    found = archive.extractfile(member)
                    value = json.loads(found.read(_LARGEST_RESULT)) if found else None
                    return value if isinstance(value, dict) else {}
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, zlib.error):
        pass  # not an archive of the SDK: there are no metrics
    return {}


class _Limited:
    """The start of a file: what is behind it is not read."""

    def __init__(self, body: "_Readable") -> None:
        self._body = body
        self._left = _LARGEST_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._body.read(wanted) if wanted else b""
        self._left -= len(data)
        return data


def _shut_down(connection: http.client.HTTPConnection) -> None:
    """End a connection that another thread reads from."""
    opened: socket.socket | None = connection.sock
    if opened is not None:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS), target


def _headers(encryption: Encryption | None) -> Mapping[str, str]:
    if encryption is None:
        return {}
    key = {"SSEKMSKeyId": encryption.key} if encryption.key else {}
    return {"ServerSideEncryption": encryption.algorithm, **key}


def _not_put(code: str, message: str) -> ServiceError:
    """Say why an event was not taken, though the call was answered.

    Source of the codes: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
    """
    may_pass = code in _THROTTLED or code in {"InternalException", "InternalFailure"}
    kind = Kind.TRANSIENT if may_pass else Kind.PERMANENT
    return ServiceError("PutEvents", code, message, kind)


def _page_size() -> int:
    most = model_rules.bounds(model_rules.shape_of("SearchJobsRequest", "maxResults")).maximum
    return most or 10


class _translated:  # noqa: N801 - reads as a clause: `with _translated("GetJob"):`
    """Turns what boto3 raises into `ServiceError`."""

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            raise _from_answer(self._operation, error) from error
        if isinstance(error, ParamValidationError):
            # The message repeats the arguments, hyperparameters included: not even as a cause.
            message = f"boto3 {boto3.__version__} refuses the arguments"
            raise ServiceError(
                self._operation, "ParamValidationError", message, Kind.PERMANENT
            ) from None
        if isinstance(error, _TRANSIENT):
            raise ServiceError(
                self._operation, type(error).__name__, "no answer", Kind.TRANSIENT
            ) from error
        if isinstance(error, BotoCoreError):
            raise ServiceError(
                self._operation, type(error).__name__, str(error), Kind.PERMANENT
            ) from error


@contextmanager
def _changing() -> Iterator[None]:
    """Have a copy tried again whose source changed since it was measured."""
    try:
        yield
    except ServiceError as error:
        if error.kind is Kind.CONFLICT:
            error.kind = Kind.TRANSIENT
        raise


def _from_answer(operation: str, error: ClientError) -> ServiceError:
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
    if code in _CONFLICTS:
        return Kind.CONFLICT
    if code in _THROTTLED or status == _HTTP_TOO_MANY or status >= _HTTP_ERROR:
        return Kind.TRANSIENT
    if status == _HTTP_NOT_FOUND or code == _NO_EXECUTION:
        return Kind.NOT_FOUND
    return Kind.PERMANENT


if CONNECT_SECONDS + READ_SECONDS > CALL_SECONDS - ANNOUNCED_SECONDS:
    raise AssertionError("a call of CreateJob may outlast the time that the record gives it")
