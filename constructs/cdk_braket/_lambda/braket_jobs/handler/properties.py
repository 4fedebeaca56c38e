"""The properties of the custom resource: reading, checking, rendering. Pure."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    WaitMember,
)
from .errors import Failure

_MORE_OF_THE_DEFINITION = {
    "from": Property.COPY_CHECKPOINTS_FROM,
    "rerun": Property.RERUN_TOKEN,
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
            shown = repr(uri[:_SHOWN])
            raise Failure(f"{shown} is not of the form s3://bucket/key.")
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
    """How a deployment waits for its job.

    Attributes:
        seconds: For how long.
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
    """Return the definition's digest; what is left out does not change it."""
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
        raise Failure("There is no checkpointConfig to copy checkpoints to.")
    return Location.parse(text_of(properties, Property.COPY_CHECKPOINTS_FROM))


def text_of(properties: Mapping[str, object], name: Property) -> str:
    value = properties.get(name)
    if not isinstance(value, str):
        raise Failure(f"The property {name} is missing or is not text.")
    return value


def _parsed(properties: Mapping[str, object], name: Property) -> object:
    """Return a property whose value is no string, from its JSON string if it is one."""
    value = properties.get(name)
    if not isinstance(value, str):
        return value
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        raise Failure(f"The property {name} is not JSON.") from None
    return parsed


def _object(properties: Mapping[str, object], name: Property) -> Mapping[str, object]:
    value = _parsed(properties, name)
    if not isinstance(value, Mapping):
        raise Failure(f"The property {name} is missing or is not an object.")
    return value


def read_request(properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return the CreateJob request, in the API's names and types.

    Raises:
        Failure: The property is missing or is not of the form that the constructs write.
    """
    value = _object(properties, Property.REQUEST)
    if isinstance(properties[Property.REQUEST], str):
        return value  # of an earlier release: JSON keeps names and types
    request = restored("CreateJobRequest", value)
    return request if isinstance(request, Mapping) else {}


def read_tags(properties: Mapping[str, object]) -> Mapping[str, str]:
    if Property.TAGS not in properties:
        return {}
    value = _parsed(properties, Property.TAGS)
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise Failure(f"The property {Property.TAGS} is not an object of strings.")
    return value


def _read_assets(
    properties: Mapping[str, object], inputs_bucket: str
) -> tuple[tuple[Location, Location], ...]:
    return tuple(
        (Location(bucket, source), Location(inputs_bucket, destination))
        for bucket, objects in _entries(properties, Property.ASSETS, AssetMember.BUCKET)
        for source, destination in _read_objects(objects)
    )


def _entries(
    properties: Mapping[str, object], name: Property, key: str
) -> list[tuple[str, Mapping[str, object]]]:
    """Return the entries of a list by the string that each has under `key`.

    Earlier releases wrote an object instead of a list, because its keys could be tokens in a JSON
    string.
    """
    value = _parsed(properties, name) if name in properties else []
    if isinstance(value, list):
        found = [(each.get(key) if isinstance(each, Mapping) else None, each) for each in value]
    else:
        found = list(value.items()) if isinstance(value, Mapping) else [(None, value)]
    named = [(k, v) for k, v in found if isinstance(k, str) and isinstance(v, Mapping)]
    if len(named) != len(found):
        raise Failure(f"The property {name} is not a list of objects that have a {key}.")
    return named


def _read_objects(entry: Mapping[str, object]) -> list[tuple[str, str]]:
    objects = entry.get(AssetMember.OBJECTS, entry)
    if not isinstance(objects, Mapping):
        raise Failure(f"An entry of the property {Property.ASSETS} has no {AssetMember.OBJECTS}.")
    named = [(key, value) for key, value in objects.items() if isinstance(value, str)]
    if len(named) != len(objects):
        raise Failure(f"An entry of the property {Property.ASSETS} is not an object of strings.")
    return named


def read_wait(properties: Mapping[str, object]) -> Wait | None:
    """Return how the deployment waits for the job; None when it does not.

    Raises:
        Failure: The property is not of the form that the constructs write.
    """
    if Property.WAIT_FOR_COMPLETION not in properties:
        return None
    wait = _object(properties, Property.WAIT_FOR_COMPLETION)
    seconds = _seconds(wait.get(WaitMember.TIMEOUT_SECONDS, wait.get("timeoutSeconds")))
    fails_stack = wait.get(WaitMember.FAIL_STACK, wait.get("failStack"))
    return Wait(seconds, fails_stack not in (False, "false"))


def _seconds(value: object) -> float:
    """CloudFormation sends a number as a string."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(value, bool) or not (0 < seconds < math.inf):
        name = Property.WAIT_FOR_COMPLETION
        raise Failure(f"The property {name} has no {WaitMember.TIMEOUT_SECONDS}.")
    return seconds


def read_encryption(properties: Mapping[str, object]) -> Mapping[str, Encryption]:
    """Return the encryption to request, by bucket.

    Raises:
        Failure: The property is not of the form that the constructs write.
    """
    entries = _entries(properties, Property.ENCRYPTION, EncryptionMember.BUCKET)
    return {bucket: _encryption(entry) for bucket, entry in entries}


def _encryption(entry: Mapping[str, object]) -> Encryption:
    key = entry.get(EncryptionMember.KEY, entry.get("key", ""))  # the latter: earlier releases
    if not isinstance(key, str):
        raise Failure(f"An entry of the property {Property.ENCRYPTION} has a key that is no ARN.")
    return Encryption("aws:kms", key) if key else Encryption("AES256")


def _read_on_delete(properties: Mapping[str, object]) -> OnDelete:
    value = properties.get(Property.ON_DELETE, OnDelete.CANCEL_JOB)
    if not isinstance(value, str) or value not in set(OnDelete):
        raise Failure(f"The property {Property.ON_DELETE} is none of {', '.join(OnDelete)}.")
    return OnDelete(value)


def request_or_empty(properties: Mapping[str, object]) -> Mapping[str, object]:
    try:
        return read_request(properties)
    except Failure:
        return {}


def digest_or_none(properties: Mapping[str, object]) -> str | None:
    try:
        return _digest(read_request(properties), properties)
    except (Failure, ValueError):
        return None


def is_job_arn(physical_id: str) -> bool:
    """Say whether a physical id is a job's ARN, not something that was made up for a failure."""
    return not model_rules.check("JobArn", physical_id)


def render(request: Mapping[str, object], token: str) -> dict[str, object]:
    """Return the request with the run id in the places that a run must not share."""
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
    """Return where the job keeps its checkpoints; empty when nowhere."""
    return text_in(request, "checkpointConfig", "s3Uri")


def problems_of(definition: JobProperties, region: str) -> list[str]:
    """Return what the service would refuse, now that every token has its value.

    An enumeration is left to the service: the runtime's model may be older than the one that the
    stack was synthesized with, and an instance type that is newer than both is allowed.
    """
    token = contract.client_token("", "", definition.digest, 1)
    request = {
        **render(definition.request, token),
        "clientToken": token,
        "tags": {**definition.tags, contract.TOKEN_TAG: token},
    }
    found = model_rules.check("CreateJobRequest", request)
    of_the_model = [
        f"{'.'.join(map(str, problem.path))} {problem.message}"
        for problem in found
        if problem.rule is not model_rules.Rule.ENUM
    ]
    beyond = problems_of_service(request, region) + problems_of_container(request)
    return of_the_model + beyond + _problems_of_buckets(definition)


def _problems_of_buckets(definition: JobProperties) -> list[str]:
    """Return what is against the buckets that a job, or the handler for it, would read.

    The constructs look at these, too, but for those that only the deployment knows.
    """
    uris = s3_uris(definition.request)
    buckets = {".".join(map(str, path)): _bucket_in(uri) for path, uri in uris.items()}
    if definition.checkpoints_from is not None:
        buckets[Property.COPY_CHECKPOINTS_FROM] = definition.checkpoints_from.bucket
    return [
        f"{place} must name a bucket of 3 to 63 lower-case letters, digits, dots and hyphens"
        for place, bucket in buckets.items()
        if bucket and not is_bucket_name(bucket)
    ]


def _bucket_in(uri: str) -> str:
    """Return the bucket that an S3 URI names; empty when it is of another form."""
    scheme, _, rest = uri.partition("://")
    return rest.partition("/")[0] if scheme == "s3" else ""


def refuse_problems(definition: JobProperties, region: str) -> None:
    """Refuse a definition that cannot become a job, with everything that is wrong with it.

    Raises:
        Failure: It has problems.
    """
    problems = problems_of(definition, region)
    if problems:
        raise Failure("Amazon Braket would refuse the job: " + "; ".join(problems) + ".")
    attributes = attributes_of("", render(definition.request, "")).values()
    if sum(len(value.encode("utf-8", "replace")) for value in attributes) > LARGEST_ATTRIBUTES:
        raise Failure(
            "The paths of the results and the checkpoints are too long to be answered to "
            "CloudFormation: use shorter keys, or ASCII ones."
        )
