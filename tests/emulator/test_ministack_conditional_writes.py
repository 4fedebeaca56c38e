"""The local AWS honours the conditions of PutObject that keep two invocations apart.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "record.json"
WRITERS = 8
ROUNDS = 5


@pytest.fixture(scope="module")
def s3(local_aws: LocalAws) -> "S3Client":
    return boto3.client("s3", **local_aws.client_settings)


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name


def test_an_object_that_exists_is_not_created_again(s3: "S3Client", bucket: str) -> None:
    assert _refusal(s3, bucket, b"first", create=True) is None
    assert _refusal(s3, bucket, b"second", create=True) == "PreconditionFailed"
    assert _body(s3, bucket) == b"first"


def test_an_object_that_has_changed_is_not_replaced(s3: "S3Client", bucket: str) -> None:
    stale = s3.put_object(Bucket=bucket, Key=KEY, Body=b"first")["ETag"]
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"second")
    assert _refusal(s3, bucket, b"third", replaces=stale) == "PreconditionFailed"
    assert _body(s3, bucket) == b"second"


def test_an_object_that_is_gone_is_not_replaced(s3: "S3Client", bucket: str) -> None:
    gone = s3.put_object(Bucket=bucket, Key=KEY, Body=b"first")["ETag"]
    s3.delete_object(Bucket=bucket, Key=KEY)
    assert _refusal(s3, bucket, b"second", replaces=gone) in {"NoSuchKey", "PreconditionFailed"}


@pytest.mark.parametrize("exists", [False, True], ids=["creating", "replacing"])
def test_of_writers_at_once_exactly_one_succeeds(
    s3: "S3Client", bucket: str, *, exists: bool
) -> None:
    for round_number in range(ROUNDS):
        s3.delete_object(Bucket=bucket, Key=KEY)
        old = f"old {round_number}".encode()
        replaces = s3.put_object(Bucket=bucket, Key=KEY, Body=old)["ETag"] if exists else ""
        refusals = _race(s3, bucket, replaces)
        winners = [body for body, refusal in refusals.items() if refusal is None]
        assert winners == [_body(s3, bucket)], refusals


def _race(s3: "S3Client", bucket: str, replaces: str) -> dict[bytes, str | None]:
    """Write from several threads at once; return the refusal of each by its body."""
    start = Barrier(WRITERS)

    def write(body: bytes) -> str | None:
        start.wait()
        return _refusal(s3, bucket, body, create=not replaces, replaces=replaces)

    bodies = [f"writer {number}".encode() for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        return dict(zip(bodies, pool.map(write, bodies), strict=True))


def _refusal(
    s3: "S3Client", bucket: str, body: bytes, *, create: bool = False, replaces: str = ""
) -> str | None:
    """Write under a condition; return the code of the refusal, if it is refused."""
    try:
        if create:
            s3.put_object(Bucket=bucket, Key=KEY, Body=body, IfNoneMatch="*")
        else:
            s3.put_object(Bucket=bucket, Key=KEY, Body=body, IfMatch=replaces)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def _body(s3: "S3Client", bucket: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
