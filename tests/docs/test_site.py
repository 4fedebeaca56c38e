"""The site of the documentation builds without a warning, and works in a browser."""

import html.parser
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from mkdocs.structure.pages import Page

import cdk_braket
from tests.docs.snippets import ROOT
from tools import docs_site

# Terms that readers search for, and a page that has to be found by each.
TERMS = {
    "max_runtime": "explain/costs/",
    "bootstrap": "getting-started/",
    "hyperparameters": "guides/one-job/",
    "alarm": "guides/monitoring/",
    "EventBridge": "guides/events/",
    "PassRole": "reference/permissions/",
    "AwsQuantumJob": "migrate/from-aws-quantum-job/",
    "exit code": "reference/cli/",
    "NAT": "guides/vpc/",
    "semantic versioning": "reference/stability/",
}


# The pictures that the browser test takes, to look at.
SHOTS = "CDK_BRAKET_SCREENSHOTS"

FENCED = "```text\n[a](../../tests/a.py)\n```"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Ids(html.parser.HTMLParser):
    """The ids and addresses of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        loaded = {"script": "src", "link": "href", "img": "src"}.get(tag)
        if loaded and given.get(loaded):
            self.addresses.add(str(given[loaded]))


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    for page in pages:
        name = page.parent if page.stem in {"index", "README"} else page.with_suffix("")
        assert (site / name / "index.html").is_file(), page


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    ids = Ids(site / "reference/api/index.html").ids
    names = {f"cdk_braket.{name}" for name in cdk_braket.__all__}
    assert names <= ids, sorted(names - ids)


def test_the_search_finds_the_pages_of_ten_terms(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    for term, page in TERMS.items():
        found = [each for each in index["docs"] if each["location"].startswith(page)]
        assert any(term.lower() in json.dumps(each).lower() for each in found), term


def test_the_html_of_pages_names_no_other_host_to_load_from(site: Path) -> None:
    for page in site.rglob("*.html"):
        others = [each for each in Ids(page).addresses if "//" in each]
        assert others == [], page


def in_browser(
    site: Path, scratch: Path, pages: Sequence[str], terms: Mapping[str, str]
) -> list[str]:
    """Open pages in Chromium, and return their problems."""
    job = {
        "site": str(site),
        "pages": pages,
        "terms": terms,
        "shots": os.environ.get(SHOTS),
    }
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "tests/docs/browser.mjs"],
        cwd=ROOT,
        # The browser is unpacked there.
        env=os.environ | {"TMPDIR": str(scratch), "HOME": str(scratch)},
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_page_with_a_diagram_works_in_a_browser(site: Path, tmp_path: Path) -> None:
    term = "EventBridge"
    assert in_browser(site, tmp_path, ["explain/architecture/"], {term: TERMS[term]}) == []


@pytest.mark.long
def test_every_page_works_in_a_browser(site: Path, tmp_path: Path) -> None:
    """No broken link or script, no other host, accessible in light, dark and at 360 px."""
    places = (path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    pages = sorted("" if place == "." else f"{place}/" for place in places)
    assert len(pages) > 50
    assert in_browser(site, tmp_path, pages, TERMS) == []


def test_the_browser_test_finds_problems(tmp_path: Path) -> None:
    page = """<html lang="en"><head><title>t</title></head><body><main><h1>t</h1>
    <a href="none/">a</a> <a href="#none">b</a> <img src="none.png">
    <p style="width: 400px; color: #aaa; background: #fff">pale</p><script>throw Error("x")</script>
    <script src="https://example.com/a.js"></script></main></body></html>"""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text(page, encoding="utf-8")
    found = "\n".join(in_browser(tmp_path / "site", tmp_path, [""], {}))
    assert "no page none/" in found
    assert "no place #none" in found
    assert "no picture" in found
    assert "px wide on 360 px" in found
    assert "axe color-contrast" in found
    assert "axe image-alt" in found
    assert "script: x" in found
    assert "loads https://example.com/a.js" in found


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[a](../guides/one-job.md#x)", "[a](../guides/one-job.md#x)"),
        ("[`a.py`](../../tests/a.py), [b](cli.md)", "`a.py`, [b](cli.md)"),
        ("[a](https://aws.amazon.com/x)", "[a](https://aws.amazon.com/x)"),
        (f"{FENCED}\n[a](../../b)", f"{FENCED}\na"),
        ("[json](deployment-policy.json)", "json"),
        ("[s](../../SECURITY.md#scope)", "[s](../security.md#scope)"),
        ("[h](../../examples/h2_vqe/README.md)", "[h](../examples/h2_vqe.md)"),
        ("![p](../pictures/a.svg)", "![p](../pictures/a.svg)"),
        ("| `[a-z](-*[a-z])` | [a](../../b) |", "| `[a-z](-*[a-z])` | a |"),
        ("```python raises=Error\nx\n```\n", "```python\nx\n```\n"),
    ],
)
def test_links_that_leave_the_site_are_words_only(written: str, shown: str) -> None:
    assert docs_site.on_page_markdown(written, _page("reference/page.md")) == shown


def test_a_page_outside_of_docs_links_to_the_pages_of_the_site() -> None:
    written = "[a](docs/guides/vpc.md) [b](SECURITY.md) [c](dev)"
    shown = docs_site.on_page_markdown(written, _page("contributing.md"))
    assert shown == "[a](guides/vpc.md) [b](security.md) c"


def _page(uri: str) -> Page:
    return cast("Page", SimpleNamespace(file=SimpleNamespace(src_uri=uri)))
