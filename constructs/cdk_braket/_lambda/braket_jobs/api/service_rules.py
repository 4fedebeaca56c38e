"""What cannot become a hybrid job and that the service model does not tell. Pure.

The constructs ask here for what is known at synth, the handler for all of a request once tokens
have their values, and the local service as Amazon Braket does.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

LOCAL_DEVICE = "local:"
"""What the name of an embedded simulator begins with."""

SERVICE_LINKED_ROLE = "AWSServiceRoleForAmazonBraket"
"""The role by which Amazon Braket acts in an account.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-slr.html
"""

REACHABLE_PREFIX = "amazon-braket-"
"""What the name of a bucket begins with that Braket reaches by name.

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


# Names that S3 gave before 2018 are other ones, and Amazon Braket is younger. Source:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

MemberPath = tuple[str | int, ...]
"""Where something stands in a request."""


def is_device(device: str) -> bool:
    """Say whether a text names a device: an ARN, or `local:<provider>/<simulator>`."""
    if not is_passable(device):
        return False
    if not device.startswith(LOCAL_DEVICE):
        return DEVICE_ARN.fullmatch(device) is not None
    provider, _, simulator = device.removeprefix(LOCAL_DEVICE).partition("/")
    return bool(provider and simulator)


def device_region(device: str) -> str | None:
    """Return the region that a device is in; None when it is in any."""
    match = DEVICE_ARN.fullmatch(device)
    return match["region"] or None if match else None


def is_prefix(key: str) -> bool:
    """Say whether a key of S3 names no single object.

    The container would fail on it once the instance runs, and is billed for.
    """
    return not key or key.endswith("/")


def is_bucket_name(name: str) -> bool:
    """Say whether S3 can have a bucket of a name.

    Policies are made of names: to them `*`, say, is every bucket.
    """
    return _BUCKET_NAME.fullmatch(name) is not None


def is_passable(text: str) -> bool:
    """Say whether a text can become a variable of a process or a key in S3.

    The container would fail on one that cannot: no variable holds a NUL, and half of a surrogate
    pair, which JSON can hold, is nothing in UTF-8.
    """
    return "\x00" not in text and is_unicode(text)


def is_unicode(text: str) -> bool:
    """Say whether a text can be written as UTF-8.

    JSON can hold half of a surrogate pair, and names of files that are none come as such (PEP 383).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def s3_uris(request: Mapping[str, object]) -> dict[MemberPath, str]:
    """Return the S3 URIs of a CreateJob request, each by where it stands."""
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
    """Return what the service has against a CreateJob request beyond its model.

    Args:
        request: The request, without tokens. What the model refuses is passed over.
        region: Where the job is to run.
    """
    found = []
    device = text_in(request, "deviceConfig", "device")
    if device and not is_device(device):
        found.append(
            "deviceConfig.device must be the ARN of a device or local:<provider>/<simulator>"
        )
    elsewhere = device_region(device)
    if elsewhere not in {None, region}:
        found.append(
            f"deviceConfig.device is in {elsewhere}, and the job would be in {region}; a job runs "
            "in its device's region"
        )
    if request.get("algorithmSpecification") == {}:
        found.append("algorithmSpecification must have a script, a container image or both")
    unfit = unfit_texts(request)
    return found + [f"{'.'.join(map(str, path))} {message}" for path, _, message in unfit]


def unfit_texts(request: Mapping[str, object]) -> list[tuple[MemberPath, str, str]]:
    """Return what is against the texts of a CreateJob request by which its container is started.

    Args:
        request: The request; may lack members.

    Returns:
        Of each text that will not do, where it stands, the text, and the message.
    """
    entry_point = ("algorithmSpecification", "scriptModeConfig", "entryPoint")
    uris = s3_uris(request)
    texts = {**uris, entry_point: text_in(request, *entry_point)}
    no_urls = [(path, uri, _NO_URL) for path, uri in uris.items() if not _is_url(uri)]
    not_passable = [(path, each, _NOT_PASSABLE) for path, each in texts.items()]
    return no_urls + [each for each in not_passable if not is_passable(each[1])]


_NO_URL = "must be a URL, and its host is none"
_NOT_PASSABLE = "must not hold NUL, or half of a surrogate pair"


def _is_url(uri: str) -> bool:
    try:
        urlsplit(uri)
    except ValueError:
        # Of s3:// only a bucket's name is in this place, and brackets are in none.
        return False
    return True


def problems_of_container(request: Mapping[str, object]) -> list[str]:
    """Return what the service takes and the job's container would fail on."""
    script = text_in(request, "algorithmSpecification", "scriptModeConfig", "s3Uri")
    if script and is_prefix(script.partition("://")[2].partition("/")[2]):
        return ["algorithmSpecification.scriptModeConfig.s3Uri must name one object, not a prefix"]
    return []


def text_in(request: object, *path: str) -> str:
    """Return the text that stands somewhere in a request; empty where there is none."""
    value = request
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def mapping_in(values: object, name: str) -> Mapping[str, object]:
    """Return the mapping that another one has under a name; an empty one if there is none."""
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}
