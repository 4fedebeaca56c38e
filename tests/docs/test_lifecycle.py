"""The page of the contract names tests that exist."""

import re

import pytest

from tests.docs.snippets import ROOT

PAGE = ROOT / "docs" / "explain" / "lifecycle.md"
_TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
_LINES = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(("file", "test"), sorted({*_TEST.findall(PAGE.read_text("utf-8"))}))
def test_a_test_that_the_page_names_exists(file: str, test: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file)]
    assert any(f"\ndef {test}(" in source for source in sources)


def test_every_line_of_the_contract_names_a_test() -> None:
    lines = [line for line in _LINES if not line.startswith(("| guarantee", "| ---"))]
    assert len(lines) > 20
    assert [line for line in lines if not _TEST.search(line)] == []
