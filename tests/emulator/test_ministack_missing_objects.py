"""A caller that may not list a bucket does not learn which objects it lacks."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.users import user_who_may

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Call = Callable[["S3Client", str], object]
CALLS: dict[str, Call] = {
    "HeadObject": lambda s3, bucket: s3.head_object(Bucket=bucket, Key="missing"),
    "GetObject": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="missing"),
    "CopyObject": lambda s3, bucket: s3.copy_object(
        Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "missing"}
    ),
}


@pytest.fixture
def bucket(local_aws: LocalAws) -> str:
    name = f"test-{uuid.uuid4()}"
    boto3.client("s3", **local_aws.client_settings).create_bucket(Bucket=name)
    return name


def _status(aws: LocalAws, bucket: str, call: Call, actions: list[str]) -> int:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    s3 = boto3.client("s3", **user_who_may(aws, actions, resources))
    with pytest.raises(ClientError) as raised:
        call(s3, bucket)
    return raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_object_is_hidden_from_a_caller_that_may_not_list(
    local_aws: LocalAws, bucket: str, call: Call
) -> None:
    assert _status(local_aws, bucket, call, ["s3:GetObject", "s3:PutObject"]) == 403


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_object_is_not_found_by_a_caller_that_may_list(
    local_aws: LocalAws, bucket: str, call: Call
) -> None:
    actions = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]
    assert _status(local_aws, bucket, call, actions) == 404
