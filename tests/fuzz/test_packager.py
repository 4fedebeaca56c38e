"""Any folder of sources yields one archive of its files, or an error of ours."""

import contextlib
import os
import socket
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cdk_braket.assets.packaging import PackagingError, package_source
from cdk_braket_local.braket.archive import unpack
from tests.fuzz.profile import fuzzed

OUTSIDE = b"canary-outside-2b61"
names = st.sampled_from(
    [
        "a",
        "b",
        "a/b",
        "a/c",
        "-rf",
        "$(id)",
        "ü",
        "x\ny",
        "\udcff",
        "n" * 250,
        "#",
        "!a",
        ".env",
        "~",
    ]
)
# What a link may name: inside, outside, itself, a loop, nothing.
targets = st.sampled_from(
    ["a", "b", ".", "..", "../outside", "/etc/passwd", "/dev/zero", "gone", "a/../b"]
)
entries = st.tuples(names, st.sampled_from(["file", "link", "pipe", "socket", "folder"]), targets)


def _create(path: Path, kind: str, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_bytes(os.fsencode(path.name))
    elif kind == "link":
        path.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        # Its own path may be too long to be bound to.
        with socket.socket(socket.AF_UNIX) as opened, tempfile.TemporaryDirectory() as folder:
            opened.bind(f"{folder}/s")
            Path(folder, "s").rename(path)
    else:
        path.mkdir()


@fuzzed(60)
@given(st.lists(entries, min_size=1, max_size=6, unique_by=lambda entry: entry[0]))
def test_a_folder_of_anything_is_packed_or_refused(made: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as work:
        source, out, back = Path(work, "source"), Path(work, "out"), Path(work, "back")
        for folder in (source, out, back):
            folder.mkdir()
        Path(work, "outside").write_bytes(OUTSIDE)
        for name, kind, target in made:
            # A name may be taken by what another is below of.
            with contextlib.suppress(OSError):
                _create(source / name, kind, target)
        try:
            packaged = package_source(source, out)
        except PackagingError as error:
            assert all(problem.isprintable() for problem in error.problems)  # noqa: PT017
            return
        unpack(packaged.archive, back)
        found = [path for path in back.rglob("*") if not path.is_dir()]
        assert all(path.is_file() and not path.is_symlink() for path in found)
        contents = [path.read_bytes() for path in found]
        assert OUTSIDE not in contents
        assert packaged.file_count == len(found)
