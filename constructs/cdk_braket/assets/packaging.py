"""Packs files into one `source.tar.gz`, with the same bytes on every machine.

The layout is that of the Braket SDK: a directory is packed under its own base name, a file at the
top level. Unlike the SDK's archive, this one depends on no property of the machine. It contains no
times, owners, modes or directory entries. It is not compressed, because zlib and its replacements
produce different bytes (`docs/adr/0005-packaging-scripts.md` has the numbers).

Standard library only. Without exclude patterns, it starts neither jsii nor Node.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cdk_braket._lambda.braket_jobs.api.service_rules import is_unicode
from cdk_braket.core.issue import Issue, as_lines

ARCHIVE_NAME: Final = "source.tar.gz"

# Excluded from every archive: files that tools leave behind or that exist only on one machine, and
# `.env`, which is either a virtual environment or a file of secrets. These patterns come before the
# user's, so that `!.env` includes it again.
DEFAULT_EXCLUDES: Final = (
    "__pycache__",
    "*.py[co]",
    ".git",
    ".hg",
    ".svn",
    ".DS_Store",
    "Thumbs.db",
    ".ipynb_checkpoints",
    ".venv",
    "venv",
    ".env",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".eggs",
    "*.egg-info",
    ".idea",
    ".vscode",
    "node_modules",
    "cdk.out",
    "*.swp",
    "*~",
)

# Returns whether an entry is excluded, by its path in the source and whether it is a directory.
IgnoreRule = Callable[[str, bool], bool]

# Links to directories are followed, so a few of them can form an endless tree.
MAX_ENTRIES: Final = 100_000
# Resolving a link takes about 0.1 ms. A dozen directories with links to each other contain millions
# of paths.
MAX_LINKS: Final = 10_000
# A limit of this library. An archive is as large as its files. It is written, hashed and uploaded
# from this machine, and S3 copies it in one request, which is limited to 5 GB.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_BYTES: Final = 1 << 30

# Every file gets the one mode. Keeping the executable bit would make two archives of one checkout,
# as file systems without the bit report it as set; dropping it would break a tool the script calls.
_MODE: Final = 0o755

# Text files, by their names: their line ends are those of the checkout, not of the author. Git
# decides by the content, by which a data file can be mistaken for text.
_TEXT_SUFFIXES: Final = frozenset(
    {
        ".cfg", ".conf", ".css", ".csv", ".html", ".in", ".ini", ".ipynb", ".jl", ".js", ".json",
        ".jsonl", ".md", ".py", ".pyi", ".qasm", ".rst", ".sh", ".sql", ".svg", ".toml",
        ".tsv", ".txt", ".xml", ".yaml", ".yml",
    }
)  # fmt: skip

_CHUNK: Final = 1 << 20
# RFC 1951 3.2.4: a stored block's length is 16 bits.
_STORED_BLOCK: Final = 0xFFFF
# RFC 1952 2.3: deflate, no flags, no time, no extra flags, unknown operating system.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class PackagingError(ValueError):
    """A source that cannot be packed, with every reason at once.

    Attributes:
        issues: The reasons: a path in the place of an argument, the rule and the fix.
        problems: One line for each problem, with the path and the fix.
    """

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        self.problems = as_lines(self.issues)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class PackagedSource:
    """An archive from `package_source`.

    Attributes:
        archive: The archive, `<destination>/<asset_hash>/source.tar.gz`.
        asset_hash: SHA-256 of the archive's bytes, as 64 lower-case hex digits.
        uncompressed_size: Bytes in the packed files, without the archive's own headers.
        archive_size: Bytes in the archive.
        file_count: Number of packed files.
    """

    archive: Path
    asset_hash: str
    uncompressed_size: int
    archive_size: int
    file_count: int


@dataclass(frozen=True, slots=True)
class FileState:
    """The properties of a file that change when a program writes it.

    Attributes:
        size: Bytes.
        modified: Nanoseconds since the epoch.
        inode: The file's number. Another file under the same name has a different one.
    """

    size: int
    modified: int
    inode: int

    @staticmethod
    def of(status: os.stat_result) -> FileState:
        """Read the state from a file's status."""
        return FileState(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that goes into the archive.

    Attributes:
        name: Its name there.
        path: Where its content is read.
        state: Its size and modification time when it was found.
    """

    name: str
    path: Path
    state: FileState

    @property
    def size(self) -> int:
        """Its size in bytes on this machine when it was found."""
        return self.state.size


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The files of an archive, before it is written.

    Attributes:
        root: The source, resolved.
        files: The files, ordered by name.
        issues: Why the source cannot be packed; empty when it can.
        included: Further files and directories beside the source, resolved.
    """

    root: Path
    files: tuple[SourceFile, ...]
    issues: tuple[Issue, ...]
    included: tuple[Path, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each issue."""
        return as_lines(self.issues)


def package_source(
    path: Path,
    destination: Path,
    *,
    exclude: Sequence[str] = (),
    include: Sequence[Path] = (),
) -> PackagedSource:
    """Pack a file or a directory into a `source.tar.gz` that depends on its content alone.

    Equal content gives equal bytes on every machine, Python and zlib. Links that stay inside the
    source are packed as their targets, as the Braket SDK does. Directories without packed files
    are omitted, since Git does not keep them either. A plain-text file in which every line ends in
    CRLF is packed with LF, since Git can check out the same file with either.

    Args:
        path: The file or directory. A link is resolved first, as the Braket SDK does, so the name
            in the archive is the target's.
        destination: A directory. It is created if it does not exist. The archive is written in one
            step under a directory named after its hash, so an interrupted run leaves no partial
            archive.
        exclude: Patterns as in CDK's `IgnoreMode.GIT`, relative to the source directory, applied
            after `DEFAULT_EXCLUDES`; `!pattern` includes a file again. Ignored for a file.
        include: Further files and directories. Each is packed at the archive's top level under
            its own base name, and `exclude` holds for each directory.

    Returns:
        The archive, its hash and its sizes.

    Raises:
        PackagingError: The source is missing, empty or the destination itself. A link leads
            outside, is broken or leads to a directory that contains it. A file is special or
            cannot be read, or its name is not UTF-8. There are more than `MAX_ENTRIES` files and
            directories, `MAX_LINKS` links or `MAX_BYTES` bytes. Two sources have the same name. A
            file changed while it was packed. All problems are reported at once, and no archive is
            left.

    Example:
        >>> import tempfile
        >>> work = Path(tempfile.mkdtemp())
        >>> script = work / "algo.py"
        >>> _ = script.write_text("def main(): pass")
        >>> packed = package_source(script, work / "out")
        >>> packed.file_count, packed.uncompressed_size
        (1, 16)
    """
    tree = read_trees(path, exclude=exclude, include=include, omit=destination)
    if destination.resolve() in {tree.root, *tree.included}:
        rule, fix = "is the source", "Pack into another directory"
        raise PackagingError([Issue(shown(destination), rule, fix)])
    if found := [*tree.issues, *_too_large(path, tree)]:
        raise PackagingError(found)
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=destination) as scratch:
        draft = Path(scratch) / ARCHIVE_NAME
        with draft.open("wb") as target:
            stored = _StoredGzip(target)
            content = _write_tar(stored, tree)
        _check_unchanged(tree)
        archive = destination / stored.digest / ARCHIVE_NAME
        archive.parent.mkdir(exist_ok=True)
        draft.replace(archive)
    return PackagedSource(
        archive=archive,
        asset_hash=stored.digest,
        uncompressed_size=content,
        archive_size=archive.stat().st_size,
        file_count=len(tree.files),
    )


def _too_large(path: Path, tree: SourceTree) -> Iterator[Issue]:
    size = sum(file.size for file in tree.files)
    if size > MAX_BYTES:
        rule = f"holds {size} bytes, and at most {MAX_BYTES} are packed"
        fix = (
            "Exclude files that the job does not read, and put data in a bucket: "
            "InputChannel.from_bucket(…). For a script of this size, use "
            "AlgorithmScript.from_bucket(…)"
        )
        yield Issue(shown(path), rule, fix)


def read_trees(
    path: Path,
    *,
    exclude: Sequence[str] = (),
    include: Sequence[Path] = (),
    omit: Path | None = None,
) -> SourceTree:
    """List the files of an archive of several sources, without reading a file's content.

    Args:
        path: The file or directory.
        exclude: As in `package_source`.
        include: As in `package_source`.
        omit: As in `read_tree`.

    Returns:
        The files of all sources by their name in the archive, and all problems.

    Raises:
        PackagingError: A source does not exist, or is neither a file nor a directory.
    """
    trees: list[SourceTree] = []
    missing: list[Issue] = []
    for source in (path, *include):
        try:
            trees.append(read_tree(source, exclude=exclude, omit=omit))
        except PackagingError as error:
            missing += error.issues
    if missing:
        raise PackagingError(missing)
    issues = [issue for tree in trees for issue in tree.issues]
    issues += _same_names([tree.root for tree in trees])
    files = sorted((file for tree in trees for file in tree.files), key=lambda file: file.name)
    return SourceTree(
        trees[0].root, tuple(files), tuple(issues), tuple(tree.root for tree in trees[1:])
    )


def _same_names(roots: Sequence[Path]) -> Iterator[Issue]:
    """Report sources that would have the same name in the archive."""
    first: dict[str, Path] = {}
    for root in roots:
        known = first.setdefault(root.name, root)
        if known is not root:
            same = "is packed twice" if known == root else f"has the same name as {shown(known)}"
            yield Issue(shown(root), same, "Remove it from include_modules, or rename it")


def read_tree(path: Path, *, exclude: Sequence[str] = (), omit: Path | None = None) -> SourceTree:
    """List the files for an archive of `path`, without reading a file's content.

    Args:
        path: The file or directory.
        exclude: As in `package_source`.
        omit: A directory that is never part of the source, such as the archive's own destination.

    Returns:
        The files by their name in the archive, and all problems found.

    Raises:
        PackagingError: `path` does not exist, or is neither a file nor a directory.
    """
    try:
        root = path.resolve(strict=True)
        mode = root.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the link goes in a circle"
        raise PackagingError([Issue(shown(path), reason, _right_path(path))]) from error
    if not root.name:
        rule = "has no name to pack it under"
        raise PackagingError([Issue(shown(path), rule, "Name a directory")])
    walk = _Walk(root, _ignore_rule(root, exclude), omit and omit.resolve())
    if stat.S_ISREG(mode):
        walk.add(root.name, root)
    elif stat.S_ISDIR(mode):
        walk.descend()
        if not walk.files and not walk.issues:
            walk.issues.append(Issue(shown(path), "holds no file to pack", "Add the script"))
    else:
        raise PackagingError([Issue(shown(path), "is neither a file nor a directory")])
    files = sorted(walk.files, key=lambda file: file.name)
    return SourceTree(root, tuple(files), tuple(sorted(walk.issues, key=str)))


def _right_path(path: Path) -> str:
    """Return the fix for a path that does not exist."""
    if path.name and not path.suffix and _exists(path.with_suffix(".py")):
        return f"Name the file: {shown(path.with_suffix('.py'))}"
    return "Check the path"


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory to visit: its place in the source, and the real paths from the root to it."""

    relative: str
    real: tuple[str, ...]


@dataclass(slots=True)
class _Walk:
    """One pass over a source; issues are collected, not raised."""

    root: Path
    is_excluded: IgnoreRule
    omit: Path | None
    files: list[SourceFile] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    directories: int = 0
    links: int = 0

    def descend(self) -> None:
        # An explicit stack: a tree may be deeper than Python's recursion limit.
        pending = [_Directory("", (str(self.root),))]
        while pending and not self._is_too_much():
            here = pending.pop()
            self.directories += 1
            for entry in self._entries(here):
                below = self._visit(here, entry)
                if below is not None:
                    pending.append(below)
        if self.links > MAX_LINKS:
            # Reported alone: the other problems are of the same links again and again.
            rule = f"holds more than {MAX_LINKS} links, including links behind links"
            fix = "Replace them with their targets, or exclude them"
            self.issues = [Issue(shown(self.root), rule, fix)]
        elif self._is_too_much():
            rule = f"holds more than {MAX_ENTRIES} files and directories"
            fix = "Exclude files that the job does not read, or use an input channel for them"
            self.issues.append(Issue(shown(self.root), rule, fix))

    def _is_too_much(self) -> bool:
        return self.links > MAX_LINKS or self.directories + len(self.files) > MAX_ENTRIES

    def _entries(self, here: _Directory) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(here.real[-1]) as entries:
                return list(entries)
        except OSError as error:
            name = f"{self.root.name}/{here.relative}"
            self._refuse(name, str(error.strerror), "Grant read permission, or exclude it")
            return []

    def _visit(self, here: _Directory, entry: os.DirEntry[str]) -> _Directory | None:
        """Add a file; return a directory, which is visited later."""
        name = f"{here.relative}/{entry.name}" if here.relative else entry.name
        is_directory = _is_directory(entry)
        if self._is_excluded(name, entry, is_directory=is_directory):
            return None
        packed_name = f"{self.root.name}/{name}"
        real = entry.path
        if entry.is_symlink():
            self.links += 1
            real = os.path.realpath(entry.path)
            if fault := self._link_fault(here, real):
                self._refuse(packed_name, *fault)
                return None
        if is_directory:
            return _Directory(name, (*here.real, real))
        self.add(packed_name, Path(real))
        return None

    def _is_excluded(self, name: str, entry: os.DirEntry[str], *, is_directory: bool) -> bool:
        if self.is_excluded(name, is_directory):
            return True
        if not is_directory:
            return False
        # A virtual environment under any name, recognized by the file that PEP 405 defines.
        if _exists(Path(entry.path, "pyvenv.cfg")):
            return True
        return self.omit is not None and self.omit == Path(entry.path)

    def _link_fault(self, here: _Directory, real: str) -> tuple[str, str] | None:
        """Return the rule that a link breaks and the fix, if it does."""
        target = shown(real)
        if not Path(real).is_relative_to(self.root):
            return f"links outside the source, to {target}", "Copy the target in, or exclude it"
        if not _exists(Path(real)):
            rule = f"links to {target}, which does not exist"
            return rule, "Remove the link, or exclude it"
        if real in here.real:
            return f"links to {target}, which holds it", "Remove the link, or exclude it"
        return None

    def add(self, name: str, path: Path) -> None:
        """Add one file under its name in the archive."""
        if not is_unicode(name):
            self._refuse(name, "its name is not UTF-8", "Rename it, or exclude it")
        elif not os.access(path, os.R_OK):
            self._refuse(name, "cannot be read", "Grant read permission, or exclude it")
        elif not path.is_file():
            self._refuse(name, "is a socket, pipe or device", "Remove it, or exclude it")
        else:
            self.files.append(SourceFile(name, path, FileState.of(path.stat())))

    def _refuse(self, name: str, rule: str, fix: str) -> None:
        self.issues.append(Issue(shown(name), rule, fix))


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes in a circle
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a directory on the way that may not be entered
        return False


def _ignore_rule(root: Path, exclude: Sequence[str]) -> IgnoreRule:
    """Return the rule for excluded entries.

    CDK's own strategy reads the user's patterns, because no other implementation gives them the
    same meaning. It calls Node for each entry, so a source without patterns does not use it.
    """
    if not exclude:
        return _is_default_exclude
    from aws_cdk import IgnoreStrategy  # noqa: PLC0415 - starts Node, only where it is needed

    strategy = IgnoreStrategy.git(str(root), [*DEFAULT_EXCLUDES, *exclude])

    def is_excluded(name: str, is_directory: bool) -> bool:
        if not is_unicode(name) or not name.partition("/")[0].strip("."):
            return False  # CDK accepts neither as a path; the caller refuses or packs it
        path = f"{root}/{name}"
        return strategy.completely_ignores(path) if is_directory else strategy.ignores(path)

    return is_excluded


_DEFAULT_EXCLUDE: Final = re.compile(
    "|".join(fnmatch.translate(pattern) for pattern in DEFAULT_EXCLUDES), re.IGNORECASE
)


def _is_default_exclude(name: str, is_directory: bool) -> bool:  # noqa: ARG001 - IgnoreRule
    return _DEFAULT_EXCLUDE.match(name.rpartition("/")[2]) is not None


def shown(name: str | Path) -> str:
    """Format a name for one line of an error message."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else repr(text)


def _write_tar(target: _StoredGzip, tree: SourceTree) -> int:
    """Write the files as a POSIX (pax) tar and return the bytes of content in it."""
    content = 0
    for file in tree.files:
        header = tarfile.TarInfo(file.name)
        header.mode = _MODE
        try:
            with file.path.open("rb") as source:
                chunks, header.size = _content(source, file)
                target.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
                _copy(chunks, target, header.size, file)
        except OSError as error:
            raise _changed([file]) from error
        target.write(bytes(-header.size % tarfile.BLOCKSIZE))
        content += header.size
    target.write(bytes(2 * tarfile.BLOCKSIZE))
    target.close()
    return content


def _copy(chunks: Iterator[bytes], target: _StoredGzip, size: int, file: SourceFile) -> None:
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise _changed([file])
        target.write(chunk)
    if left:
        raise _changed([file])


def _content(source: BinaryIO, file: SourceFile) -> tuple[Iterator[bytes], int]:
    """Return the packed content of an open file, in chunks, and its length."""
    size = os.fstat(source.fileno()).st_size
    if Path(file.name).suffix.lower() not in _TEXT_SUFFIXES:
        return _chunks(source), size
    breaks = _crlf_only(source)
    source.seek(0)
    if not breaks:
        return _chunks(source), size
    return _with_lf(source), size - breaks


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk


def _crlf_only(source: BinaryIO) -> int:
    """Return the number of line ends if all are CRLF; 0 if one is not, or the file is binary."""
    breaks = 0
    held = b""
    for chunk in _chunks(source):
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(b"\r")
        found = data.count(b"\r\n")
        if b"\0" in data or not data.count(b"\n") == data.count(b"\r") == found:
            return 0
        breaks += found
    return 0 if held else breaks


def _with_lf(source: BinaryIO) -> Iterator[bytes]:
    held = b""
    for chunk in _chunks(source):
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        yield data.removesuffix(b"\r").replace(b"\r\n", b"\n")
    yield held


def _changed(files: Iterable[SourceFile]) -> PackagingError:
    rule = "changed while it was packed"
    fix = "Stop the program that writes it, or exclude it, and synthesize again"
    return PackagingError(Issue(shown(file.name), rule, fix) for file in files)


def _check_unchanged(tree: SourceTree) -> None:
    """Raise an error if a file changed while the archive was written."""
    changed = [file for file in tree.files if has_changed(file.path, file.state)]
    if changed:
        raise _changed(changed)


def has_changed(path: Path, state: FileState) -> bool:
    """Return whether a file was written, replaced or removed since its state was read."""
    try:
        return FileState.of(path.stat()) != state
    except OSError:
        return True


class _StoredGzip:
    """A gzip stream of stored blocks: the standard determines each byte, not a compressor."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self._crc = 0
        self._size = 0
        self._pending = bytearray()
        self._emit(_GZIP_HEADER)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the written bytes, in hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append data. The blocks do not depend on the sizes of the pieces."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._pending += data
        whole = len(self._pending) // _STORED_BLOCK * _STORED_BLOCK
        # Keep one block back, as the last one is marked.
        for start in range(0, whole - _STORED_BLOCK, _STORED_BLOCK):
            self._block(self._pending[start : start + _STORED_BLOCK], final=False)
        if whole > _STORED_BLOCK:
            del self._pending[: whole - _STORED_BLOCK]

    def close(self) -> None:
        """Write the remaining data, the checksum and the length."""
        while len(self._pending) > _STORED_BLOCK:
            self._block(self._pending[:_STORED_BLOCK], final=False)
            del self._pending[:_STORED_BLOCK]
        self._block(self._pending, final=True)
        self._emit(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _block(self, data: bytearray, *, final: bool) -> None:
        self._emit(struct.pack("<BHH", final, len(data), len(data) ^ _STORED_BLOCK))
        self._emit(data)

    def _emit(self, data: bytes | bytearray) -> None:
        self._hash.update(data)
        self._target.write(data)
