"""The results of a job: the archive in S3, its files, and the values that the script saved."""

import gzip
import io
import json
import posixpath
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from .errors import ResultsError
from .files import replacing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESULTS: Final = "results.json"
"""The file in the archive that the SDK's `save_job_result` writes."""

ARCHIVE_LIMIT: Final = 64 * 2**20
"""The most bytes of an unpacked archive that `read` accepts."""

_PLAINTEXT: Final = "plaintext"
_NOT_FOUND: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
_UNREADABLE: Final = (
    OSError,
    EOFError,
    zlib.error,
    tarfile.TarError,
    ValueError,
    RecursionError,
)


def size(s3: "S3Client", uri: str) -> int:
    """Return the size of an object in bytes.

    Args:
        s3: The client of the bucket's region.
        uri: The object: `s3://bucket/key`.

    Raises:
        ResultsError: There is no such object.
        botocore.exceptions.ClientError: S3 cannot be queried.
    """
    bucket, key = _place(uri)
    try:
        return s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise
        raise ResultsError(f"{uri} does not exist; it may have been deleted") from error


def download(s3: "S3Client", uri: str, file: Path, on_bytes: Callable[[int], None]) -> None:
    """Download an object. The file exists only once it is complete.

    Args:
        s3: The client of the bucket's region.
        uri: The object: `s3://bucket/key`.
        file: The file; it is replaced.
        on_bytes: Receives the number of bytes that have been downloaded since the last call.

    Raises:
        botocore.exceptions.ClientError: It cannot be read.
        OSError: The file cannot be written.
    """
    bucket, key = _place(uri)
    with replacing(file) as partial:
        s3.download_file(bucket, key, str(partial), Callback=on_bytes)


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def read(archive: Path) -> dict[str, object]:
    """Return the values that a job saved with the SDK's `save_job_result`.

    The output of a job is not trusted: it is read in memory up to `ARCHIVE_LIMIT`, and pickles are
    refused, because to unpickle runs code.

    Args:
        archive: The job's `model.tar.gz`.

    Raises:
        ResultsError: There is no readable `results.json` of plain values in the archive.
    """
    try:
        document: object = json.loads(_results_json(archive))
    except _UNREADABLE as error:
        raise ResultsError(f"{archive.name} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.get("dataFormat") != _PLAINTEXT:
        raise ResultsError(
            f"{RESULTS} is not in the plain text format of save_job_result. Pickled values are not "
            "read here, because to unpickle runs code."
        )
    results = document.get("dataDictionary")
    if not isinstance(results, dict):
        raise ResultsError(f"{RESULTS} holds no dataDictionary")
    return results


def _results_json(archive: Path) -> bytes:
    with gzip.open(archive) as stream:
        content = stream.read(ARCHIVE_LIMIT + 1)
    if len(content) > ARCHIVE_LIMIT:
        raise ResultsError(f"{archive.name} holds more than {ARCHIVE_LIMIT // 2**20} MiB")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as members:
        for member in members:
            if not member.isreg() or posixpath.normpath(member.name) != RESULTS:
                continue
            # A sparse member may claim any size.
            if member.size > len(content):
                raise ResultsError(f"{archive.name}: {RESULTS} is larger than the archive")
            file = members.extractfile(member)
            return file.read() if file else b""
    raise ResultsError(
        f"{archive.name} holds no {RESULTS}: the script did not call save_job_result. "
        "`--output` unpacks the other files."
    )


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack an archive into a folder; return the files.

    Links out of the folder and devices are refused; an absolute path is that below the folder.

    Raises:
        ResultsError: The archive cannot be read, or a member is refused.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ResultsError("Python 3.11.4 or newer is required to unpack archives safely")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, mode="r:gz") as members:
            members.extractall(folder, filter="data")
            names = [member.name.lstrip("/") for member in members.getmembers() if member.isreg()]
    except _UNREADABLE as error:
        raise ResultsError(f"{archive.name} cannot be unpacked: {error}") from error
    return [folder / name for name in names]
