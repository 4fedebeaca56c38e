"""Unpacks other people's archives: never outside, never without end."""

import os
import shutil
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
    except ArchiveError as error:
        raise ArchiveError(f"{archive.name}: {error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ArchiveError(f"{archive.name} cannot be unpacked: {error}") from error


def _allowed_bytes(archive: Path) -> int:
    return min(MOST_BYTES, max(archive.stat().st_size * MOST_RATIO, _FREE_BYTES))


def _unpack_tar(archive: Path, destination: Path, allowed: int) -> None:
    # As a stream: members are checked as they come, before a bomb has been unfolded.
    with tarfile.open(archive, "r|*") as opened:
        for member in _within_limits(opened, allowed):
            # `extract` has its own filter for this, but not in every Python 3.11.
            _unpack_member(opened, member, destination)


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
    # Its owner can read and write it, whatever the archive says.
    target.chmod(0o600 | member.mode & 0o755)


def _within_limits(opened: tarfile.TarFile, allowed: int) -> Iterator[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(opened, start=1):
        total += max(member.size, 0)
        _check_limits(count, total, allowed)
        yield member


def _unpack_zip(archive: Path, destination: Path, allowed: int) -> None:
    with zipfile.ZipFile(archive) as opened:
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
