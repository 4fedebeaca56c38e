"""The Python and the packages of the image that a job runs in, as far as they are known.

`image_packages.json` holds the packages of Braket's own images, with the source of each list and
the day it was read. Nothing is known of other images.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

Version = tuple[int, int]

# `Dockerfile`s in https://github.com/amazon-braket/amazon-braket-containers.
CONTAINER_PYTHON: Final[Version] = (3, 12)

# The accounts of Braket's images and of AWS Deep Learning Containers, which share one form of tags:
# 1.0-cpu-py310-ubuntu22.04. The region may be a token.
_BRAKET: Final = "292282985366"
_URI: Final = re.compile(
    r"(?P<account>292282985366|763104351884)\.dkr\.ecr\.[^/]+?\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?P<digest>@.+)?"
)
_REPOSITORY: Final = re.compile(r"amazon-braket-(?P<name>[a-z]+)-jobs")
_PYTHON: Final = re.compile(r"(?<![a-z0-9])py(?P<major>3)(?P<minor>\d{1,2})(?![0-9])")

# By the version that they came or went with. `distutils` is missing here on purpose: setuptools,
# which the images have, brings it.
_ADDED: Final[Mapping[str, Version]] = {
    "tomllib": (3, 11),
    "annotationlib": (3, 14),
    "compression": (3, 14),
}
_REMOVED: Final[Mapping[str, Version]] = {
    **dict.fromkeys(("binhex",), (3, 11)),
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), (3, 12)),
    **dict.fromkeys(
        (
            "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap",
            "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau",
            "telnetlib", "uu", "xdrlib",
        ),
        (3, 13),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """An image as preflight knows it.

    Attributes:
        name: How findings name it.
        python: Its Python; None if it is not known.
        distributions: The normalized names of its packages; None if they are not known.
    """

    name: str
    python: Version | None
    distributions: frozenset[str] | None

    @property
    def standard_library(self) -> frozenset[str]:
        """The top-level names of its standard library; those of any Python if it is not known."""
        return _standard_library(self.python)

    def offers(self, top: str) -> bool:
        """Whether one of its packages has a top-level module of that name."""
        return bool(self.distributions and self.distributions & distributions_of(top))


UNKNOWN: Final = Image("the image", None, None)


def image_of(uri: str | None) -> Image:
    """Return the facts of an image.

    Args:
        uri: Its URI; None for the image of jobs that name none, Braket's base image. A token, or
            the URI of another account, is an unknown image.
    """
    if uri is None:
        return _braket_image("base", CONTAINER_PYTHON)
    match = _URI.fullmatch(uri)
    if match is None:
        return UNKNOWN
    tagged = _PYTHON.search(match["tag"] or "")
    python = (int(tagged["major"]), int(tagged["minor"])) if tagged else None
    if match["tag"] == "latest" and not match["digest"] and match["account"] == _BRAKET:
        python = CONTAINER_PYTHON
    repository = _REPOSITORY.fullmatch(match["repository"])
    if match["account"] != _BRAKET or repository is None:
        return Image("the image", python, None)
    return _braket_image(repository["name"], python)


def _braket_image(name: str, python: Version | None) -> Image:
    known = _data()["images"].get(name)
    if known is None:
        return Image("the image", python, None)
    return Image(
        f"Braket's {name} image",
        python,
        frozenset([*known["distributions"], *known["dependencies"]]),
    )


def distributions_of(top: str) -> frozenset[str]:
    """Return the names of the packages that may offer a top-level module, normalized."""
    return frozenset([*_data()["import_names"].get(top, ()), normalized(top)])


def distribution_of(top: str) -> str:
    """Return the package that a requirements.txt usually names for a top-level module."""
    known = _data()["import_names"].get(top)
    return str(known[0]) if known else normalized(top)


def normalized(name: str) -> str:
    """Return a package's name in the form that PEP 503 compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _standard_library(python: Version | None) -> frozenset[str]:
    names = sys.stdlib_module_names | set(_ADDED) | set(_REMOVED)
    if python is None:
        return frozenset(names)
    return frozenset(
        name
        for name in names
        if python >= _ADDED.get(name, (0, 0)) and python < _REMOVED.get(name, (99, 0))
    )


def removed_in(name: str) -> Version | None:
    """Return the Python whose standard library no longer has a module; None for others."""
    return _REMOVED.get(name)


@cache
def _data() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        Path(__file__).with_name("image_packages.json").read_text("utf-8")
    )
    return loaded
