"""Rules of Amazon Braket for hybrid jobs that the service model does not contain. Pure.

The constructs check the values that are known during synth. The handler checks the whole request
after tokens are resolved. The local service checks requests as Amazon Braket does.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

LOCAL_DEVICE = "local:"
"""The prefix of the names of embedded simulators."""

SERVICE_LINKED_ROLE = "AWSServiceRoleForAmazonBraket"
"""The service-linked role of Amazon Braket.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-slr.html
"""

REACHABLE_PREFIX = "amazon-braket-"
"""The prefix of the names of buckets that Braket can reach by name.
Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-manage-access.html
"""

REACHABLE_TAG = ("AmazonBraket", "true")
"""The tag of a bucket that Braket reaches by attribute-based access control.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-manage-access.html
"""

DEVICE_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):braket:(?P<region>[^:]*):(?P<account>[^:]*)"
    r":device/(?P<kind>[^/]+)/(?P<provider>[^/]+)/(?P<name>.+)"
)
"""arn:partition:braket:region:account:device/kind/provider/name"""


# Names that S3 gave before 2018 follow other rules, but Amazon Braket is younger. Source:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

MemberPath = tuple[str | int, ...]
"""The path of a member in a request."""


def is_device(device: str) -> bool:
    """Return whether a string names a device: an ARN, or `local:<provider>/<simulator>`."""
    if not is_passable(device):
        return False
    if not device.startswith(LOCAL_DEVICE):
        return DEVICE_ARN.fullmatch(device) is not None
    provider, _, simulator = device.removeprefix(LOCAL_DEVICE).partition("/")
    return bool(provider and simulator)


def device_region(device: str) -> str | None:
    """Return the region of a device; None if the device is not in a single region."""
    match = DEVICE_ARN.fullmatch(device)
    return match["region"] or None if match else None


def is_prefix(key: str) -> bool:
    """Return whether an S3 key is a prefix, and not the key of a single object.

    Otherwise the container would fail after its instance was started and billed.
    """
    return not key or key.endswith("/")


def is_bucket_name(name: str) -> bool:
    """Return whether S3 allows a bucket name.

    Policies contain these names: `*`, for example, would match every bucket.
    """
    return _BUCKET_NAME.fullmatch(name) is not None


def is_passable(text: str) -> bool:
    """Return whether a string can be an environment variable and an S3 key.

    Otherwise the container would fail: an environment variable cannot hold NUL. JSON can hold half
    of a surrogate pair, but UTF-8 cannot.
    """
    return "\x00" not in text and is_unicode(text)


def is_unicode(text: str) -> bool:
    """Return whether a string can be written as UTF-8.

    JSON can hold half of a surrogate pair, and Python uses them in file names that are not valid
    UTF-8 (PEP 383).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def s3_uris(request: Mapping[str, object]) -> dict[MemberPath, str]:
    """Return the S3 URIs of a CreateJob request by their path."""
    return {path: text for path, text in _s3_places(request) if text}


def _s3_places(request: Mapping[str, object]) -> Iterator[tuple[MemberPath, str]]:
    for path in (
        ("algorithmSpecification", "scriptModeConfig", "s3Uri"),
        ("checkpointConfig", "s3Uri"),
        ("outputDataConfig", "s3Path"),
    ):
        yield path, text_in(request, *path)
    channels = request.get("inputDataConfig")
    inside = ("dataSource", "s3DataSource", "s3Uri")
    for index, channel in enumerate(channels if isinstance(channels, list) else []):
        yield ("inputDataConfig", index, *inside), text_in(channel, *inside)


def problems_of_service(request: Mapping[str, object], region: str) -> list[str]:
    """Return the problems of a CreateJob request that the service model does not cover.

    Args:
        request: The request, without tokens. Values that the model refuses are skipped.
        region: The region of the job.
    """
    found = []
    device = text_in(request, "deviceConfig", "device")
    if device and not is_device(device):
        found.append(
            "deviceConfig.device: expected the ARN of a device or local:<provider>/<simulator>"
        )
    elsewhere = device_region(device)
    if elsewhere not in {None, region}:
        found.append(
            f"deviceConfig.device is in {elsewhere}, and the job would be in {region}; a job runs "
            "in its device's region"
        )
    if request.get("algorithmSpecification") == {}:
        found.append(
            "algorithmSpecification: expected a script, a container image or both, got none"
        )
    unfit = unfit_texts(request)
    return found + [f"{'.'.join(map(str, path))}: {message}" for path, _, message in unfit]


def unfit_texts(request: Mapping[str, object]) -> list[tuple[MemberPath, str, str]]:
    """Return the strings of a CreateJob request that the job's container cannot use.

    Args:
        request: The request; may lack members.

    Returns:
        The path, the string and the message for each unusable string.
    """
    entry_point = ("algorithmSpecification", "scriptModeConfig", "entryPoint")
    uris = s3_uris(request)
    texts = {**uris, entry_point: text_in(request, *entry_point)}
    no_urls = [(path, uri, _NO_URL) for path, uri in uris.items() if not _is_url(uri)]
    not_passable = [(path, each, _NOT_PASSABLE) for path, each in texts.items()]
    return no_urls + [each for each in not_passable if not is_passable(each[1])]


_NO_URL = "expected a URL with a valid host"
_NOT_PASSABLE = "expected text without NUL and halves of surrogate pairs"


def _is_url(uri: str) -> bool:
    try:
        urlsplit(uri)
    except ValueError:
        # In s3:// only a bucket's name is in this place. Brackets are never valid.
        return False
    return True


def problems_of_container(request: Mapping[str, object]) -> list[str]:
    """Return the problems that the service does not detect, but that fail the job's container."""
    script = text_in(request, "algorithmSpecification", "scriptModeConfig", "s3Uri")
    if script and is_prefix(script.partition("://")[2].partition("/")[2]):
        return ["algorithmSpecification.scriptModeConfig.s3Uri: expected one object, got a prefix"]
    return []


def text_in(request: object, *path: str) -> str:
    """Return the string at a path; empty if there is none."""
    value = request
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def mapping_in(values: object, name: str) -> Mapping[str, object]:
    """Return the mapping that another one has under a name; an empty one if there is none."""
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}
