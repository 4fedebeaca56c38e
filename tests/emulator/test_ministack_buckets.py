"""Buckets of a template have the same properties as on AWS."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.stacks import Stack

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
        OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
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
    assert ownership["Rules"] == [{"ObjectOwnership": "ObjectWriter"}]
    assert s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetPrefix"] == "log/"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rules[0]["Expiration"] == {"Days": 3}


def test_a_write_is_encrypted_as_in_the_template(
    local_aws: LocalAws, stack: Stack, s3: "S3Client", name: str
) -> None:
    kms = boto3.client("kms", **local_aws.client_settings)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}
    rules = [{"ServerSideEncryptionByDefault": by_default}]
    encryption = {"ServerSideEncryptionConfiguration": rules}
    assert stack.create({"Bucket": _bucket(name, BucketEncryption=encryption)}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="a", Body=b"1")
    described = s3.head_object(Bucket=name, Key="a")
    assert (described["ServerSideEncryption"], described["SSEKMSKeyId"]) == (
        "aws:kms",
        "alias/mine",
    )


def test_the_tags_of_its_stack_reach_it(stack: Stack, s3: "S3Client", name: str) -> None:
    own = _bucket(name, Tags=[{"Key": "mine", "Value": "1"}, {"Key": "both", "Value": "bucket"}])
    assert stack.create({"Bucket": own}, tags={"team": "a", "both": "stack"}) == "CREATE_COMPLETE"
    found = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert found["aws:cloudformation:stack-name"] == stack.name
    assert found["aws:cloudformation:logical-id"] == "Bucket"
    assert (found["team"], found["mine"], found["both"]) == ("a", "1", "bucket")


def test_one_that_is_gone_already_is_deleted(stack: Stack, s3: "S3Client", name: str) -> None:
    assert stack.create({"Bucket": _bucket(name)}) == "CREATE_COMPLETE"
    s3.delete_bucket(Bucket=name)
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_setting_that_s3_refuses_fails_the_stack_and_leaves_no_bucket(
    stack: Stack, s3: "S3Client", name: str
) -> None:
    wrong = _bucket(name, LifecycleConfiguration={"Rules": [{"Status": "Maybe"}]})
    assert stack.create({"Bucket": wrong}) == "ROLLBACK_COMPLETE"
    assert "Service: S3, Status Code: 400" in stack.reasons()
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=name)


def test_a_replacement_that_s3_refuses_leaves_the_old_bucket_alone(
    stack: Stack, s3: "S3Client", name: str
) -> None:
    assert stack.create({"Bucket": _bucket(name)}) == "CREATE_COMPLETE"
    wrong = _bucket(f"{name}-2", LifecycleConfiguration={"Rules": [{"Status": "Maybe"}]})
    assert stack.update({"Bucket": wrong}) == "UPDATE_ROLLBACK_COMPLETE"
    s3.head_bucket(Bucket=name)
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=f"{name}-2")


def test_an_update_changes_and_removes_properties(stack: Stack, s3: "S3Client", name: str) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}]
    lifecycle = {"Rules": [{"Status": "Enabled", "ExpirationInDays": 3}]}
    first = _bucket(
        name,
        Tags=tags,
        LifecycleConfiguration=lifecycle,
        VersioningConfiguration={"Status": "Enabled"},
    )
    assert stack.create({"Bucket": first}) == "CREATE_COMPLETE"
    second = _bucket(
        name,
        Tags=[{"Key": "a", "Value": "2"}],
        VersioningConfiguration={"Status": "Suspended"},
    )
    assert stack.update({"Bucket": second}) == "UPDATE_COMPLETE"
    kept = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert kept["a"] == "2"
    assert "b" not in kept
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
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


def test_a_retained_bucket_keeps_its_objects(stack: Stack, s3: "S3Client", name: str) -> None:
    assert stack.create({"Bucket": _bucket(name, retain=True)}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="a", Body=b"kept")
    assert stack.delete() == "DELETE_COMPLETE"
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"kept"


def _put(s3: "S3Client", bucket: str) -> object:
    return s3.put_object(Bucket=bucket, Key="b", Body=b"1", ServerSideEncryption="aws:kms")


def _copy(s3: "S3Client", bucket: str) -> object:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    source = f"{bucket}/a"
    return s3.copy_object(Bucket=bucket, Key="b", CopySource=source, ServerSideEncryption="aws:kms")


def _upload_in_parts(s3: "S3Client", bucket: str) -> object:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="b", ServerSideEncryption="aws:kms")
    part = s3.upload_part(
        Bucket=bucket, Key="b", UploadId=upload["UploadId"], PartNumber=1, Body=b"1"
    )
    return s3.complete_multipart_upload(
        Bucket=bucket,
        Key="b",
        UploadId=upload["UploadId"],
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )


@pytest.mark.parametrize("write", [_put, _copy, _upload_in_parts])
def test_a_write_with_kms_and_no_key_uses_the_key_of_s3(
    s3: "S3Client", name: str, write: Callable[["S3Client", str], object]
) -> None:
    s3.create_bucket(Bucket=name)
    write(s3, name)
    described = s3.head_object(Bucket=name, Key="b")
    assert described["ServerSideEncryption"] == "aws:kms"
    assert described["SSEKMSKeyId"].endswith(":alias/aws/s3")


def test_a_bucket_with_kms_and_no_key_uses_the_key_of_s3(
    stack: Stack, s3: "S3Client", name: str
) -> None:
    rules = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
    encryption = {"ServerSideEncryptionConfiguration": rules}
    assert stack.create({"Bucket": _bucket(name, BucketEncryption=encryption)}) == "CREATE_COMPLETE"
    s3.put_object(Bucket=name, Key="a", Body=b"1")
    assert s3.head_object(Bucket=name, Key="a")["SSEKMSKeyId"].endswith(":alias/aws/s3")
