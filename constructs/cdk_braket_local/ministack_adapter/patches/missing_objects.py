"""The answer of S3 on a missing object to a caller that may not list the bucket.

It is 403, not 404, which hides the existence of objects. MiniStack always returns 404, and a
policy without `s3:ListBucket` that fails on AWS would pass here.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses, router
from ministack.services import s3

_Query = Mapping[str, Sequence[str]]
_Handled = tuple[int, dict[str, str], bytes]

_ACTION: Final = "s3:ListBucket"
_ARN: Final = "arn:aws:s3:::"


def install() -> None:
    """Have MiniStack's S3 hide which objects there are."""
    handle = app.SERVICE_HANDLERS["s3"]

    async def handle_hiding(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: _Query
    ) -> _Handled:
        handled: _Handled = await handle(method, path, headers, body, query)
        bucket = _bucket_of_missing_object(method, path, headers, handled)
        if bucket is None or _may_list(bucket, headers, query):
            return handled
        status, error_headers, error_body = s3._error("AccessDenied", "Access Denied", 403, path)
        return status, error_headers, b"" if method == "HEAD" else error_body

    app.SERVICE_HANDLERS["s3"] = handle_hiding


def _bucket_of_missing_object(
    method: str, path: str, headers: Mapping[str, str], handled: _Handled
) -> str | None:
    """Return the bucket in which an object was looked for that is not there."""
    status, _, body = handled
    if status != HTTPStatus.NOT_FOUND:
        return None
    bucket, _, key = path.lstrip("/").partition("/")
    if method == "HEAD" and key:
        # The answer has no body; a bucket that is not there hides nothing.
        return bucket if s3._bucket_owner_account(bucket) else None
    if b"<Code>NoSuchKey</Code>" not in body:
        return None
    copied = iam_actions._s3_source_object(headers)
    if copied is not None:
        bucket = copied[0].removeprefix(_ARN).partition("/")[0]
    return bucket if method == "GET" or copied else None


def _may_list(bucket: str, headers: Mapping[str, str], query: _Query) -> bool:
    denial = iam_evaluator.enforce(
        router.extract_access_key_id(headers, query),
        _ACTION,
        "s3",
        responses.get_region(),
        resource_arn=f"{_ARN}{bucket}",
    )
    return denial is None
