"""Other people's archives unpack inside their folder, or not at all."""

import contextlib
import io
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdk_braket_local.braket import archive
from cdk_braket_local.braket.archive import ArchiveError, unpack

Member = tuple[str, bytes, str, bytes]  # name, type, link, content

FILE, FOLDER = tarfile.REGTYPE, tarfile.DIRTYPE
SYMBOLIC, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


def _tar(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for name, kind, link, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(content)
            opened.addfile(member, io.BytesIO(content))
    return path


def _below(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_files_folders_and_links_inside_are_unpacked(tmp_path: Path, out: Path) -> None:
    source = _tar(
        tmp_path / "s.tar.gz",
        ("pack", FOLDER, "", b""),
        ("pack/algo.py", FILE, "", b"print()"),
        ("./deep/er/data", FILE, "", b"1"),
        ("pack/same.py", SYMBOLIC, "algo.py", b""),
        ("pack/equal.py", HARD, "pack/algo.py", b""),
    )
    unpack(source, out)
    assert set(_below(out)) == {
        "pack", "pack/algo.py", "deep", "deep/er", "deep/er/data", "pack/same.py", "pack/equal.py"
    }  # fmt: skip
    for name in ("algo", "same", "equal"):
        assert (out / "pack" / f"{name}.py").read_bytes() == b"print()"


def test_a_zip_file_is_unpacked_as_well(tmp_path: Path, out: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as opened:
        opened.writestr("pack/algo.py", "print()")
    unpack(tmp_path / "s.zip", out)
    assert (out / "pack/algo.py").read_text() == "print()"


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", FILE, "", b"x")],
        [("pack/../../outside", FILE, "", b"x")],
        [("/outside", FILE, "", b"x")],
        [("link", SYMBOLIC, "/etc", b"")],
        [("link", SYMBOLIC, "..", b""), ("link/outside", FILE, "", b"x")],
        [("a", FOLDER, "", b""), ("a/l", SYMBOLIC, "..", b""), ("m", SYMBOLIC, "a/l/..", b"")],
        [
            # Inside when it is made, outside once what it names is there.
            ("s", SYMBOLIC, "x/..", b""),
            ("x", SYMBOLIC, ".", b""),
            ("s/outside", FILE, "", b"x"),
        ],
        [("hard", HARD, "/etc/passwd", b"")],
        [("hard", HARD, "../s.tar.gz", b"")],
        [("pipe", tarfile.FIFOTYPE, "", b"")],
        [("device", tarfile.CHRTYPE, "", b"")],
        [("disk", tarfile.BLKTYPE, "", b"")],
        [("..", FILE, "", b"x")],
    ],
)
def test_links_to_the_outside_and_special_files_are_refused(
    tmp_path: Path, out: Path, members: list[Member]
) -> None:
    source = _tar(tmp_path / "s.tar.gz", *members)
    with pytest.raises(ArchiveError, match=r"^s\.tar\.gz"):
        unpack(source, out)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "s.tar.gz"}
    assert "outside" not in {Path(name).name for name in _below(out)}


def test_a_file_replaces_a_link_and_is_not_written_through_it(tmp_path: Path, out: Path) -> None:
    source = _tar(
        tmp_path / "s.tar.gz",
        ("kept", FILE, "", b"kept"),
        ("link", SYMBOLIC, "kept", b""),
        ("link", FILE, "", b"other"),
    )
    unpack(source, out)
    assert (out / "kept").read_bytes() == b"kept"
    assert (out / "link").read_bytes() == b"other"


def test_no_mode_of_the_archives_keeps_the_owner_out_or_gives_rights_away(
    tmp_path: Path, out: Path
) -> None:
    member = tarfile.TarInfo("algo.py")
    member.mode = stat.S_ISUID | 0o022
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as opened:
        opened.addfile(member)
    unpack(tmp_path / "s.tar.gz", out)
    assert stat.S_IMODE((out / "algo.py").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["s.tar.gz", "s.zip"])
def test_a_bomb_is_refused(
    tmp_path: Path, out: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_FREE_BYTES", 1024)
    source = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("zeros", bytes(10_000_000))
        monkeypatch.setattr(archive, "MOST_RATIO", 100)
    else:
        _tar(source, ("zeros", FILE, "", bytes(10_000_000)))
        monkeypatch.setattr(archive, "MOST_RATIO", 100)
    with pytest.raises(ArchiveError, match="unfolds to more than"):
        unpack(source, out)
    assert list(_below(out)) == []


def test_too_many_members_are_refused(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    source = _tar(tmp_path / "s.tar.gz", *((str(n), FILE, "", b"") for n in range(3)))
    with pytest.raises(ArchiveError, match="more than 2 members"):
        unpack(source, out)


@given(data=st.binary(max_size=2000))
def test_bytes_of_any_kind_are_unpacked_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "s.tar.gz"), Path(folder, "out")
        source.write_bytes(data)
        target.mkdir()
        with contextlib.suppress(ArchiveError):
            unpack(source, target)
        assert {path.name for path in Path(folder).iterdir()} == {"s.tar.gz", "out"}


names = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "l", "c\\d", "ü", "\n"]), min_size=1, max_size=4
).map("/".join)
kinds = st.sampled_from([FILE, FOLDER, SYMBOLIC, HARD])


@given(
    members=st.lists(st.tuples(names, kinds, names, st.binary(max_size=3)), min_size=1, max_size=6)
)
def test_with_any_names_nothing_is_written_outside(members: list[Member]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "1", "2", "3", "out")
        top.mkdir(parents=True)
        source = _tar(Path(folder, "s.tar.gz"), *members)
        before = set(Path(folder).rglob("*"))
        with contextlib.suppress(ArchiveError):
            unpack(source, top)
        new = set(Path(folder).rglob("*")) - before
        assert all(path.is_relative_to(top) for path in new)
