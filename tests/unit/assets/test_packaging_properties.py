"""An archive restores its tree, and is the same on each machine."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cdk_braket.assets.packaging import package_source, read_tree, shown
from cdk_braket_local.braket.archive import unpack

LEFT_OUT = ("~", ".pyc", ".pyo", ".swp", ".egg-info")

# Each starts with a letter, so that none is a name that is left out, and may hold anything else a
# file system takes: spaces, newlines, quotes, backslashes, other scripts, control characters.
names = (
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60)
    .map(lambda text: f"x{text}")
    .filter(lambda name: len(name.encode()) <= 255 and not name.casefold().endswith(LEFT_OUT))
)
trees = st.recursive(
    st.binary(max_size=300),
    lambda below: st.dictionaries(names, below, min_size=1, max_size=4),
    max_leaves=12,
)
Tree = bytes | dict[str, "Tree"]


def flat(tree: Tree, prefix: str) -> dict[str, bytes]:
    if isinstance(tree, bytes):
        return {prefix: tree}
    return {
        name: content
        for key, below in tree.items()
        for name, content in flat(below, f"{prefix}/{key}").items()
    }


def write(files: dict[str, bytes], root: Path) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@given(tree=trees, order=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_an_archive_restores_its_tree_and_does_not_depend_on_the_place(
    tree: Tree, order: random.Random
) -> None:
    files = flat(tree, "source")
    shuffled = list(files.items())
    order.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as work:
        here, there = Path(work, "here"), Path(work, "a much longer place")
        write(files, here)
        write(dict(shuffled), there)

        one = package_source(here / "source", Path(work, "one"))
        two = package_source(there / "source", Path(work, "two"))

        assert one.archive.read_bytes() == two.archive.read_bytes()
        back = Path(work, "back")
        back.mkdir()
        unpack(one.archive, back)
        found = {
            str(path.relative_to(back)): path.read_bytes()
            for path in back.rglob("*")
            if path.is_file()
        }
        assert found == files
        assert one.file_count == len(files)
        assert one.uncompressed_size == sum(map(len, files.values()))


@given(patterns=st.lists(st.text(max_size=12), max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_pattern_breaks_the_walk_or_adds_a_file(patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as work:
        write({"a/x.py": b"", "a/b/y.py": b"", "a/.env": b""}, Path(work))
        everything = {"a/x.py", "a/b/y.py", "a/.env"}
        tree = read_tree(Path(work, "a"), exclude=patterns)
        assert {file.name for file in tree.files} <= everything
        assert bool(tree.files) != bool(tree.problems)


@given(st.text())
def test_a_name_is_shown_on_one_line(name: str) -> None:
    assert shown(name).isprintable()
