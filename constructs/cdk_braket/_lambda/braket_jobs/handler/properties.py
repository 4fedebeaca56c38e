"""The properties of the custom resource: reading, checking, rendering. Pure."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .. import contract
from ..api import model_rules
from ..api.nested_properties import restored
from ..api.service_rules import (
    is_bucket_name,
    problems_of_container,
    problems_of_service,
    s3_uris,
    text_in,
)
from ..contract import (
    AssetMember,
    Attribute,
    EncryptionMember,
    OnDelete,
    Property,
    SweepProperty,
    WaitMember,
)
from ..issue import Issue
from .errors import Failure

_MORE_OF_THE_DEFINITION: Mapping[str, Property | SweepProperty] = {
    "from": Property.COPY_CHECKPOINTS_FROM,
    "rerun": Property.RERUN_TOKEN,
    "machine": SweepProperty.STATE_MACHINE,
    "points": SweepProperty.POINTS,
}

_SHOWN = 200  # characters of a malformed value that a reason shows

LARGEST_ATTRIBUTES = 2700
"""Bytes of the attributes that leave room for the rest of a response of 4096 bytes."""


@dataclass(frozen=True, slots=True)
class Location:
    """An object, or a prefix, in S3."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Read `s3://bucket/key`.

        Raises:
            Failure: It is not of that form.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, path = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise Failure(f"{uri[:_SHOWN]!r} is not of the form s3://bucket/key")
        return cls(bucket, path)

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Encryption:
    """The server-side encryption to request for an object in S3.

    Attributes:
        algorithm: `aws:kms` or `AES256`, as `x-amz-server-side-encryption` has it.
        key: ARN of the KMS key; empty where there is none.
    """

    algorithm: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """The settings of a deployment that waits for its job.

    Attributes:
        seconds: The timeout.
        fails_stack: Whether a job that does not complete in time fails the deployment.
    """

    seconds: float
    fails_stack: bool


@dataclass(frozen=True, slots=True)
class JobProperties:
    """The properties of a job's resource, in the types that the handler works with."""

    request: Mapping[str, object] = field(repr=False)
    digest: str
    tags: Mapping[str, str] = field(repr=False)
    assets: tuple[tuple[Location, Location], ...]
    checkpoints_from: Location | None
    records: Location
    on_delete: OnDelete
    wait: Wait | None
    encryption: Mapping[str, Encryption] = field(default_factory=dict)


def read_definition(properties: Mapping[str, object]) -> JobProperties:
    """Read the resource's properties.

    Raises:
        Failure: One of them is missing or not of the form that the constructs write.
    """
    request = read_request(properties)
    records = Location.parse(text_of(properties, Property.RECORDS))
    return JobProperties(
        request=request,
        digest=_digest(request, properties),
        tags=read_tags(properties),
        assets=_read_assets(properties, records.bucket),
        checkpoints_from=_read_checkpoints_from(properties, request),
        records=records,
        on_delete=_read_on_delete(properties),
        wait=read_wait(properties),
        encryption=read_encryption(properties),
    )


def _digest(request: Mapping[str, object], properties: Mapping[str, object]) -> str:
    """Return the definition's digest; omitted properties do not change it."""
    more = {
        name: text_of(properties, prop)
        for name, prop in _MORE_OF_THE_DEFINITION.items()
        if prop in properties
    }
    return contract.definition_digest({"request": request, **more} if more else request)


def _read_checkpoints_from(
    properties: Mapping[str, object], request: Mapping[str, object]
) -> Location | None:
    if Property.COPY_CHECKPOINTS_FROM not in properties:
        return None
    if not checkpoint_uri(request):
        raise Failure(Issue(Property.COPY_CHECKPOINTS_FROM, "needs a checkpointConfig to copy to"))
    return Location.parse(text_of(properties, Property.COPY_CHECKPOINTS_FROM))


@contextmanager
def _reading(name: Property | SweepProperty, form: str) -> Iterator[None]:
    """Refuse a property whose value is not of the form that the constructs write."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        raise Failure(Issue(name, f"expected {form}")) from None


def text_of(properties: Mapping[str, object], name: Property | SweepProperty) -> str:
    with _reading(name, "a string"):
        return _string(properties[name])


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _parsed(properties: Mapping[str, object], name: Property) -> Any:  # noqa: ANN401 - any JSON
    """Return a property that is no string, from a JSON string if an earlier release wrote it."""
    value = properties[name]
    return json.loads(value) if isinstance(value, str) else value


def read_request(properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return the CreateJob request, in the API's names and types.

    Raises:
        Failure: The property is missing or is not of the form that the constructs write.
    """
    with _reading(Property.REQUEST, "an object"):
        value = _parsed(properties, Property.REQUEST)
        if not isinstance(properties[Property.REQUEST], str):
            value = restored("CreateJobRequest", value)
        return _mapping(value)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError
    return value


def read_tags(properties: Mapping[str, object]) -> Mapping[str, str]:
    if Property.TAGS not in properties:
        return {}
    with _reading(Property.TAGS, "an object of strings"):
        return {key: _string(value) for key, value in _parsed(properties, Property.TAGS).items()}


def old_tags(properties: Mapping[str, object]) -> Mapping[str, str]:
    """Return the tags that properties have; none if they are malformed."""
    try:
        return read_tags(properties)
    except Failure:
        return {}


def _read_assets(
    properties: Mapping[str, object], inputs_bucket: str
) -> tuple[tuple[Location, Location], ...]:
    with _reading(Property.ASSETS, "a list of objects that have a Bucket and Objects"):
        return tuple(
            (Location(bucket, source), Location(inputs_bucket, _string(destination)))
            for bucket, entry in _by_bucket(properties, Property.ASSETS)
            for source, destination in _mapping(entry.get(AssetMember.OBJECTS, entry)).items()
        )


def _by_bucket(
    properties: Mapping[str, object], name: Property
) -> list[tuple[str, Mapping[str, object]]]:
    """Return the entries of a list by the bucket that each names.

    Earlier releases wrote an object instead of a list, because its keys could be tokens in a JSON
    string.
    """
    value = _parsed(properties, name) if name in properties else []
    if isinstance(value, Mapping):
        return [(bucket, _mapping(entry)) for bucket, entry in value.items()]
    return [(_string(entry[AssetMember.BUCKET]), _mapping(entry)) for entry in value]


def read_wait(properties: Mapping[str, object]) -> Wait | None:
    """Return the settings of the wait for the job; None if there is no wait.

    Raises:
        Failure: The property is not of the form that the constructs write.
    """
    if Property.WAIT_FOR_COMPLETION not in properties:
        return None
    with _reading(Property.WAIT_FOR_COMPLETION, "an object that has TimeoutSeconds"):
        wait = _parsed(properties, Property.WAIT_FOR_COMPLETION)
        seconds = wait.get(WaitMember.TIMEOUT_SECONDS, wait.get("timeoutSeconds"))
        fails_stack = wait.get(WaitMember.FAIL_STACK, wait.get("failStack"))
        return Wait(_seconds(seconds), fails_stack not in (False, "false"))


def _seconds(value: str | float) -> float:
    """CloudFormation sends a number as a string."""
    seconds = float(value)
    if isinstance(value, bool) or not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def read_encryption(properties: Mapping[str, object]) -> Mapping[str, Encryption]:
    """Return the encryption to request, by bucket.

    Raises:
        Failure: The property is not of the form that the constructs write.
    """
    with _reading(Property.ENCRYPTION, "a list of objects that have a Bucket and may have a Key"):
        entries = _by_bucket(properties, Property.ENCRYPTION)
        return {bucket: _encryption(entry) for bucket, entry in entries}


def _encryption(entry: Mapping[str, object]) -> Encryption:
    key = _string(
        entry.get(EncryptionMember.KEY, entry.get("key", ""))
    )  # the latter: earlier releases
    return Encryption("aws:kms", key) if key else Encryption("AES256")


def _read_on_delete(properties: Mapping[str, object]) -> OnDelete:
    value = properties.get(Property.ON_DELETE, OnDelete.CANCEL_JOB)
    if not isinstance(value, str) or value not in set(OnDelete):
        raise Failure(f"The property {Property.ON_DELETE} is none of {', '.join(OnDelete)}")
    return OnDelete(value)


def request_or_empty(properties: Mapping[str, object]) -> Mapping[str, object]:
    try:
        return read_request(properties)
    except Failure:
        return {}


def digest_or_none(properties: Mapping[str, object]) -> str | None:
    try:
        return _digest(read_request(properties), properties)
    except Failure:
        return None


def is_job_arn(physical_id: str) -> bool:
    """Return whether a physical id is a job's ARN, not the generated id of a failure."""
    return not model_rules.check("JobArn", physical_id)


def is_run_arn(physical_id: str) -> bool:
    """Return whether a physical id is the ARN of a job or of a sweep's execution."""
    return is_job_arn(physical_id) or ":execution:" in physical_id


def render(request: Mapping[str, object], token: str) -> dict[str, object]:
    """Return the request with the run id in the locations that a run must not share."""
    rendered = dict(request)
    run_id = contract.run_id(token)
    name = rendered.get("jobName")
    if isinstance(name, str):
        rendered["jobName"] = name.replace(contract.RUN_ID_PLACEHOLDER, run_id)
    for member, path in (("outputDataConfig", "s3Path"), ("checkpointConfig", "s3Uri")):
        inner = rendered.get(member)
        if isinstance(inner, dict) and isinstance(inner.get(path), str):
            filled = inner[path].replace(contract.RUN_ID_PLACEHOLDER, run_id)
            rendered[member] = {**inner, path: filled}
    return rendered


def attributes_of(arn: str, request: Mapping[str, object]) -> dict[str, str]:
    """Return the resource's attributes, from a rendered request."""
    name, job_id = text_in(request, "jobName"), arn.rpartition("/")[2]
    results = text_in(request, "outputDataConfig", "s3Path").rstrip("/")
    return {
        Attribute.JOB_ARN: arn,
        Attribute.JOB_ID: job_id,
        Attribute.JOB_NAME: name,
        Attribute.RESULTS_S3_URI: f"{results}/{contract.RESULTS_FILE}",
        Attribute.CHECKPOINT_S3_URI: checkpoint_uri(request),
        Attribute.LOG_GROUP_NAME: contract.JOB_LOG_GROUP,
        # Source: `AwsQuantumJob._logs_prefix` in `braket/aws/aws_quantum_job.py` of
        # amazon-braket-sdk.
        Attribute.LOG_STREAM_PREFIX: f"{name}/{job_id}/",
    }


def checkpoint_uri(request: Mapping[str, object]) -> str:
    """Return the location of the job's checkpoints; empty if there is none."""
    return text_in(request, "checkpointConfig", "s3Uri")


def problems_of(definition: JobProperties, region: str) -> list[Issue]:
    """Return the problems that the service would refuse, after tokens are resolved.

    Enumerations are left to the service. The runtime's model may be older than that of the
    synthesis, and newer instance types are allowed.
    """
    token = contract.client_token("", "", definition.digest, 1)
    request = {
        **render(definition.request, token),
        "clientToken": token,
        "tags": {**definition.tags, contract.TOKEN_TAG: token},
    }
    of_the_model = [
        Issue(".".join(map(str, problem.path)), problem.message)
        for problem in model_rules.check("CreateJobRequest", request)
        if problem.rule is not model_rules.Rule.ENUM
    ]
    texts = problems_of_service(request, region) + problems_of_container(request)
    beyond = [Issue("", text) for text in texts]
    return [*of_the_model, *beyond, *_issues_of_buckets(definition)]


def _issues_of_buckets(definition: JobProperties) -> Iterator[Issue]:
    """Check the buckets that are known only at deploy time; the constructs check the others."""
    uris = {".".join(map(str, path)): uri for path, uri in s3_uris(definition.request).items()}
    if definition.checkpoints_from is not None:
        uris[Property.COPY_CHECKPOINTS_FROM] = definition.checkpoints_from.uri
    for place, uri in uris.items():
        bucket = uri.removeprefix("s3://").partition("/")[0] if uri.startswith("s3://") else ""
        if bucket and not is_bucket_name(bucket):
            rule = "expected a bucket of 3 to 63 lower-case letters, digits, dots and hyphens"
            yield Issue(place, rule)


def refuse_problems(definition: JobProperties, region: str) -> None:
    """Refuse an invalid definition, with all its problems.

    Raises:
        Failure: It has problems.
    """
    problems = problems_of(definition, region)
    if problems:
        raise Failure("Amazon Braket would refuse the job", *problems)
    attributes = attributes_of("", render(definition.request, "")).values()
    if sum(len(value.encode("utf-8", "replace")) for value in attributes) > LARGEST_ATTRIBUTES:
        raise Failure(
            "The paths of the results and the checkpoints are too long to be answered to "
            "CloudFormation: use shorter keys, or ASCII ones"
        )
