"""The container images of hybrid jobs that Amazon Braket publishes.

Source of their repositories: `braket.jobs.image_uri_config` of amazon-braket-sdk. Source of their
tags: https://github.com/amazon-braket/amazon-braket-containers.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

REGISTRY: Final = "292282985366"
"""The account of Amazon Braket's registry."""

REGIONS: Final = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")
"""The regions with hybrid jobs, each of which has the images."""

LATEST: Final = "latest"

_URI: Final = re.compile(
    r"(?P<account>\d+)\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that Amazon Braket publishes.

    Attributes:
        name: The name in its repository's name.
        version: The version that its tags begin with.
        processor: `cpu` or `gpu`, as in its tags.
        python: The Python on AWS.
    """

    name: str
    version: str
    processor: str
    python: tuple[int, int] = (3, 12)

    @property
    def repository(self) -> str:
        """The name of its repository."""
        return f"amazon-braket-{self.name}-jobs"

    @property
    def tags(self) -> Sequence[str]:
        """All tags of the image; the second names the Python that its jobs have here.

        `@hybrid_job` of the SDK compares it with the Python of its caller.
        """
        major, minor = sys.version_info[:2]
        return (LATEST, f"{self.version}-{self.processor}-py{major}{minor}-ubuntu22.04")

    @property
    def digest(self) -> str:
        """An invented digest: nothing is ever pulled."""
        return (
            "sha256:" + hashlib.sha256("/".join((self.repository, *self.tags)).encode()).hexdigest()
        )

    @property
    def pins(self) -> Sequence[str]:
        """The requirements that its packages are installed from; none if it needs a GPU."""
        pins: list[str] = _json("cdk_braket_local.braket", "image_pins.json")["images"][self.name]
        return pins

    @property
    def distributions(self) -> frozenset[str]:
        """The normalized names of all packages in it."""
        known = _package_names()["images"][self.name]
        return frozenset([*known["distributions"], *known["dependencies"]])

    def distributions_of(self, module: str) -> frozenset[str]:
        """Return its packages that may offer a top-level module."""
        names = _package_names()["import_names"].get(module, ())
        return self.distributions & {*names, normalized(module)}


IMAGES: Final = (
    Image("base", "1.0", "cpu"),
    Image("pytorch", "2.8", "gpu"),
    Image("tensorflow", "2.19", "gpu"),
    Image("cudaq", "0.14", "gpu"),
)


BASE: Final = IMAGES[0]
"""The image of jobs that name none."""


def image_of(uri: str | None) -> Image | None:
    """Return the image that a job runs in, or None if it is none of Amazon Braket's.

    Args:
        uri: Its URI, with any tag; None for the default.
    """
    if uri is None:
        return BASE
    match = _URI.fullmatch(uri)
    if match is None or match["account"] != REGISTRY:
        return None
    return next((each for each in IMAGES if each.repository == match["repository"]), None)


def normalized(name: str) -> str:
    """Return a package's name in the form that PEP 503 compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _package_names() -> Any:  # noqa: ANN401 - JSON
    return _json("cdk_braket", "validation/preflight/image_packages.json")


@cache
def _json(package: str, name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))


def found(repository: str, tag: str | None, digest: str | None) -> Iterator[tuple[Image, str]]:
    """Yield the images of Amazon Braket's registry that an image id names, each with a tag.

    Args:
        repository: The name of a repository.
        tag: A tag; None for all tags of the digest.
        digest: A digest; None for any.
    """
    for image in IMAGES:
        if image.repository == repository and digest in {None, image.digest}:
            yield from ((image, each) for each in image.tags if tag in {None, each})
