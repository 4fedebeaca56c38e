"""Packing reads each byte once, writes it once and compresses nothing.

The times are a machine's affair: docs/adr/0005-packaging-scripts.md has some that were measured.
"""

import builtins
import io
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any

import pytest

from cdk_braket.assets import packaging
from cdk_braket.assets.packaging import package_source

FILES = 200
SIZE = 50_001


class CountedFile:
    """A file whose reads are counted."""

    def __init__(self, file: IO[bytes], counts: Counter[str], name: str) -> None:
        self.file = file
        self.counts = counts
        self.name = name

    def __enter__(self) -> "CountedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a file has
        return getattr(self.file, name)

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.file.read(size)
        self.counts[f"bytes read of {self.name}"] += len(data)
        self.counts["reads"] += 1
        self.counts["longest read"] = max(self.counts["longest read"], len(data))
        return data

    def write(self, data: bytes) -> int:
        self.counts["bytes written"] += len(data)
        return int(self.file.write(data))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    found: Counter[str] = Counter()

    def opened(path: Path, mode: str = "r") -> CountedFile:
        found[f"opened {mode}"] += 1
        return CountedFile(io.open(path, mode), found, path.suffix)  # noqa: UP020

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(builtins, "open", lambda *_, **__: pytest.fail("opened in another way"))
    monkeypatch.setattr(zlib, "compressobj", lambda *_, **__: pytest.fail("compresses"))
    monkeypatch.setattr(zlib, "compress", lambda *_, **__: pytest.fail("compresses"))
    return found


def _source(tmp_path: Path, suffix: str, content: bytes) -> Path:
    for number in range(FILES):
        directory = tmp_path / "big" / f"part{number % 37}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number}{suffix}").write_bytes(content)
    return tmp_path / "big"


def test_each_byte_is_read_and_written_once(tmp_path: Path, counts: Counter[str]) -> None:
    source = _source(tmp_path, ".dat", b"x" * SIZE)
    counts.clear()
    packed = package_source(source, tmp_path / "out")
    assert counts["opened rb"] == FILES
    assert counts["opened wb"] == 1
    assert counts["bytes read of .dat"] == FILES * SIZE
    assert counts["reads"] == 2 * FILES, "one with the content, one with the end"
    assert counts["bytes written"] == packed.archive_size
    # A header of 512 bytes and the rest of a block for each file; 5 bytes for a block of 64 kB.
    content = FILES * SIZE
    assert packed.archive_size - content < 1_024 * FILES + content // 10_000 + 2_048


def test_text_is_read_a_second_time_at_most(tmp_path: Path, counts: Counter[str]) -> None:
    source = _source(tmp_path, ".csv", b"1,2\n" * (SIZE // 4))
    counts.clear()
    package_source(source, tmp_path / "out")
    size = FILES * (SIZE // 4) * 4
    assert size < counts["bytes read of .csv"] <= 2 * size
    assert counts["opened rb"] == FILES


def test_a_large_file_is_not_read_at_once(
    tmp_path: Path, counts: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "_CHUNK", 1_000)
    source = _source(tmp_path, ".json", b"{}\r\n" * 3_000)
    counts.clear()
    package_source(source, tmp_path / "out")
    assert counts["longest read"] == 1_000


def test_a_file_that_is_excluded_is_not_opened(tmp_path: Path, counts: Counter[str]) -> None:
    source = _source(tmp_path, ".dat", b"x")
    _source(tmp_path, ".pyc", b"x")
    counts.clear()
    package_source(source, tmp_path / "out")
    assert counts["opened rb"] == FILES
