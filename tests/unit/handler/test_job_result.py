"""The result in a job's archive, which the script has written."""

import gzip
import io
import json
import tarfile

import pytest

from cdk_braket._lambda.braket_jobs.handler import job_result
from cdk_braket._lambda.braket_jobs.handler.job_result import result_in


def _archive(**members: bytes) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    packed.seek(0)
    return packed


@pytest.mark.parametrize("name", ["results.json", "./results.json", "output/results.json"])
def test_the_result_is_found_among_other_files(name: str) -> None:
    found = result_in(_archive(**{"other.json": b"[]", name: b'{"energy": -1.1}', "z": b"z"}))
    assert found == {"energy": -1.1}


@pytest.mark.parametrize(
    "archive",
    [
        io.BytesIO(b"no archive"),
        io.BytesIO(gzip.compress(b"no archive either")),
        io.BytesIO(_archive(**{"results.json": b'{"a": 1}'}).getvalue()[:40]),
        _archive(**{"other.json": b'{"a": 1}'}),
        _archive(**{"my-results.json": b'{"a": 1}'}),
        _archive(**{"results.json": b"not JSON"}),
        _archive(**{"results.json": b"[1]"}),
        _archive(**{"results.json": b"[" * 200_000}),
    ],
)
def test_an_archive_without_a_result_has_an_empty_one(archive: io.BytesIO) -> None:
    assert result_in(archive) == {}


def test_a_folder_with_the_name_of_the_result_is_none() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        folder = tarfile.TarInfo("results.json")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    packed.seek(0)
    assert result_in(packed) == {}


def test_only_the_start_of_a_large_archive_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"a": 1}).encode()
    archive = _archive(**{"results.json": content})
    size = len(archive.getvalue())
    monkeypatch.setattr(job_result, "_LARGEST_ARCHIVE", size)
    assert result_in(archive) == {"a": 1}
    archive.seek(0)
    monkeypatch.setattr(job_result, "_LARGEST_ARCHIVE", size // 4)
    assert result_in(archive) == {}
    assert archive.tell() <= size // 4


def test_only_the_start_of_a_large_result_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_result, "_LARGEST_RESULT", 8)
    assert result_in(_archive(**{"results.json": b'{"a": 1}'})) == {"a": 1}
    assert result_in(_archive(**{"results.json": b'{"a": 12}'})) == {}
