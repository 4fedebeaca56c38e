"""Folders that a local AWS may change and delete: those with its marker, and no others.

A path alone is not enough: it may name a folder of the user's, or a link from a cloned repository.
So a folder is used only if it is empty or has a marker that names the folder itself. While it is
used, it is held by a descriptor, and no link below it is followed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Self

MARKER = ".cdk-braket-local-folder"

_PURPOSE = "cdk-braket-local created this folder for a local AWS, and deletes it."
_CANNOT_BE = "cannot be the state directory"
_READ_LIMIT = 1 << 20
_LOCK_SECONDS = 10.0
_PRIVATE = 0o700
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_OnError = Callable[[object, str, BaseException], None]


class FolderError(Exception):
    """A folder cannot be used, or an entry of it not removed; the message is one line."""


class OwnedFolder:
    """A folder with our marker, open.

    Use `claim` or `find`, and close it, for example with `with`.

    Attributes:
        path: Where it was found.
        descriptor: Its descriptor. A lock on it (`lock`) is held until all copies are closed.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def claim(cls, path: Path) -> Self:
        """Create a folder, or claim an empty one or one that has our marker.

        Args:
            path: The folder. Only this user can access it afterwards.

        Raises:
            FolderError: The folder is a link, another user's, or holds files without our marker.
        """
        path = path.absolute()
        try:
            created = _create(path)
            folder = cls(path, os.open(path, _FOLDER))
        except OSError as error:
            raise FolderError(f"{path} {_CANNOT_BE}: {_reason(path, error)}") from error
        try:
            folder._check_owner()
            folder._mark(created=created)
            os.fchmod(folder.descriptor, _PRIVATE)
        except OSError as error:
            folder.close()
            raise FolderError(f"{path} {_CANNOT_BE}: {_reason(path, error)}") from error
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """Open a folder that has our marker; None if there is no such folder."""
        path = path.absolute()
        try:
            folder = cls(path, os.open(path, _FOLDER))
        except OSError:
            return None
        if os.fstat(folder.descriptor).st_uid == os.getuid() and folder._marker() is not None:
            return folder
        folder.close()
        return None

    def lock(self, kind: int = fcntl.LOCK_EX) -> bool:
        """Lock the folder without waiting; return whether it worked."""
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def create(self, name: str) -> IO[bytes]:
        """Create a file that only this user can read; it replaces an existing one."""
        self.unlink(name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.fdopen(os.open(name, flags, 0o600, dir_fd=self.descriptor), "wb")

    def read(self, name: str) -> bytes:
        """Return the content of a file of this folder, without following a link.

        Raises:
            OSError: It cannot be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=self.descriptor), "rb") as file:
            return file.read(_READ_LIMIT)

    def create_folders(self, names: Iterable[str]) -> None:
        """Create folders in this one.

        Raises:
            FolderError: Another entry has such a name, such as a link.
        """
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _PRIVATE, dir_fd=self.descriptor)
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                raise FolderError(
                    f"{self.path / name}: expected a folder, got a link or a file. Remove it."
                )

    def unlink(self, name: str) -> None:
        """Remove a file of this folder; a link is removed, and its target stays."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.descriptor)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files and folders of this one, without following links.

        Raises:
            FolderError: Something could not be removed. Everything else is.
        """
        problems = [each for name in names for each in _remove(name, self.descriptor, self.path)]
        if problems:
            raise FolderError(_not_removed(problems))

    def names(self) -> set[str]:
        """Return the names of everything in the folder except our marker."""
        return set(os.listdir(self.descriptor)) - {MARKER}  # noqa: PTH208 - of a descriptor

    def give_up(self) -> bool:
        """Remove the folder if only our marker is left in it; return whether it is gone.

        A folder that existed before us stays.
        """
        if self.names():
            return False
        mode = (self._marker() or {}).get("mode_before")
        self.unlink(MARKER)
        if isinstance(mode, int):
            os.fchmod(self.descriptor, stat.S_IMODE(mode))
        elif self._is_still_there():
            self.path.rmdir()
        return True

    def close(self) -> None:
        """Close the folder."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_owner(self) -> None:
        if os.fstat(self.descriptor).st_uid != os.getuid():
            raise FolderError(
                f"{self.path} {_CANNOT_BE}: it belongs to another user. Choose another folder."
            )

    def _mark(self, *, created: bool) -> None:
        """Write the marker into an empty folder; only one of several processes succeeds."""
        if self._marker() is not None:
            return
        self._wait_for_lock()
        try:
            if self._marker() is not None:
                return
            if os.listdir(self.descriptor):  # noqa: PTH208 - of a descriptor
                raise FolderError(
                    f"{self.path} {_CANNOT_BE}: expected an empty folder or one that "
                    "cdk-braket-local created, got a folder with other files: it is not a state "
                    "directory of cdk-braket-local. Choose another folder."
                )
            found = os.fstat(self.descriptor)
            mode_before = None if created else stat.S_IMODE(found.st_mode)
            marker = {"purpose": _PURPOSE, "folder": found.st_ino, "mode_before": mode_before}
            with self.create(MARKER) as file:
                file.write(json.dumps(marker).encode())
        finally:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def _wait_for_lock(self) -> None:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not self.lock():
            if time.monotonic() > deadline:
                raise FolderError(f"{self.path} {_CANNOT_BE}: another process has locked it")
            time.sleep(0.01)

    def _marker(self) -> dict[str, object] | None:
        """Return the content of our marker, if there is one and it names this very folder.

        The marker contains the folder's number, so that a marker from a cloned repository or a
        copied folder is not valid.
        """
        try:
            marker = json.loads(self.read(MARKER))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(marker, dict) and marker.get("purpose") == _PURPOSE
        return marker if ours and marker.get("folder") == self._number() else None

    def _number(self) -> int:
        return os.fstat(self.descriptor).st_ino

    def _is_still_there(self) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self.descriptor), self.path.lstat())
        return False


def _create(path: Path) -> bool:
    """Create a folder if it does not exist; return whether it was created."""
    path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    try:
        path.mkdir(mode=_PRIVATE)
    except FileExistsError:
        return False
    return True


def _reason(path: Path, error: OSError) -> str:
    if path.is_symlink():
        return "expected a folder, got a link. Use the folder that it leads to."
    return f"{error.strerror}. Choose another folder."


def remove(path: Path) -> None:
    """Remove a file or a folder with everything in it; links are removed, and their targets stay.

    Args:
        path: A path of ours. It may be missing or replaced by a link. Its parent is no link.

    Raises:
        FolderError: Something could not be removed. Everything else is.
    """
    try:
        parent = os.open(path.parent, _FOLDER)
    except FileNotFoundError:
        return
    except OSError as error:
        reason = "its folder was replaced by a link" if path.parent.is_symlink() else error.strerror
        raise FolderError(_not_removed([f"{path}: {reason}"])) from error
    try:
        problems = _remove(path.name, parent, path.parent)
    finally:
        os.close(parent)
    if problems:
        raise FolderError(_not_removed(problems))


def _not_removed(problems: list[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"could not be removed: {problems[0]}{more}. Remove it yourself."


def _remove(name: str, parent: int, place: Path) -> list[str]:
    """Remove an entry of a folder; return the problems, each with the path that remains."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=parent)
            return []
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{place / name}: {error.strerror}"]
    _grant_access(name, parent)
    problems: list[str] = []

    def keep(_function: object, path: str, error: BaseException) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.append(f"{place / path}: {reason}")

    _remove_tree(name, parent, keep)
    return problems


def _grant_access(name: str, parent: int) -> None:
    """Grant us access to every folder below a name: a program may have removed it."""
    _allow(name, parent)
    for _, folders, _, descriptor in os.fwalk(name, dir_fd=parent, follow_symlinks=False):
        for each in folders:
            _allow(each, descriptor)


def _allow(name: str, parent: int) -> None:
    # Not `os.chmod` of the name, which would follow a link.
    with contextlib.suppress(OSError):
        folder = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{folder}", _PRIVATE)  # noqa: PTH101 - a descriptor
        finally:
            os.close(folder)


def _remove_tree(name: str, parent: int, keep: _OnError) -> None:
    """Remove a folder with all in it; links are removed, and their targets stay."""
    if sys.version_info >= (3, 12):
        shutil.rmtree(name, dir_fd=parent, onexc=keep)
    else:
        shutil.rmtree(
            name, dir_fd=parent, onerror=lambda function, path, info: keep(function, path, info[1])
        )
