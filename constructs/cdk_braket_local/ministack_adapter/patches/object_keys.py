"""KMS on objects that S3 encrypts with a key of KMS: writes and reads need permission on the key.

MiniStack stores such objects without calling KMS. A role without permission on the key, or a key
policy that omits a caller, would go unnoticed.

S3 calls KMS in the caller's name. A write needs `kms:GenerateDataKey`. A read, the parts of a
multipart upload and the source of a copy need `kms:Decrypt`. Metadata needs neither. The encryption
context is the object's ARN, or the bucket's where the bucket has a bucket key. Sources:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

import contextvars
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ministack.core import responses
from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import kms, s3

from cdk_braket_local.ministack_adapter import authorization

_ENCRYPTION: Final = "x-amz-server-side-encryption"
_KEY: Final = "x-amz-server-side-encryption-aws-kms-key-id"
_SOURCE: Final = "x-amz-copy-source"
# The key of KMS that AWS manages for S3 lets everybody in the account use it by way of S3.
_MANAGED: Final = "alias/aws/s3"
_BUCKET_KEY: Final = re.compile(rb"<(?:\w+:)?BucketKeyEnabled>\s*true\s*<")

_Answer = tuple[int, Mapping[str, str], bytes]
_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Request:
    """A request to S3: its caller, its method and its object."""

    access_key_id: str
    method: str
    bucket: str
    key: str


_request: contextvars.ContextVar[_Request | None] = contextvars.ContextVar("request", default=None)


def install() -> None:
    """Have MiniStack check the permission on the KMS key of each object that has one."""
    _remember_requests()
    _check_writes()
    _check_reads()


def _remember_requests() -> None:
    dispatch = s3._dispatch

    def _dispatch(  # noqa: PLR0917 - as MiniStack calls it
        method: str,
        bucket: str,
        key: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, Any],
    ) -> object:
        access_key_id = s3._request_access_key(method, key, headers, query_params, body)
        token = _request.set(_Request(access_key_id, method, bucket, key))
        try:
            return dispatch(method, bucket, key, headers, body, query_params)
        finally:
            _request.reset(token)

    s3._dispatch = _dispatch


def _check_writes() -> None:
    resolve = s3._resolve_sse_write_headers

    def resolve_sse_write_headers(
        headers: Mapping[str, str], bucket_name: str
    ) -> tuple[Mapping[str, str] | None, _Answer | None]:
        kept, refusal = resolve(headers, bucket_name)
        if refusal is None and kept is not None and (request := _request.get()):
            refusal = _refusal("GenerateDataKey", kept, bucket_name, request.key)
        return (kept, None) if refusal is None else (None, refusal)

    s3._resolve_sse_write_headers = resolve_sse_write_headers


def _check_reads() -> None:
    check_read = s3._check_sse_read_headers
    check_source = s3._check_sse_c_copy_source
    check_part = s3._check_sse_c_part

    def check_sse_read_headers(headers: Mapping[str, str], obj: _Object) -> _Answer | None:
        refusal: _Answer | None = check_read(headers, obj)
        request = _request.get()
        if refusal is not None or request is None or request.method == "HEAD":
            return refusal
        return _refusal("Decrypt", _stored(obj), request.bucket, request.key)

    def check_sse_c_copy_source(headers: Mapping[str, str], src_obj: _Object) -> _Answer | None:
        refusal: _Answer | None = check_source(headers, src_obj)
        if refusal is not None or _request.get() is None:
            return refusal
        source = s3.url_unquote(headers.get(_SOURCE, "").partition("?")[0]).lstrip("/")
        bucket, _, key = source.partition("/")
        return _refusal("Decrypt", _stored(src_obj), bucket, key)

    def check_sse_c_part(headers: Mapping[str, str], upload: _Object) -> _Answer | None:
        refusal: _Answer | None = check_part(headers, upload)
        request = _request.get()
        if refusal is not None or request is None:
            return refusal
        return _refusal("Decrypt", _stored(upload), request.bucket, request.key)

    s3._check_sse_read_headers = check_sse_read_headers
    s3._check_sse_c_copy_source = check_sse_c_copy_source
    s3._check_sse_c_part = check_sse_c_part


def _stored(obj: _Object) -> Mapping[str, str]:
    headers: Mapping[str, str] = obj.get("preserved_headers", {})
    return headers


def _refusal(
    operation: str, encryption: Mapping[str, str], bucket: str, key: str
) -> _Answer | None:
    """Return the refusal of S3 if KMS refuses an operation on an object's key.

    Args:
        operation: The operation of KMS.
        encryption: The headers of the object's encryption.
        bucket: The object's bucket.
        key: The object's key.
    """
    request = _request.get()
    named = encryption.get(_KEY, "")
    is_kms = encryption.get(_ENCRYPTION, "").startswith("aws:kms")
    # Without a caller, it is a service of AWS that calls S3 by itself.
    if not is_kms or request is None or not request.access_key_id or named.endswith(_MANAGED):
        return None
    region = s3.bucket_region(bucket) or responses.get_region()
    with responses.request_scope(_account(named), region):
        record = kms._resolve_key(named)
    if record is None:
        return _error("KMS.NotFoundException", f"Key '{named}' does not exist", 400)
    if kms._check_key_state(record):
        return _error("KMS.DisabledException", f"{record['Arn']} is not enabled.", 400)
    message = authorization.denial(
        request.access_key_id,
        f"kms:{operation}",
        record["Arn"],
        {
            "kms:ViaService": f"s3.{region}.amazonaws.com",
            "kms:CallerAccount": responses.get_account_id(),
            "kms:EncryptionContext:aws:s3:arn": _context(bucket, key),
            "kms:EncryptionContextKeys": "aws:s3:arn",
        },
    )
    return None if message is None else _error("AccessDenied", message, 403)


def _error(code: str, message: str, status: int) -> _Answer:
    answer: _Answer = s3._error(code, message, status)
    return answer


def _account(key: str) -> str:
    try:
        return str(parse_arn(key).account_id)
    except ArnParseError:
        return str(responses.get_account_id())


def _context(bucket: str, key: str) -> str:
    """Return the encryption context: the object, or the bucket if it has a bucket key."""
    configuration: bytes | str = s3._bucket_encryption.get(bucket) or b""
    text = configuration.encode() if isinstance(configuration, str) else configuration
    arn = f"arn:aws:s3:::{bucket}"
    return arn if _BUCKET_KEY.search(text) else f"{arn}/{key}"
