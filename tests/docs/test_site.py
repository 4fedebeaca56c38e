"""The site of the documentation builds without a warning, and has every page and public name."""

import html.parser
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

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


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[a](../guides/one-job.md#x)", "[a](../guides/one-job.md#x)"),
        ("[`a.py`](../../tests/a.py), [b](cli.md)", "`a.py`, [b](cli.md)"),
        ("[a](https://aws.amazon.com/x)", "[a](https://aws.amazon.com/x)"),
        (f"{FENCED}\n[a](../../b)", f"{FENCED}\na"),
        ("[json](deployment-policy.json)", "json"),
        ("| `[a-z](-*[a-z])` | [a](../../b) |", "| `[a-z](-*[a-z])` | a |"),
        ("```python raises=Error\nx\n```\n", "```python\nx\n```\n"),
    ],
)
def test_links_that_leave_the_site_are_words_only(written: str, shown: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="reference/page.md"))
    assert docs_site.on_page_markdown(written, page) == shown
