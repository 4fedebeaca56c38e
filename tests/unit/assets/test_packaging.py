"""The content of a packed script, refusals, and independence from the machine."""

import dataclasses
import gzip
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from braket.jobs.quantum_job_creation import _tar_and_upload_to_code_location

from cdk_braket.assets import packaging
from cdk_braket.assets.packaging import (
    DEFAULT_EXCLUDES,
    MAX_BYTES,
    MAX_LINKS,
    PackagingError,
    package_source,
    read_tree,
)
from cdk_braket_local.braket.archive import unpack


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def unpacked(archive: Path, into: Path) -> dict[str, bytes]:
    """Unpack as a local job does, and read everything back."""
    into.mkdir(parents=True, exist_ok=True)
    unpack(archive, into)
    return {
        str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()
    }


def members(archive: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return tar.getmembers()


def problems(path: Path, destination: Path, exclude: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(PackagingError) as raised:
        package_source(path, destination, exclude=exclude)
    assert str(raised.value) == "\n".join(raised.value.problems)
    assert not list(destination.glob("*"))
    return list(raised.value.problems)


VQE = {"algo.py": b"def main(): pass\n", "sub/deep/data.bin": bytes(range(256)) * 500, "empty": b""}


class SdkSession:
    """Records the SDK's upload, so that its archive can be compared."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def upload_to_s3(self, filename: str, _uri: str) -> None:
        shutil.copy(filename, self.target)


@pytest.mark.parametrize("of", ["directory", "file"])
def test_holds_the_files_the_sdk_packs_under_the_same_names(tmp_path: Path, of: str) -> None:
    source = write_tree(tmp_path / "vqe", VQE)
    if of == "file":
        source /= "algo.py"
    sdk = tmp_path / "sdk.tar.gz"
    _tar_and_upload_to_code_location(source, SdkSession(sdk), "s3://bucket/key")

    packed = package_source(source, tmp_path / "out")

    theirs = unpacked(sdk, tmp_path / "theirs")
    assert unpacked(packed.archive, tmp_path / "ours") == theirs
    assert set(theirs) == ({"algo.py"} if of == "file" else {f"vqe/{name}" for name in VQE})


def test_reports_sizes_count_and_the_hash_of_the_archive(tmp_path: Path) -> None:
    packed = package_source(write_tree(tmp_path / "vqe", VQE), tmp_path / "out")

    content = packed.archive.read_bytes()
    assert packed.asset_hash == hashlib.sha256(content).hexdigest()
    assert packed.archive == tmp_path / "out" / packed.asset_hash / "source.tar.gz"
    assert packed.archive_size == len(content)
    assert packed.uncompressed_size == sum(len(data) for data in VQE.values())
    assert packed.file_count == len(VQE)


def test_is_one_fixed_sequence_of_bytes(tmp_path: Path) -> None:
    """The same on every machine, Python and zlib: a changed hash starts every user's jobs again."""
    long = "/".join(["long" * 20] * 4) + ".py"
    files = {**VQE, long: b"x", "größe\nβ.txt": b"y", "big": b"z" * 200_000}
    packed = package_source(write_tree(tmp_path / "vqe", files), tmp_path / "out")
    assert packed.asset_hash == "5038463d404c784cdc307f92825453630d6fe9bafc6a46275eb89a100096cf96"


def test_carries_nothing_of_the_machine(tmp_path: Path) -> None:
    first = write_tree(tmp_path / "here" / "vqe", VQE)
    second = write_tree(tmp_path / "there" / "vqe", dict(reversed(VQE.items())))
    (second / "an-empty-directory").mkdir()
    for path in second.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))

    one = package_source(first, tmp_path / "one")
    two = package_source(second, tmp_path / "two")

    assert one.archive.read_bytes() == two.archive.read_bytes()
    for member in members(one.archive):
        fixed = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode)
        assert fixed == (0, 0, 0, "", "", 0o755)
    assert [member.name for member in members(one.archive)] == sorted(f"vqe/{n}" for n in VQE)
    assert one.archive.read_bytes()[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_another_script_has_another_hash(tmp_path: Path, change: str) -> None:
    source = write_tree(tmp_path / "vqe", VQE)
    before = package_source(source, tmp_path / "out").asset_hash
    match change:
        case "content":
            (source / "algo.py").write_bytes(b"def main(): ...\n")
        case "name":
            (source / "empty").rename(source / "other")
        case _:
            (source / "second").write_bytes(b"")
    assert package_source(source, tmp_path / "out").asset_hash != before


def test_packs_into_a_directory_inside_the_source_without_packing_itself(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "vqe", VQE)
    first = package_source(source, source / "build" / "assets")
    assert package_source(source, source / "build" / "assets") == first
    assert [path.name for path in (source / "build" / "assets").iterdir()] == [first.asset_hash]


@pytest.mark.parametrize("size", [0, 1, 0xFFFF - 1536, 0xFFFF, 0x1FFFE, 0x1FFFF, 3_000_000])
def test_is_valid_gzip_at_every_edge_of_a_block(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    source = write_tree(tmp_path / "a", {"data": content})
    packed = package_source(source, tmp_path / "out")
    raw = gzip.decompress(packed.archive.read_bytes())
    assert zlib.decompress(packed.archive.read_bytes(), wbits=31) == raw
    assert unpacked(packed.archive, tmp_path / "back") == {"a/data": content}


def test_omits_files_that_tools_leave_behind(tmp_path: Path) -> None:
    kept = {"algo.py": b"", "pycache.py": b"", "venv.py": b"", ".hidden": b"", "a.pyx": b""}
    left = {
        "__pycache__/algo.cpython-312.pyc": b"",
        "sub/__pycache__/x": b"",
        "old.pyc": b"",
        ".git/HEAD": b"",
        ".DS_Store": b"",
        "sub/.ipynb_checkpoints/n.ipynb": b"",
        ".venv/lib/x.py": b"",
        "my-own-environment/pyvenv.cfg": b"",
        "my-own-environment/lib/x.py": b"",
        ".env": b"PASSWORD=x",
        "cdk.out/asset.zip": b"",
        "node_modules/x/index.js": b"",
    }
    packed = package_source(write_tree(tmp_path / "a", {**kept, **left}), tmp_path / "out")
    assert {member.name for member in members(packed.archive)} == {f"a/{name}" for name in kept}


def test_packs_a_link_that_stays_inside_as_its_target(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "a", {"real/x.py": b"x"})
    (source / "file").symlink_to("real/x.py")
    (source / "directory").symlink_to(source / "real")
    packed = package_source(source, tmp_path / "out")
    assert unpacked(packed.archive, tmp_path / "back") == dict.fromkeys(
        ["a/real/x.py", "a/file", "a/directory/x.py"], b"x"
    )
    assert all(member.isreg() for member in members(packed.archive))


def test_packs_a_source_that_is_a_link_under_the_name_of_its_target(tmp_path: Path) -> None:
    write_tree(tmp_path / "a", {"x.py": b"x"})
    (tmp_path / "link").symlink_to("a")
    packed = package_source(tmp_path / "link", tmp_path / "out")
    assert [member.name for member in members(packed.archive)] == ["a/x.py"]


def test_refuses_everything_it_cannot_pack_at_once(tmp_path: Path) -> None:
    write_tree(tmp_path, {"secret": b"x", "outside/x": b"x"})
    source = write_tree(tmp_path / "a", {"x.py": b"x"})
    (source / "leads-out").symlink_to("../secret")
    (source / "dir-out").symlink_to(tmp_path / "outside")
    (source / "broken").symlink_to("nothing")
    (source / "self").symlink_to("self")
    (source / "sub").mkdir()
    (source / "sub" / "circle").symlink_to("..")
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(source / "socket"))
    (Path(os.fsdecode(os.fsencode(source) + b"/\xff"))).write_bytes(b"")

    found = problems(source, tmp_path / "out")

    about = {problem.partition(": ")[0]: problem for problem in found}
    assert len(found) == len(about) == 8
    assert str(tmp_path / "secret") in about["a/leads-out"]
    assert "outside the source" in about["a/leads-out"]
    assert "outside the source" in about["a/dir-out"]
    assert "does not exist" in about["a/broken"]
    assert "does not exist" in about["a/self"]
    assert "which holds it" in about["a/sub/circle"]
    assert "pipe" in about["a/pipe"]
    assert "socket" in about["a/socket"]
    assert "not UTF-8" in about["a/\\udcff"]
    for problem in found:
        assert problem.isprintable()
        assert problem.endswith("exclude it.")


def test_an_excluded_file_is_no_problem(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "a", {"x.py": b"x", "data/big": b"x"})
    (source / "data" / "out").symlink_to("/")
    os.mkfifo(source / "pipe")
    packed = package_source(source, tmp_path / "out", exclude=["data/", "pipe"])
    assert [member.name for member in members(packed.archive)] == ["a/x.py"]


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["*.csv"], {"x.csv", "data/y.csv", "data/Z.CSV"}),
        (["/x.csv"], {"x.csv"}),
        (["data/"], {"data/y.csv", "data/Z.CSV", "data/keep.txt"}),
        (["data/*", "!data/keep.txt"], {"data/y.csv", "data/Z.CSV"}),
        (["**/y.csv", "# no pattern"], {"data/y.csv"}),
        (["!.env"], set()),
    ],
)
def test_exclude_patterns_are_those_of_cdk(
    tmp_path: Path, exclude: list[str], left: set[str]
) -> None:
    names = {"algo.py", "x.csv", "data/y.csv", "data/Z.CSV", "data/keep.txt", ".env"}
    source = write_tree(tmp_path / "a", dict.fromkeys(names, b""))
    files = read_tree(source, exclude=exclude).files
    default = set() if "!.env" in exclude else {".env"}
    assert {file.name.removeprefix("a/") for file in files} == names - left - default


def test_the_default_patterns_mean_the_same_with_and_without_cdk(tmp_path: Path) -> None:
    """Without the user's patterns, CDK is not called, so both ways must agree on ours."""
    names = [pattern.replace("*", "name").replace("[co]", "c") for pattern in DEFAULT_EXCLUDES]
    names += [name.upper() for name in names]
    near = [name + "x" for name in names]
    files = [*names, *near, *(f"sub/{name}" for name in names), *(f"{name}/x" for name in near)]
    root = tmp_path / "a"
    plain = packaging._ignore_rule(root, ())
    cdk = packaging._ignore_rule(root, ["never-a-name"])
    for name in files:
        for is_directory in (True, False):
            assert plain(name, is_directory) == cdk(name, is_directory), name
    assert all(plain(name, True) for name in names)
    assert not any(plain(name, True) for name in near)


def test_names_of_dots_are_packed_although_cdk_refuses_them_as_paths(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "a", {".../x.py": b"", "x.csv": b""})
    files = read_tree(source, exclude=["*.csv"]).files
    assert [file.name for file in files] == ["a/.../x.py"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "No such file"),
        (Path.mkdir, "holds no file"),
        (lambda path: path.symlink_to(path), "circle|symbolic links"),
        (os.mkfifo, "neither a file nor a directory"),
    ],
)
def test_refuses_a_source_with_nothing_to_pack(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "a")
    with pytest.raises(PackagingError, match=reason):
        package_source(tmp_path / "a", tmp_path / "out")


def test_refuses_the_root_and_the_destination_as_source(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="no name"):
        package_source(Path("/"), tmp_path / "out")
    write_tree(tmp_path, {"x.py": b""})
    with pytest.raises(PackagingError, match="is the source"):
        package_source(tmp_path, tmp_path)


def test_links_that_multiply_end_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty directories with two links each are a billion directories."""
    monkeypatch.setattr(packaging, "MAX_ENTRIES", 500)
    source = tmp_path / "a"
    for level in range(30):
        (source / str(level)).mkdir(parents=True)
        for name in ("left", "right"):
            (source / str(level) / name).symlink_to(source / str(level + 1))
    (source / "30").mkdir()
    found = problems(source, tmp_path / "out")
    assert any("more than 500" in problem for problem in found)


def _maze(root: Path, directories: int) -> Path:
    """Directories that all have links to all: one path for each order of them."""
    for here in range(directories):
        (root / f"d{here}").mkdir(parents=True)
        for there in range(directories):
            (root / f"d{here}" / f"l{there}").symlink_to(f"../d{there}")
    return root


def test_a_maze_of_links_ends_in_one_error(tmp_path: Path) -> None:
    source = _maze(tmp_path / "a", 12)
    began = time.process_time()
    [problem] = problems(source, tmp_path / "out")
    assert time.process_time() - began < 20, "without a bound it takes minutes"
    assert problem == (
        f"{source}: holds more than {MAX_LINKS} links, including links behind links. Replace "
        "them with their targets, or exclude them."
    )


def test_as_many_links_as_are_allowed_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "MAX_LINKS", 3)
    source = write_tree(tmp_path / "a", {"x.py": b"x", "left-out/x": b""})
    for number in range(3):
        (source / f"link{number}").symlink_to("x.py")
    (source / "left-out" / "link").symlink_to("../x.py")
    packed = package_source(source, tmp_path / "out", exclude=["left-out"])
    assert packed.file_count == 4
    (source / "link3").symlink_to("x.py")
    shutil.rmtree(tmp_path / "out")
    [problem] = problems(source, tmp_path / "out", exclude=("left-out",))
    assert "holds more than 3 links" in problem


def test_the_last_directory_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "MAX_ENTRIES", 3)
    source = write_tree(tmp_path / "a", {"x": b"", "y": b""})
    assert read_tree(source).problems == ()
    (source / "z").write_bytes(b"")
    [problem] = read_tree(source).problems
    assert "holds more than 3 files and directories" in problem


@pytest.mark.parametrize("of", ["directory", "file"])
def test_a_source_that_is_too_large_is_refused_before_anything_is_written(
    tmp_path: Path, of: str
) -> None:
    source = write_tree(tmp_path / "a", {"half": b"", "more": b""})
    for name, size in (("half", MAX_BYTES // 2), ("more", MAX_BYTES + 1 - MAX_BYTES // 2)):
        os.truncate(source / name, size)  # without blocks: nothing is read
    if of == "file":
        source /= "more"
        os.truncate(source, MAX_BYTES + 1)
    [problem] = problems(source, tmp_path / "out")
    assert problem.startswith(
        f"{source}: holds {MAX_BYTES + 1} bytes, and at most {MAX_BYTES} are packed. Exclude "
    )
    assert "AlgorithmScript.from_bucket(…)" in problem
    assert not (tmp_path / "out").exists()


def test_files_up_to_the_limit_are_packed_and_links_count_as_their_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "MAX_BYTES", 6)
    source = write_tree(tmp_path / "a", {"x": b"123"})
    (source / "link").symlink_to("x")
    assert package_source(source, tmp_path / "out").uncompressed_size == 6
    shutil.rmtree(tmp_path / "out")
    (source / "x").write_bytes(b"1234")
    [problem] = problems(source, tmp_path / "out")
    assert "holds 8 bytes" in problem


_OPEN: Callable[[Path, str], IO[bytes]] = Path.open


class WritesWhile:
    """A program that changes a file after the packer has opened another one, or the same."""

    def __init__(self, trigger: Path, change: Callable[[], object]) -> None:
        self.trigger = trigger
        self.change = change
        self.opened = 0

    def open(self, path: Path, mode: str = "r") -> IO[bytes]:
        opened = _OPEN(path, mode)
        if path == self.trigger and mode == "rb":
            self.opened += 1
            self.change()
        return opened


def _touch_same_size(file: Path) -> None:
    status = file.stat()
    file.write_bytes(b"Y" * status.st_size)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"xy"),
        lambda file: file.write_bytes(b""),
        _touch_same_size,
        Path.unlink,
        lambda file: file.rename(file.with_name("gone")),
        lambda file: (file.unlink(), file.write_bytes(b"other")),
    ],
    ids=["grows", "shrinks", "same-size", "is-removed", "is-renamed", "is-replaced"],
)
@pytest.mark.parametrize(("trigger", "written"), [("log", "log"), ("a.py", "log"), ("z", "log")])
def test_a_file_that_changes_while_the_source_is_packed_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    trigger: str,
    written: str,
) -> None:
    source = write_tree(tmp_path / "a", {"a.py": b"x", "log": b"x", "z": b""})
    writer = WritesWhile(source / trigger, lambda: change(source / written))
    monkeypatch.setattr(Path, "open", lambda path, mode="r": writer.open(path, mode))
    with pytest.raises(PackagingError, match="a/log: changed while it was packed") as refused:
        package_source(source, tmp_path / "out")
    assert writer.opened == 1
    assert "synthesize again" in str(refused.value)
    assert list((tmp_path / "out").iterdir()) == [], "no archive is left"


CRLF = {
    "vqe/algo.py": b"def main():\r\n    pass\r\n",
    "vqe/requirements.txt": b"numpy\r\nscipy",
    "vqe/data.JSON": b"{}\r\n",
    "vqe/notes.md": "ü\r\n".encode(),
    "vqe/old.py": "# ü\r\n".encode("latin-1"),
}


def test_a_checkout_with_crlf_is_the_same_archive(tmp_path: Path) -> None:
    with_lf = {name: data.replace(b"\r\n", b"\n") for name, data in CRLF.items()}
    one = package_source(write_tree(tmp_path / "a", CRLF) / "vqe", tmp_path / "one")
    two = package_source(write_tree(tmp_path / "b", with_lf) / "vqe", tmp_path / "two")
    assert one.archive.read_bytes() == two.archive.read_bytes()
    assert one == dataclasses.replace(two, archive=one.archive)
    assert contents(one.archive) == with_lf


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("mixed.py", b"a\r\nb\n"),
        ("lone.txt", b"a\rb\r\n"),
        ("end.txt", b"a\r\nb\r"),
        ("utf16.txt", "a\r\n".encode("utf-16")),
        ("zero.json", b"a\0\r\n"),
        ("weights.bin", b"\r\n\r\n"),
        ("noext", b"\r\n"),
        ("state.npy", b"\r\n"),
    ],
)
def test_other_files_are_packed_byte_by_byte(tmp_path: Path, name: str, data: bytes) -> None:
    packed = package_source(write_tree(tmp_path / "a", {name: data}), tmp_path / "out")
    assert contents(packed.archive) == {f"a/{name}": data}


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_line_ends_are_found_wherever_a_read_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(packaging, "_CHUNK", chunk)
    source = write_tree(tmp_path / "a", {"x.py": b"a\r\n\r\nbc\r\n", "y.py": b"a\r\nb\rc\r\n"})
    packed = package_source(source, tmp_path / "out")
    assert contents(packed.archive) == {"a/x.py": b"a\n\nbc\n", "a/y.py": b"a\r\nb\rc\r\n"}


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {
            member.name: file.read()
            for member in opened.getmembers()
            if (file := opened.extractfile(member))
        }


class TestSeveralSources:
    def test_each_is_packed_under_its_own_name_at_the_top(self, tmp_path: Path) -> None:
        write_tree(
            tmp_path,
            {
                "job.py": b"1",
                "helpers.py": b"2",
                "lib/a.py": b"3",
                "lib/.env": b"",
                "lib/x.md": b"",
            },
        )
        packed = package_source(
            tmp_path / "job.py",
            tmp_path / "out",
            exclude=["*.md"],
            include=[tmp_path / "helpers.py", tmp_path / "lib"],
        )
        assert contents(packed.archive) == {"job.py": b"1", "helpers.py": b"2", "lib/a.py": b"3"}
        assert packed.file_count == 3

    def test_their_order_does_not_matter(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {"job.py": b"1", "a.py": b"2", "b.py": b"3"})
        both = [tmp_path / "a.py", tmp_path / "b.py"]
        one = package_source(tmp_path / "job.py", tmp_path / "one", include=both)
        two = package_source(tmp_path / "job.py", tmp_path / "two", include=both[::-1])
        assert one.asset_hash == two.asset_hash

    def test_none_is_the_archive_of_the_source_alone(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {"job.py": b"1"})
        one = package_source(tmp_path / "job.py", tmp_path / "one")
        two = package_source(tmp_path / "job.py", tmp_path / "two", include=[])
        assert one.asset_hash == two.asset_hash

    def test_two_of_one_name_are_refused(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {"job.py": b"1", "x/lib/a.py": b"2", "y/lib/a.py": b"3"})
        with pytest.raises(PackagingError, match="has the same name as"):
            package_source(
                tmp_path / "job.py",
                tmp_path / "out",
                include=[tmp_path / "x" / "lib", tmp_path / "y" / "lib"],
            )
        with pytest.raises(PackagingError, match="is packed twice"):
            package_source(
                tmp_path / "job.py", tmp_path / "out", include=[tmp_path / "x" / "../job.py"]
            )

    def test_all_that_are_missing_are_named(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {"helpers.py": b""})
        with pytest.raises(PackagingError) as refused:
            package_source(tmp_path / "none.py", tmp_path / "out", include=[tmp_path / "helpers"])
        assert len(refused.value.problems) == 2
        assert "helpers.py" in refused.value.problems[1], "a module's name is not its path"


def test_starts_neither_jsii_nor_cdk(tmp_path: Path) -> None:
    write_tree(tmp_path / "a", {"x.py": b"def main(): pass"})
    script = (
        "import sys; from pathlib import Path\n"
        "from cdk_braket.assets.packaging import package_source\n"
        "from cdk_braket.validation.preflight import preflight\n"
        "package_source(Path('a'), Path('out')); preflight(Path('a'), 'a.x:main', {})\n"
        "print(sorted({'aws_cdk', 'jsii', 'boto3', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
