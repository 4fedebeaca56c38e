"""S3 buckets as CloudFormation creates and deletes them.

MiniStack's CloudFormation omits many properties of a bucket. It also deletes buckets with their
content, which CloudFormation refuses.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.loaders
import botocore.model
import botocore.serialize
from ministack.core import responses
from ministack.services import s3
from ministack.services.cloudformation import provisioners

BUCKET = "AWS::S3::Bucket"

_ENCRYPTION = "x-amz-server-side-encryption"
_ENCRYPTION_KEY = "x-amz-server-side-encryption-aws-kms-key-id"

# The properties of a template, and the parameters of S3's API; neither is typed here.
Properties = Mapping[str, Any]
Parameters = dict[str, Any]
_Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True, slots=True)
class _Setting:
    """A property of a bucket that S3 sets with a separate operation.

    Attributes:
        operation: S3's operation.
        parameters: Returns its parameters for the property's value.
        put: MiniStack's function for it, with the bucket's name and the request's body.
        delete: MiniStack's function that removes the setting.
    """

    operation: str
    parameters: Callable[[Any], Parameters]
    put: Callable[[str, bytes], _Answer]
    delete: Callable[[str], _Answer] | None = None


def install() -> None:
    """Replace the functions with which MiniStack's CloudFormation creates and deletes buckets."""
    handler = provisioners._RESOURCE_HANDLERS[BUCKET]
    create, update = handler["create"], handler["update"]

    def create_bucket(logical_id: str, props: Properties, stack_name: str) -> tuple[str, Any]:
        name, attributes = create(logical_id, props, stack_name)
        _set_up(name, props)
        return name, attributes

    def update_bucket(
        name: str, old_props: Properties, new_props: Properties, stack_name: str
    ) -> tuple[str, Any]:
        new_name, attributes = update(name, old_props, new_props, stack_name)
        if new_name == name:
            _apply(name, old_props, new_props)
        else:
            _set_up(new_name, new_props)
        return new_name, attributes

    handler |= {"create": create_bucket, "update": update_bucket, "delete": _delete}
    resolve = s3._resolve_sse_write_headers

    def resolve_with_key(
        headers: Mapping[str, str], bucket: str
    ) -> tuple[Mapping[str, str] | None, _Answer | None]:
        kept, refusal = resolve(_with_managed_key(headers), bucket)
        # The bucket's default may also name no key.
        return kept and _with_managed_key(kept), refusal

    s3._resolve_sse_write_headers = resolve_with_key
    # Without this, tags of the stack do not reach its buckets.
    provisioners._STACK_TAG_PROPERTY[BUCKET] = ("Tags", "list")


def _with_managed_key(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers with the key that S3 uses for `aws:kms` without a key.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    if headers.get(_ENCRYPTION) != "aws:kms" or headers.get(_ENCRYPTION_KEY):
        return headers
    account, region = responses.get_account_id(), responses.get_region()
    return {**headers, _ENCRYPTION_KEY: f"arn:aws:kms:{region}:{account}:alias/aws/s3"}


def _delete(name: str, _props: Properties) -> None:
    status, _, body = s3._delete_bucket(name)
    # A bucket that is gone already is not an error.
    if status not in (204, 404):
        raise ValueError(_message(body, status))


def _set_up(name: str, props: Properties) -> None:
    """Set the properties of a new bucket; if one is refused, remove the bucket."""
    try:
        _apply(name, {}, props)
    except ValueError:
        # MiniStack rolls back created resources, but does not count this one as created.
        s3._delete_bucket(name)
        raise


def _apply(name: str, old_props: Properties, new_props: Properties) -> None:
    """Set the properties that MiniStack omits, where they differ."""
    old_tags, new_tags = (
        {tag["Key"]: tag["Value"] for tag in props.get("Tags", [])}
        for props in (old_props, new_props)
    )
    if old_tags != new_tags:
        # Not through the API's function, which is for users: CloudFormation also sets AWS's tags.
        others = {
            key: value
            for key, value in s3._bucket_tags.get(name, {}).items()
            if key not in old_tags
        }
        s3._bucket_tags[name] = others | new_tags
    for prop, setting in _settings().items():
        if old_props.get(prop) != new_props.get(prop):
            _set(name, setting, new_props.get(prop))


def _set(name: str, setting: _Setting, value: object) -> None:
    if value is not None:
        body = _body(setting.operation, {"Bucket": name, **setting.parameters(value)})
        status, _, answer = setting.put(name, body)
    elif setting.delete:
        status, _, answer = setting.delete(name)
    else:
        return
    if status >= 400:  # noqa: PLR2004 - where HTTP's errors begin
        raise ValueError(_message(answer, status))


def _message(body: bytes, status: int) -> str:
    found = re.search(rb"<Message>(.*?)</Message>", body, re.DOTALL)
    text = found[1].decode() if found else "the request failed"
    return f"{text} (Service: S3, Status Code: {status})"


def _body(operation: str, parameters: Parameters) -> bytes:
    """Return the body that an AWS SDK would send."""
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    request = serializer.serialize_to_request(parameters, _model().operation_model(operation))
    body: bytes = request["body"]
    return body


@functools.cache
def _model() -> botocore.model.ServiceModel:
    description = botocore.loaders.Loader().load_service_model("s3", "service-2")
    return botocore.model.ServiceModel(description, "s3")


@functools.cache
def _settings() -> Mapping[str, _Setting]:
    return {
        "BucketEncryption": _Setting(
            "PutBucketEncryption",
            _encryption,
            s3._put_bucket_encryption,
            s3._delete_bucket_encryption,
        ),
        "LifecycleConfiguration": _Setting(
            "PutBucketLifecycleConfiguration",
            _lifecycle,
            s3._put_bucket_lifecycle,
            s3._delete_bucket_lifecycle,
        ),
        "OwnershipControls": _Setting(
            "PutBucketOwnershipControls",
            lambda value: {"OwnershipControls": value},
            s3._put_bucket_ownership_controls,
            s3._delete_bucket_ownership_controls,
        ),
        "VersioningConfiguration": _Setting(
            "PutBucketVersioning",
            lambda value: {"VersioningConfiguration": value},
            s3._put_bucket_versioning,
        ),
        "LoggingConfiguration": _Setting("PutBucketLogging", _logging, s3._put_bucket_logging),
    }


def _encryption(value: Properties) -> Parameters:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault"),
            "BucketKeyEnabled": rule.get("BucketKeyEnabled"),
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"ServerSideEncryptionConfiguration": {"Rules": [_given(rule) for rule in rules]}}


def _logging(value: Properties) -> Parameters:
    enabled = {
        "TargetBucket": value.get("DestinationBucketName"),
        "TargetPrefix": value.get("LogFilePrefix", ""),
    }
    return {"BucketLoggingStatus": {"LoggingEnabled": _given(enabled)}}


def _lifecycle(value: Properties) -> Parameters:
    return {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}}


def _lifecycle_rule(rule: Properties) -> Parameters:
    expiration = {
        "Days": rule.get("ExpirationInDays"),
        "Date": rule.get("ExpirationDate"),
        "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
    }
    noncurrent = rule.get("NoncurrentVersionExpiration") or {
        "NoncurrentDays": rule.get("NoncurrentVersionExpirationInDays")
    }
    return _given(
        {
            "ID": rule.get("Id"),
            "Status": rule["Status"],
            "Filter": _lifecycle_filter(rule),
            "Expiration": _given(expiration) or None,
            "NoncurrentVersionExpiration": _given(noncurrent) or None,
            "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
            "Transitions": [
                _given(
                    {
                        "StorageClass": transition["StorageClass"],
                        "Days": transition.get("TransitionInDays"),
                        "Date": transition.get("TransitionDate"),
                    }
                )
                for transition in rule.get("Transitions", [])
            ]
            or None,
            "NoncurrentVersionTransitions": [
                _given(
                    {
                        "StorageClass": transition["StorageClass"],
                        "NoncurrentDays": transition.get("TransitionInDays"),
                        "NewerNoncurrentVersions": transition.get("NewerNoncurrentVersions"),
                    }
                )
                for transition in rule.get("NoncurrentVersionTransitions", [])
            ]
            or None,
        }
    )


def _lifecycle_filter(rule: Properties) -> Parameters:
    tags = rule.get("TagFilters") or []
    given = _given(
        {
            "Prefix": rule.get("Prefix"),
            "ObjectSizeGreaterThan": rule.get("ObjectSizeGreaterThan"),
            "ObjectSizeLessThan": rule.get("ObjectSizeLessThan"),
        }
    )
    if len(given) + len(tags) > 1:
        return {"And": {**given, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return given or {"Prefix": ""}


def _given(values: Properties) -> Parameters:
    return {name: value for name, value in values.items() if value is not None}
