"""How much time is needed to pack a script?"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from braket.jobs import quantum_job_creation

from benchmarks.figures import OURS, Figures, in_turns, seconds_of
from cdk_braket.assets.packaging import package_source

_SDK = "Braket SDK"


def measure(small: bool) -> Sequence[Figures]:
    """Return the time of packing, and of a second synthesis of the same files."""
    sources: dict[str, Callable[[Path], None]] = {
        "1 file": lambda folder: _files(folder, 1, 1000),
        "1,000 files": lambda folder: _files(folder, 1000, 1000),
    }
    if not small:
        sources["100 MB"] = lambda folder: _files(folder, 10, 10_000_000)
    values: dict[str, dict[str, float]] = {OURS: {}, _SDK: {}}
    for size, create in sources.items():
        for name, value in _packed(create, 1 if small else 3).items():
            values[name][size] = round(value, 4)
    return [
        Figures(
            "Time to pack a script", "s", "script", values, "not slower than the Braket SDK", 1.0
        )
    ]


def _packed(create: Callable[[Path], None], rounds: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "script"
        folder.mkdir()
        create(folder)
        return in_turns({OURS: lambda: _ours(folder), _SDK: lambda: _sdk(folder)}, rounds)


def _files(folder: Path, number: int, size: int) -> None:
    for index in range(number):
        (folder / f"file{index}.py").write_bytes(b"# " + os.urandom(size // 2).hex().encode())


def _ours(folder: Path) -> float:
    with tempfile.TemporaryDirectory() as directory:
        return seconds_of(lambda: package_source(folder, Path(directory)))


def _sdk(folder: Path) -> float:
    class Session:
        def upload_to_s3(self, _file: str, _uri: str) -> None:
            """Omit the upload, which both have."""

    return seconds_of(
        lambda: quantum_job_creation._tar_and_upload_to_code_location(
            folder, Session(), "s3://bucket/code"
        )
    )
