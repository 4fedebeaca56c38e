"""Reading an archive ends with limited memory, in files inside the folder or a handled error."""

import contextlib
import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket_local.braket.archive import ArchiveError, unpack
from tests.fuzz.archives import header, padded, pax, record, tar, written

MEMORY = 200 * 1024**2
UNPACK = """
import resource, sys
from pathlib import Path
from cdk_braket_local.braket.archive import ArchiveError, unpack
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except ArchiveError as error:
    print(error)
"""


def unpacked(folder: Path, archive: Path) -> str:
    """Return the output of unpacking with limited memory."""
    out = folder / "out"
    out.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", UNPACK.format(memory=MEMORY), archive, out],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


GIGABYTE = 1024**3
END = bytes(1024)


def zeros(count: int, before: bytes = b"", after: bytes = END) -> bytes:
    """A compressed archive with many zeros in it, created without holding them."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as packed:
        packed.write(before)
        for _ in range(count // 2**20):
            packed.write(bytes(2**20))
        packed.write(after)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    ],
)
def test_an_endless_header_needs_no_memory(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(zeros(300 * 2**20, before=header(kind, GIGABYTE)))
    assert "has a header of more than" in unpacked(tmp_path, archive)


def test_common_headers_do_not_pile_up(tmp_path: Path) -> None:
    size = 200_000
    one = b"".join(
        pax(record(f"key{n}", "v" * size), tarfile.XGLTYPE) + header(tarfile.DIRTYPE, 0, f"d{n}")
        for n in range(200)
    )
    assert "headers for all members" in unpacked(tmp_path, written(tmp_path, one + END))


def test_members_own_headers_do_not_pile_up(tmp_path: Path) -> None:
    one = pax(record("comment", "v" * 200_000)) + header(tarfile.DIRTYPE, 0, "d")
    assert unpacked(tmp_path, written(tmp_path, one * 1200 + END)) == ""


def test_an_endless_map_of_a_sparse_file_needs_no_memory(tmp_path: Path) -> None:
    sparse = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    sparse[482] = 1  # the map goes on in the next block
    sparse[148:156] = b"%06o\x00 " % (sum(sparse[:148]) + sum(sparse[156:]) + 8 * 32)
    more = (b"%011o\x00" * 42 % ((1,) * 42) + b"\x01").ljust(512, b"\x00")
    archive = written(tmp_path, bytes(sparse) + more * 100_000)
    assert "has a header of more than" in unpacked(tmp_path, archive)


@pytest.mark.parametrize("count", [200, 5_000])
def test_headers_of_headers_without_end_are_an_error(tmp_path: Path, count: int) -> None:
    chain = pax(record("comment", "x")) * count
    assert unpacked(tmp_path, written(tmp_path, chain + END)).startswith("source.tar.gz")


@pytest.mark.parametrize("size", [-1, -512, -(2**62), 2**62, 2**70])
def test_a_size_that_cannot_be_is_an_error(tmp_path: Path, size: int) -> None:
    content = pax(record("size", str(size))) + header(tarfile.REGTYPE, 3, "f") + padded(b"abc")
    assert "source.tar.gz" in unpacked(tmp_path, written(tmp_path, content + END))


@pytest.mark.parametrize("flags", [1, 8])
def test_an_encrypted_zip_or_an_unknown_method_is_an_error(tmp_path: Path, flags: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("algo.py", "print()")
    content = bytearray(buffer.getvalue())
    for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(start) + at
        if flags == 1:
            content[place] |= 1
        else:
            content[place + 2] = 99
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(content)
    assert "cannot be unpacked" in unpacked(tmp_path, archive)


def zip_of(count: int, comment: bytes = b"") -> bytes:
    """A zip archive that is a directory of empty members and nothing else."""
    lengths = struct.pack("<HHH", 1, 0, len(comment))
    entry = b"PK\x01\x02" + bytes(24) + lengths + bytes(12) + b"x" + comment
    sizes = struct.pack("<HHLLH", 1, 1, len(entry) * count, 0, 0)
    return entry * count + b"PK\x05\x06" + bytes(4) + sizes


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (zip_of(600_000), "it has more than 100000 members"),
        (zip_of(600_000, b"c" * 100), "its directory has more than"),
        (zip_of(1_000, b"c" * 65_000), "its directory has more than"),
    ],
    ids=["members", "both", "comments"],
)
def test_the_directory_of_a_zip_needs_limited_memory(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    assert problem in unpacked(tmp_path, written(tmp_path, content, compressed=False))


def test_a_zip_of_as_many_members_as_there_may_be_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdk_braket_local.braket.archive.MOST_FILES", 200)
    out = tmp_path / "out"
    out.mkdir()
    for count, refused in ((200, False), (201, True)):
        content = _zip([(f"m{n}", b"PK\x01\x02", 0o644) for n in range(count)])
        path = written(tmp_path, content, compressed=False)
        with pytest.raises(ArchiveError) if refused else contextlib.nullcontext():
            unpack(path, out)
    assert (out / "m199").read_bytes() == b"PK\x01\x02"


# --- Anything. ---

names = st.sampled_from(
    ["a", "a/b", "..", "../x", "/x", "a/../../x", "l", "l/x", "\x00", "ü" * 200, "-rf", "$(id)\n"]
)

damage = st.dictionaries(st.integers(0, 1000), st.integers(0, 255), max_size=3)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(b"0\x0012345670gxXLKSDMVNZ7")).to_bytes()
    content = draw(
        st.binary(max_size=40)
        | st.builds(
            record,
            st.sampled_from(
                ["path", "linkpath", "size", "GNU.sparse.major", "GNU.sparse.minor",
                 "GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.name", "hdrcharset", "mtime"]
            ),
            st.sampled_from(["1", "-1", "0", "1e9", "nan", "../x", "/x", "BINARY", "0,1,5", "ü"]),
        )
    )  # fmt: skip
    size = draw(st.sampled_from([len(content), 0, 1, -1, 2**33, 2**60]) | st.integers(-9, 2000))
    info = tarfile.TarInfo(draw(names))
    info.type, info.size, info.linkname = kind, size, draw(names)
    info.mode = draw(st.integers(0, 0o7777))
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for place, value in draw(
        st.dictionaries(st.integers(0, 511), st.integers(0, 255), max_size=3)
    ).items():
        block[place] = value
    if draw(st.booleans()):
        block[148:156] = b"%06o\x00 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    return bytes(block) + padded(content)


@contextlib.contextmanager
def nest() -> Iterator[tuple[Path, Path]]:
    """A folder to unpack to, some levels below the one that is watched."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "1", "2", "3", "out")
        out.mkdir(parents=True)
        yield Path(folder), out


def assert_stays_inside(content: bytes, *, compressed: bool) -> None:
    with nest() as (folder, out):
        archive = written(folder, content, compressed=compressed)
        before = set(folder.rglob("*"))
        try:
            unpack(archive, out)
        except ArchiveError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - either is fine
        new = set(folder.rglob("*")) - before
        assert all(path.is_relative_to(out) for path in new)
        # Links, loops of them included, lead nowhere else.
        assert all(Path(os.path.realpath(path)).is_relative_to(out) for path in new)


@given(st.lists(members(), max_size=5).map(b"".join), st.booleans())
def test_any_tar_stays_inside_or_is_an_error(content: bytes, compressed: bool) -> None:
    assert_stays_inside(content + END, compressed=compressed)


def _zip(entries: list[tuple[str, bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            opened.writestr(info, content)
    return buffer.getvalue()


@given(
    st.lists(
        st.tuples(names, st.binary(max_size=9), st.sampled_from([0o644, 0o120777, 0o040755, 0])),
        max_size=4,
        unique_by=lambda entry: entry[0],
    ),
    damage,
)
def test_any_zip_stays_inside_or_is_an_error(
    entries: list[tuple[str, bytes, int]], changes: dict[int, int]
) -> None:
    content = bytearray(_zip(entries))
    for place, value in changes.items():
        content[place % len(content)] = value
    assert_stays_inside(bytes(content), compressed=False)


@given(
    st.binary(max_size=300), st.sampled_from([b"\x1f\x8b\x08\x00", b"BZh9", b"\xfd7zXZ\x00", b""])
)
def test_any_bytes_behind_a_known_beginning_are_an_error(data: bytes, magic: bytes) -> None:
    assert_stays_inside(magic + data, compressed=False)


def test_a_whole_archive_is_unpacked_in_each_compression(tmp_path: Path) -> None:
    import bz2
    import lzma

    content = tar((tarfile.TarInfo("a/" + "n" * 200), b"x" * 100_000))
    packed = (gzip.compress(content), bz2.compress(content), lzma.compress(content), content)
    for number, whole in enumerate(packed):
        archive, out = tmp_path / f"{number}.tar", tmp_path / f"{number}"
        archive.write_bytes(whole)
        out.mkdir()
        unpack(archive, out)
        assert (out / "a" / ("n" * 200)).read_bytes() == b"x" * 100_000
