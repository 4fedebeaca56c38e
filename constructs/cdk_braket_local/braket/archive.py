"""Unpacks other people's archives: never outside, never without end."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

MOST_FILES = 100_000
MOST_BYTES = 4 * 1024**3
MOST_RATIO = 1_000
# What describes one member, such as a long name; it is held in memory.
MOST_HEADER_BYTES = 256 * 1024
_MOST_COMMON_HEADERS = 100
# What describes all members of a zip archive; it is held in memory, too.
MOST_DIRECTORY_BYTES = 32 * 1024**2
# What each member's description in it begins with.
# Source: section 4.3.12 of https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
_DIRECTORY_ENTRY = b"PK\x01\x02"
_FREE_BYTES = 16 * 1024**2


class ArchiveError(Exception):
    """The archive cannot be unpacked, or it would do harm; the message is one line."""


def unpack(archive: Path, destination: Path) -> None:
    """Unpack a tar or zip archive below a folder.

    Args:
        archive: The archive, compressed or not.
        destination: An existing folder.

    Raises:
        ArchiveError: It is no archive, a member would lie outside, or it holds a device or a pipe.
            It is larger than `MOST_BYTES`, or `MOST_RATIO` times its compressed size. It has more
            than `MOST_FILES` members, one with a header of more than `MOST_HEADER_BYTES`, or a
            directory of more than `MOST_DIRECTORY_BYTES`. Files that were unpacked by then stay in
            the folder.
    """
    try:
        allowed = _allowed_bytes(archive)
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, destination, allowed)
        else:
            _unpack_tar(archive, destination, allowed)
    except ArchiveError as error:
        raise ArchiveError(_line(f"{archive.name}: {error}")) from error
    except Exception as error:
        text = str(error) or type(error).__name__
        raise ArchiveError(_line(f"{archive.name} cannot be unpacked: {text}")) from error


def _line(text: str) -> str:
    return " ".join(text.split())


def _allowed_bytes(archive: Path) -> int:
    return min(MOST_BYTES, max(archive.stat().st_size * MOST_RATIO, _FREE_BYTES))


class _Unfolded:
    """An archive's bytes without compression, as many as are allowed.

    Attributes:
        left: How many may be read in all.
        at_once: How many may be read until this is set again.
    """

    def __init__(self, stream: IO[bytes], allowed: int) -> None:
        self._stream = stream
        self._allowed = allowed
        self.left = allowed
        self.at_once = MOST_HEADER_BYTES

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.left -= len(data)
        self.at_once -= len(data)
        if self.left < 0:
            raise ArchiveError(f"it unfolds to more than {self._allowed} bytes")
        if self.at_once < 0:
            raise ArchiveError(f"a member has a header of more than {MOST_HEADER_BYTES} bytes")
        return data


def _unpack_tar(archive: Path, destination: Path, allowed: int) -> None:
    with _opened(archive) as stream:
        unfolded = _Unfolded(stream, allowed)
        # As a stream: members are checked as they come, before a bomb has been unfolded.
        with tarfile.open(fileobj=cast("IO[bytes]", unfolded), mode="r|") as opened:
            for member in _within_limits(opened, unfolded, allowed):
                # `extract` has its own filter for this, but not in every Python 3.11.
                _unpack_member(opened, member, destination)


def _opened(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(archive))
    if start.startswith(b"BZh"):
        return bz2.open(archive)
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(archive)
    return archive.open("rb")


def _unpack_member(opened: tarfile.TarFile, member: tarfile.TarInfo, destination: Path) -> None:
    target = _inside(destination, destination, member.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
        return
    # What an earlier member left there is replaced, never written through.
    target.unlink(missing_ok=True)
    if member.issym():
        _inside(destination, target.parent, member.linkname)
        target.symlink_to(member.linkname)
    elif member.islnk():
        os.link(_inside(destination, destination, member.linkname), target, follow_symlinks=False)
    elif member.isfile():
        _write(opened, member, target)
    else:
        raise ArchiveError(f"{member.name!r} is neither a file, a folder nor a link")


def _inside(destination: Path, start: Path, name: str) -> Path:
    """Return the path of a name, as long as neither it nor a link on the way leads outside."""
    path = start / name
    resolved = path.parent.resolve() / path.name
    if Path(name).is_absolute() or not _is_below(resolved, destination):
        raise ArchiveError(f"{name!r} leads outside")
    return resolved


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder.resolve())


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = opened.extractfile(member)
    if content is None:
        raise ArchiveError(f"{member.name!r} has no content")
    with content, target.open("xb") as file:
        shutil.copyfileobj(content, file)
    # Its owner can read and write it, with any mode in the archive.
    target.chmod(0o600 | member.mode & 0o755)


def _within_limits(
    opened: tarfile.TarFile, unfolded: _Unfolded, allowed: int
) -> Iterator[tarfile.TarInfo]:
    total = count = 0
    while (member := opened.next()) is not None:
        # It keeps all members, each with its headers, and the headers that are for all of them.
        opened.members.clear()  # type: ignore[attr-defined]
        if len(opened.pax_headers) > _MOST_COMMON_HEADERS:
            raise ArchiveError(f"it has more than {_MOST_COMMON_HEADERS} headers for all members")
        if member.size < 0 or member.issparse():
            raise ArchiveError(f"{member.name!r} is a sparse file, or has no size")
        count, total = count + 1, total + member.size
        _check_limits(count, total, allowed)
        unfolded.at_once = member.size + MOST_HEADER_BYTES
        yield member
        unfolded.at_once = MOST_HEADER_BYTES


class _BoundedReader(io.BufferedReader):
    """A zip archive's file: `ZipFile` reads its directory at once, and then parses all of it."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MOST_DIRECTORY_BYTES
        data = super().read(most + 1 if size is None or size < 0 else min(size, most + 1))
        if len(data) > most:
            raise ArchiveError(f"its directory has more than {most} bytes")
        _check_limits(data.count(_DIRECTORY_ENTRY), 0, 0)
        return data


def _unpack_zip(archive: Path, destination: Path, allowed: int) -> None:
    with _BoundedReader(io.FileIO(archive)) as file, zipfile.ZipFile(file) as opened:
        members = opened.infolist()
        total = sum(member.file_size for member in members)
        _check_limits(len(members), total, allowed)
        for member in members:
            _inside(destination, destination, member.filename)
            opened.extract(member, destination)


def _check_limits(count: int, total: int, allowed: int) -> None:
    if count > MOST_FILES:
        raise ArchiveError(f"it has more than {MOST_FILES} members")
    if total > allowed:
        raise ArchiveError(f"it unfolds to more than {allowed} bytes")
