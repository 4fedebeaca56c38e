"""A job's files in Amazon S3, under the execution role's credentials."""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.api.service_rules import is_passable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# One part at a time: many at once would each be held in memory.
_TRANSFER = TransferConfig(use_threads=False)

# How often, and how many seconds apart, it is looked whether a file is complete.
_ATTEMPTS = 5
_PAUSE = 0.02


class MissingObjectError(Exception):
    """No object is at an S3 URI; the message names it."""


class UnfitNameError(Exception):
    """A file cannot be stored, or an object not be a file, for its name."""


class ChangingFileError(Exception):
    """A file is being written that should be complete; the message names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key, or the beginning of keys."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Place":
        """Read `s3://bucket/key`, or the https form that the API also accepts."""
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
            self._client.download_file(place.bucket, place.key, str(target), Config=_TRANSFER)
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
            self._client.download_file(place.bucket, key, str(target), Config=_TRANSFER)
            count += 1
        return count

    def upload(self, file: IO[bytes], place: Place) -> None:
        """Upload an open file, from its beginning; it may be closed afterwards.

        Raises:
            UnfitNameError: Its name holds bytes that are not UTF-8, as no key can.
        """
        if not is_passable(place.key):
            raise UnfitNameError(f"{place.key!r} cannot be a key of S3: it is not UTF-8")
        file.seek(0)
        self._client.upload_fileobj(file, place.bucket, place.key, Config=_TRANSFER)

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
    """Return the part of a key that is the file's path.

    A prefix that ends within a name, or is the whole key, keeps that name.
    """
    folder = prefix[: prefix.rfind("/") + 1]
    if key.startswith(f"{prefix.rstrip('/')}/"):
        folder = f"{prefix.rstrip('/')}/"
    return key.removeprefix(folder)


class Mirror:
    """Keeps a folder's files in S3 as they change; a file that is deleted here stays there.

    The owner of the folder may write a file at any time, also while it is read here. So a file is
    copied first, and only a copy that was not written to meanwhile is uploaded.

    Args:
        objects: The uploads.
        folder: The folder.
        place: The beginning of the objects' keys.
    """

    def __init__(self, objects: Objects, folder: Path, place: Place) -> None:
        self._objects = objects
        self._folder = folder
        self._place = place
        self._uploaded = dict(self._versions())
        self._seen = dict(self._uploaded)

    def push(self) -> None:
        """Upload the files that are new or changed, as far as they are complete now.

        A file is complete when its writer has closed it, or paused since the last look.

        Raises:
            Exception: An upload failed; the other files were uploaded all the same.
        """
        seen, self._seen = self._seen, dict(self._versions())
        self._push({name for name, version in self._seen.items() if seen.get(name) == version})

    def push_all(self) -> None:
        """Upload all files that are new or changed, now that no process writes them any more.

        Raises:
            ChangingFileError: Somebody does.
            Exception: As for `push`.
        """
        self._seen = dict(self._versions())
        for name in self._push(self._seen.keys()):
            raise ChangingFileError(f"the file {name} is still being written")

    def _push(self, closed: Collection[str]) -> list[str]:
        """Upload files; return the names of those that are not complete.

        Args:
            closed: The files that are complete even if somebody has them open for writing.
        """
        failures: list[Exception] = []
        incomplete: list[str] = []
        for name, version in self._seen.items():
            if self._uploaded.get(name) == version:
                continue
            try:
                if not self._pushed(name, is_closed=name in closed):
                    incomplete.append(name)
            except Exception as error:  # noqa: BLE001 - it is raised when the others are there
                failures.append(error)
        if failures:
            raise failures[0]
        return incomplete

    def _pushed(self, name: str, *, is_closed: bool) -> bool:
        """Upload a file once it is complete, if that is soon.

        Args:
            name: The file.
            is_closed: Whether it counts as complete even if somebody has it open for writing.
        """
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE if attempt else 0)
            with scratch_file(self._folder.parent) as copy:
                try:
                    version = _copied(self._folder / name, copy, is_closed=is_closed)
                except (FileNotFoundError, NotADirectoryError):
                    return True  # it is deleted
                if version is not None:
                    self._objects.upload(copy, self._place.below(name))
                    self._uploaded[name] = version
                    return True
        return False

    def _versions(self) -> "Iterator[tuple[str, _Version]]":
        for path in sorted(self._folder.rglob("*")):
            # It may be gone by now.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    yield path.relative_to(self._folder).as_posix(), _version(state)


# Which file it is, its size, and when its content and its state changed last.
_Version = tuple[int, int, int, int]


def _version(state: os.stat_result) -> _Version:
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def scratch_file(folder: Path) -> IO[bytes]:
    """Return a file without a name, which a script can neither open nor replace by a link.

    Args:
        folder: Where its content is stored.
    """
    return tempfile.TemporaryFile(dir=folder)


def _copied(path: Path, copy: IO[bytes], *, is_closed: bool) -> _Version | None:
    """Copy a file; return its version, or None if somebody may have written to it meanwhile."""
    # What has become a link or a pipe is neither followed nor waited for.
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(source, "rb") as opened:  # noqa: PTH123 - a descriptor
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            return None
        shutil.copyfileobj(opened, copy)
        is_complete = is_closed or not _is_open_for_writing(source)
        is_same = _version(os.fstat(source)) == _version(before)
        return _version(before) if is_complete and is_same else None


def _is_open_for_writing(descriptor: int) -> bool:
    """Whether anybody has a file open for writing, as far as the file system shows it.

    No lease is given on a file that somebody has open for writing.
    Source: https://man7.org/linux/man-pages/man2/F_SETLEASE.2const.html
    """
    try:
        # An ignored signal reports if another process opens it now, instead of a signal that kills.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno in {errno.EAGAIN, errno.EACCES}
    return False


def pack(folder: Path, archive: IO[bytes]) -> None:
    """Write a folder's content into a compressed tar archive."""
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        for path in sorted(folder.iterdir()):
            opened.add(path, path.name)
