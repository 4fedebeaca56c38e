"""Buckets of a template are what they would be on AWS."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.instance import LocalAws
from tests.local.stacks import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def s3(local_aws: LocalAws) -> "S3Client":
    return boto3.client("s3", **local_aws.client_settings)


@pytest.fixture
def stack(local_aws: LocalAws, tmp_path: Path) -> Stack:
    return Stack(local_aws, tmp_path / "record")


def _bucket(name: str, retain: bool = False, **properties: object) -> dict[str, Any]:
    policy = "Retain" if retain else "Delete"
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": policy,
        "UpdateReplacePolicy": policy,
        "Properties": {"BucketName": name, **properties},
    }


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4()}"


def test_its_properties_hold(stack: Stack, s3: "S3Client", name: str) -> None:
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}
    template = _bucket(
        name,
        Tags=[{"Key": "AmazonBraket", "Value": "true"}],
        VersioningConfiguration={"Status": "Enabled"},
        BucketEncryption={
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
            ]
        },
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        LoggingConfiguration={"DestinationBucketName": name, "LogFilePrefix": "log/"},
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 3}]},
    )
    assert stack.create({"Bucket": template}) == "CREATE_COMPLETE"

    assert {"Key": "AmazonBraket", "Value": "true"} in s3.get_bucket_tagging(Bucket=name)["TagSet"]
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"] == by_default
    assert encryption["Rules"][0]["BucketKeyEnabled"] is True
    ownership = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert ownership["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetPrefix"] == "log/"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rules[0]["Expiration"] == {"Days": 3}


def test_an_update_changes_and_removes_properties(stack: Stack, s3: "S3Client", name: str) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}]
    lifecycle = {"Rules": [{"Status": "Enabled", "ExpirationInDays": 3}]}
    first = _bucket(name, Tags=tags, LifecycleConfiguration=lifecycle)
    assert stack.create({"Bucket": first}) == "CREATE_COMPLETE"
    second = _bucket(name, Tags=[{"Key": "a", "Value": "2"}])
    assert stack.update({"Bucket": second}) == "UPDATE_COMPLETE"
    kept = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert kept["a"] == "2"
    assert "b" not in kept
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=name)


def test_one_with_objects_in_it_is_not_deleted(stack: Stack, s3: "S3Client", name: str) -> None:
    assert stack.create({"Bucket": _bucket(name)}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="a", Body=b"")
    assert stack.delete() == "DELETE_FAILED"
    assert "not empty" in stack.reasons()
    s3.delete_object(Bucket=name, Key="a")
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=name)


def test_one_that_is_retained_stays_with_what_is_in_it(
    stack: Stack, s3: "S3Client", name: str
) -> None:
    assert stack.create({"Bucket": _bucket(name, retain=True)}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="a", Body=b"kept")
    assert stack.delete() == "DELETE_COMPLETE"
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"kept"


def test_a_write_for_kms_without_a_key_takes_s3s_own(s3: "S3Client", name: str) -> None:
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a", Body=b"1", ServerSideEncryption="aws:kms")
    described = s3.head_object(Bucket=name, Key="a")
    assert described["ServerSideEncryption"] == "aws:kms"
    assert described["SSEKMSKeyId"].endswith(":alias/aws/s3")
