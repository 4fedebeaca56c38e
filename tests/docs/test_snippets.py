"""All code in our pages is run or checked."""

import shutil
from pathlib import Path

import pytest

from tests.docs import snippets


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a reader is in: it has the examples, and may be written to."""
    shutil.copytree(
        snippets.ROOT / "examples",
        tmp_path / "examples",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    "page", snippets.pages(), ids=lambda page: str(page.relative_to(snippets.ROOT))
)
def test_the_code_of_a_page_works(page: Path) -> None:
    names: dict[str, object] = {}
    for block in snippets.blocks(page):
        names = snippets.check(block, names)
