"""Files of this machine, and their keys in the inputs bucket.

Keys are content-addressed, so that unchanged content never results in a new definition of a job.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk_braket.core.issue import Issue
from cdk_braket.core.naming import INPUTS, SCRIPTS

from .packaging import (
    ARCHIVE_NAME,
    PackagingError,
    SourceTree,
    package_source,
    read_tree,
    shown,
)

# Each file is an asset of its own: a copy by the handler, and some 250 bytes of the template.
MAX_INPUT_FILES: Final = 100

# What S3 copies in one request. Source:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MAX_INPUT_BYTES: Final = 5 << 30

# 128 bits: no two contents share them by chance, and keys stay short, for templates hold many.
_DIGEST_LENGTH: Final = 32

_KILO: Final = 1000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine and the key it gets in the inputs bucket."""

    path: Path
    key: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Files of this machine that one URI names in the inputs bucket.

    Attributes:
        key: The one object's key, or the prefix of all keys.
        files: The files.
        summary: A description of them, for people.
    """

    key: str
    files: tuple[LocalFile, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class LocalScript:
    """A script on this machine; its paths are kept as the user wrote them."""

    given: str
    exclude: tuple[str, ...]
    given_include: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file or directory."""
        return Path(self.given)

    @property
    def include(self) -> tuple[Path, ...]:
        """Further files and folders to pack."""
        return tuple(Path(each) for each in self.given_include)

    def collect(self, scratch: Path) -> LocalFiles:
        """Pack the script.

        Raises:
            PackagingError: It cannot be packed.
        """
        packed = package_source(self.path, scratch, exclude=self.exclude, include=self.include)
        key = f"{SCRIPTS}/{packed.asset_hash[:_DIGEST_LENGTH]}/{ARCHIVE_NAME}"
        summary = (
            f"{self.path.name}: {_count(packed.file_count)}, "
            f"{_size(packed.uncompressed_size)}, packed {_size(packed.archive_size)}"
        )
        return LocalFiles(key, (LocalFile(packed.archive, key, packed.asset_hash),), summary)


@dataclass(frozen=True, slots=True)
class LocalData:
    """Input data on this machine: a file, or a directory with its files."""

    given: str
    exclude: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file or directory."""
        return Path(self.given)

    @property
    def given_include(self) -> tuple[str, ...]:
        """Nothing: data has no further files."""
        return ()

    def collect(self, scratch: Path) -> LocalFiles:  # noqa: ARG002 - as LocalScript
        """Find the files and their names.

        Raises:
            PackagingError: The path does not exist, holds files that cannot be copied, or too many.
        """
        tree = read_tree(self.path, exclude=self.exclude)
        if issues := [*tree.issues, *_too_much_data(self.path, tree)]:
            raise PackagingError(issues)
        below = f"{tree.root.name}/" if tree.root.is_dir() else ""
        found = [
            (file.name.removeprefix(below), file.path, _content_hash(file.path))
            for file in tree.files
        ]
        prefix = f"{INPUTS}/{_fingerprint([(name, digest) for name, _, digest in found])}/"
        files = tuple(LocalFile(path, f"{prefix}{name}", digest) for name, path, digest in found)
        size = sum(file.size for file in tree.files)
        return LocalFiles(prefix, files, f"{self.path.name}: {_count(len(files))}, {_size(size)}")


def _too_much_data(path: Path, tree: SourceTree) -> Iterator[Issue]:
    """Check the number and the sizes of files, before one of them is read."""
    for file in tree.files:
        if file.size > MAX_INPUT_BYTES:
            rule = f"is of {file.size} bytes, and at most {MAX_INPUT_BYTES} are copied at once"
            fix = "Split it, or put it in a bucket, and use InputChannel.from_bucket(…)"
            yield Issue(shown(file.name), rule, fix)
    if len(tree.files) > MAX_INPUT_FILES:
        rule = f"holds {len(tree.files)} files, and at most {MAX_INPUT_FILES} are copied one by one"
        fix = "Put them in one archive, or in a bucket, and use InputChannel.from_bucket(…)"
        yield Issue(shown(path), rule, fix)


@dataclass(frozen=True, slots=True)
class Copy:
    """An object that the handler copies from the bootstrap bucket to the inputs bucket.

    Attributes:
        bucket: The bootstrap bucket.
        source: The object's key there.
        destination: Its key in the inputs bucket.
    """

    bucket: s3.IBucket
    source: str
    destination: str


def copy_in(scope: Construct, files: LocalFiles) -> list[Copy]:
    """Create an asset of each file, and return where the handler is to copy it."""
    return [_copy(scope, index, file) for index, file in enumerate(files.files)]


def _copy(scope: Construct, index: int, file: LocalFile) -> Copy:
    asset = s3_assets.Asset(
        scope, f"Asset{index}", path=str(file.path), asset_hash=file.content_hash
    )
    return Copy(asset.bucket, asset.s3_object_key, file.key)


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fingerprint(files: Sequence[tuple[str, str]]) -> str:
    # Lengths before texts: no two lists of files are the same bytes.
    parts = [f"{len(text)}:{text}" for file in files for text in file]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:_DIGEST_LENGTH]


def _count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < _KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:.1f} GB"
