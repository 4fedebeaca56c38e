"""Unpacks other people's archives: never outside, never without end."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

MOST_FILES = 100_000
MOST_BYTES = 4 * 1024**3
MOST_RATIO = 1_000
_FREE_BYTES = 16 * 1024**2


class ArchiveError(Exception):
    """The archive cannot be unpacked, or it would do harm; the message is one line."""


def unpack(archive: Path, destination: Path) -> None:
    """Unpack a tar or zip archive below a folder.

    Args:
        archive: The archive, compressed or not.
        destination: An existing folder.

    Raises:
        ArchiveError: It is no archive; a member would lie outside; it holds a device or a pipe; it
            is larger than `MOST_BYTES`, or `MOST_RATIO` times its compressed size; it has more
            than `MOST_FILES` members. What was unpacked by then stays in the folder.
    """
    allowed = _allowed_bytes(archive)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, destination, allowed)
        else:
            _unpack_tar(archive, destination, allowed)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ArchiveError(f"{archive.name} cannot be unpacked: {error}") from error


def _allowed_bytes(archive: Path) -> int:
    return min(MOST_BYTES, max(archive.stat().st_size * MOST_RATIO, _FREE_BYTES))


def _unpack_tar(archive: Path, destination: Path, allowed: int) -> None:
    # As a stream: members are checked as they come, before a bomb has been unfolded.
    with tarfile.open(archive, "r|*") as opened:
        for member in _within_limits(opened, archive.name, allowed):
            # The filter refuses absolute paths, `..`, links that lead outside, and devices.
            opened.extract(member, destination, filter="data")


def _within_limits(opened: tarfile.TarFile, name: str, allowed: int) -> Iterator[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(opened, start=1):
        total += max(member.size, 0)
        _check_limits(name, count, total, allowed)
        yield member


def _unpack_zip(archive: Path, destination: Path, allowed: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        total = sum(member.file_size for member in members)
        _check_limits(archive.name, len(members), total, allowed)
        for member in members:
            target = (destination / member.filename).resolve()
            if not target.is_relative_to(destination.resolve()):
                raise ArchiveError(f"{archive.name}: {member.filename!r} would lie outside")
            opened.extract(member, destination)


def _check_limits(name: str, count: int, total: int, allowed: int) -> None:
    if count > MOST_FILES:
        raise ArchiveError(f"{name} has more than {MOST_FILES} members")
    if total > allowed:
        raise ArchiveError(f"{name} unfolds to more than {allowed} bytes")
