"""The fragments of the changelog: their names, their form, and the section of a release."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAGMENTS = ROOT / "changes"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
TYPES = [each["directory"] for each in SETTINGS["type"]]


def problems(fragment: Path) -> list[str]:
    """Return the reasons why a file is not a fragment."""
    found = []
    text = fragment.read_text(encoding="utf-8")
    if not re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(TYPES)})\.md", fragment.name):
        found.append(f"expected the name +words-of-it.TYPE.md, TYPE being one of {TYPES}")
    if not re.fullmatch(r"[`A-Z][^\n]*[^.\n]\.\n", text):
        found.append("expected sentences on one line, from a capital or code to a full stop")
    if len(text.split()) > 60:
        found.append("expected at most 60 words")
    return [f"{fragment.name}: {problem}" for problem in found]


def test_every_fragment_has_the_form() -> None:
    assert [problem for file in sorted(FRAGMENTS.glob("*")) for problem in problems(file)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("12.added.md", "It is an issue's number.\n"),
        ("+new.feature.md", "It is not a type of ours.\n"),
        ("+new.added.txt", "It is no Markdown.\n"),
        ("+New Thing.added.md", "It has other characters.\n"),
        ("+new.added.md", "- It is a list.\n"),
        ("+new.added.md", "It has\ntwo lines.\n"),
        ("+new.added.md", "It has no full stop\n"),
        ("+new.added.md", "it has no capital.\n"),
        ("+new.added.md", ""),
        ("+new.added.md", f"It is {'too ' * 60}long.\n"),
    ],
)
def test_another_form_is_reported(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(problems(tmp_path / name)) == 1


def test_a_release_moves_the_fragments_into_its_section(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    before = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    (tmp_path / "changes").mkdir()
    for kind in TYPES:
        (tmp_path / "changes" / f"+new.{kind}.md").write_text(f"A sentence on {kind}.\n")
    command = (sys.executable, "-m", "towncrier", "build", "--version=7.0", "--date=2030-01-02")
    run = subprocess.run(
        [*command, "--yes"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert list((tmp_path / "changes").glob("+*")) == []
    text = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    section = text[text.index("## [7.0] - 2030-01-02") : text.index("## [Unreleased]")]
    entries = re.findall(r"^### (\w+)\n\n- A sentence on (\w+)\.$", section, re.MULTILINE)
    assert [(head.lower(), kind) for head, kind in entries] == [(kind, kind) for kind in TYPES]
    head, _, tail = before.partition("## [Unreleased]")
    assert text.startswith(head.rstrip())
    assert text.endswith(tail)
