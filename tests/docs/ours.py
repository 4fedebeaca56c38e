"""The request of CreateJob for arguments of HybridJob."""

import re
from collections.abc import Mapping

import aws_cdk
from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import cdk_braket
from cdk_braket import HybridJob
from cdk_braket._lambda.braket_jobs.contract import RUN_ID_PLACEHOLDER
from tests import public_api
from tests.synth import support

_OWN = "s3://<a place of its own>"
_RUN = f"/{RUN_ID_PLACEHOLDER}"


def names(stack: Stack) -> dict[str, object]:
    """The names that the rows of our pages may use: public names, and those that pages explain."""
    return {
        **{name: getattr(cdk_braket, name) for name in public_api.NAMES},
        "Duration": aws_cdk.Duration,
        "Size": aws_cdk.Size,
        "bucket": s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine"),
        "key": kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/mine"),
        "role": iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/mine"),
        "repository": ecr.Repository.from_repository_name(stack, "Images", "mine"),
    }


def request_from(text: str, defaults: Mapping[str, object]) -> dict[str, object]:
    """The request of a job with the arguments that a row shows, such as `max_runtime=…`."""
    stack = support.new_stack()
    options: dict[str, object] = eval(f"dict({text})", names(stack))  # noqa: S307 - our own page
    HybridJob(stack, "Job", **{**defaults, **options})  # type: ignore[arg-type]  # any of them
    return request(stack)


def request(stack: Stack) -> dict[str, object]:
    """Return the request of the one job of a stack, with its tags and without the run id."""
    tags = support.tags_of(stack)
    made = {**support.request_of(stack), **({"tags": tags} if tags else {})}
    return {name: without_run(value) for name, value in made.items()}


def without_run(value: object) -> object:
    """A part of a request without the id of the run."""
    if isinstance(value, Mapping):
        return {name: without_run(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_run(inner) for inner in value]
    return value.replace(_RUN, "") if isinstance(value, str) else value


def without_places(value: object) -> object:
    """Return a part of a request without locations that differ by design.

    These are all outside the bucket of the pages, and the script's: the SDK copies every script.
    """
    if isinstance(value, Mapping):
        parts = {name: without_places(inner) for name, inner in value.items()}
        return {**parts, "s3Uri": _OWN} if "entryPoint" in parts else parts
    if isinstance(value, list):
        return [without_places(inner) for inner in value]
    elsewhere = isinstance(value, str) and re.match("s3://(?!amazon-braket-mine/)", value)
    return _OWN if elsewhere else value
