"""Links between our pages lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT, pages

_LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_LINES = re.MULTILINE | re.DOTALL
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_CODE = re.compile(r"^ *(`{3,}).*?^ *\1|`[^`\n]+`", _LINES)


def _headings(page: Path) -> list[str]:
    return _HEADING.findall(re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=_LINES))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub creates them."""
    texts = (re.sub(r"[^\w\- ]", "", text.lower()) for text in _headings(page))
    return {text.strip().replace(" ", "-") for text in texts}


def _broken(page: Path) -> list[str]:
    prose = _CODE.sub("", page.read_text("utf-8"))
    return [link for link in _LINK.findall(prose) if not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert _broken(page) == []


@pytest.mark.parametrize("link", ["none.md", "#none", "other.md#none"])
def test_a_broken_link_is_found(tmp_path: Path, link: str) -> None:
    (tmp_path / "other.md").write_text("# Other\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n[a]({link}) [b](other.md#other) [c](#page)\n", encoding="utf-8")
    assert _broken(page) == [link]
