"""A job's files in Amazon S3, under the execution role's credentials."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from cdk_braket._lambda.hybrid_job_handler.beyond_model import is_passable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class MissingObjectError(Exception):
    """There is nothing at an S3 URI; the message names it."""


class UnfitNameError(Exception):
    """A file cannot be stored, or an object not be a file, for its name."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key, or the beginning of keys."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Place":
        """Read `s3://bucket/key`, or the https form that the API takes too."""
        scheme, _, rest = uri.partition("://")
        if scheme == "s3":
            # Not a URL's parts: `#` and `?` are letters of a key like others.
            bucket, _, key = rest.partition("/")
            return cls(bucket, key.lstrip("/"))
        parts = urlsplit(uri)
        if ".s3." in parts.netloc or parts.netloc.endswith(".s3"):
            return cls(parts.netloc.partition(".s3")[0], unquote(parts.path.lstrip("/")))
        bucket, _, key = parts.path.lstrip("/").partition("/")
        return cls(bucket, unquote(key))

    def below(self, name: str) -> "Place":
        """Return a place inside this one."""
        return Place(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))


class Objects:
    """Downloads and uploads of one job."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def download_object(self, uri: str, folder: Path) -> Path:
        """Download the one object that a URI names; a prefix is none.

        Raises:
            MissingObjectError: There is no such object.
        """
        place = Place.parse(uri)
        target = folder / (PurePosixPath(place.key).name or "script")
        try:
            self._client.download_file(place.bucket, place.key, str(target))
        except ClientError as error:
            raise MissingObjectError(f"{uri}: {error}") from error
        return target

    def download_tree(self, uri: str, folder: Path) -> int:
        """Download all objects whose keys begin as a URI does; return how many there were.

        Raises:
            MissingObjectError: One would lie outside the folder.
            UnfitNameError: The key of one cannot name a file.
        """
        place = Place.parse(uri)
        count = 0
        for key in self._keys(place):
            if not is_passable(key):
                raise UnfitNameError(f"the key {key!r} in {place.bucket} cannot name a file")
            target = folder / _relative(key, place.key)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise MissingObjectError(f"s3://{place.bucket}/{key} would lie outside its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(place.bucket, key, str(target))
            count += 1
        return count

    def upload(self, file: Path, place: Place) -> None:
        """Upload a file.

        Raises:
            UnfitNameError: Its name holds bytes that are not UTF-8, as no key can.
        """
        if not is_passable(place.key):
            raise UnfitNameError(f"{place.key!r} cannot be a key of S3: it is not UTF-8")
        self._client.upload_file(str(file), place.bucket, place.key)

    def _keys(self, place: Place) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=place.key
        )
        for page in pages:
            for found in page.get("Contents", []):
                # A key that ends in a slash is a folder of the console's making.
                if not found["Key"].endswith("/"):
                    yield found["Key"]


def _relative(key: str, prefix: str) -> str:
    """Return the part of a key that becomes the file's path.

    A prefix that ends within a name, or is the whole key, keeps that name.
    """
    folder = prefix[: prefix.rfind("/") + 1]
    if key.startswith(f"{prefix.rstrip('/')}/"):
        folder = f"{prefix.rstrip('/')}/"
    return key.removeprefix(folder)


class Mirror:
    """Keeps a folder's files in S3 as they change; what is deleted here stays there."""

    def __init__(self, objects: Objects, folder: Path, place: Place) -> None:
        self._objects = objects
        self._folder = folder
        self._place = place
        self._uploaded = dict(self._versions())

    def push(self) -> None:
        """Upload what is new or changed since the last time."""
        for name, version in self._versions():
            if self._uploaded.get(name) != version:
                self._objects.upload(self._folder / name, self._place.below(name))
                self._uploaded[name] = version

    def _versions(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for path in sorted(self._folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                state = path.stat()
                yield path.relative_to(self._folder).as_posix(), (state.st_mtime_ns, state.st_size)


def pack(folder: Path, archive: Path) -> None:
    """Write a folder's content into a compressed tar archive."""
    with tarfile.open(archive, "w:gz") as opened:
        for path in sorted(folder.iterdir()):
            opened.add(path, path.name)
