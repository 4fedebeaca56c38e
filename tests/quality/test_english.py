"""The check of the English: its rules, the prose that it reads, and the list that only shrinks."""

import subprocess
from pathlib import Path

import pytest

from tests.quality.english import prose as english

ROOT = Path(__file__).resolve().parents[2]

REJECTED = {
    "A mistake is told at synth, before anything exists.": "reported",
    "The error comes with the way out.": "fix",
    "One definition is one job, however often CloudFormation asks for it.": "request",
    "A label; it needs not be unique.": "does not have to",
    "What the job stands on.": "noun",
    "Default: one of its own.": "its own …",
    "A text of any kind.": "string",
    "It runs again, whatever the outcome.": "any, each",
    "Calls that the handler failed to take.": "accept",
    "Events are not made good for.": "create",
    "A job which is over is kept.": "finish",
    "The rule hears of the event.": "receives",
    "There and back again finds the job.": "reverting",
    "Telling a rule the state.": "reporting",
    "The test concerns other jobs, roles and keys, too": "also",
    "The key has no use with this.": "cannot be combined",
    "Leave one of them out.": "remove",
    "Look at the results.": "read, check",
    "The check mends the file.": "fixes",
    "It depends on who calls it.": "noun",
    "Must be text, is nothing.": "string",
    "The phrase looks\nat two lines.": "read, check",
    "The speling is wrong.": "dictionary",
    " ".join(["word"] * 26) + ".": "26 words",
}
ACCEPTED = (
    "Mistakes are reported during synth, before anything is created, together with a fix:",
    "Each definition starts exactly one job, even if CloudFormation retries the request.",
    "A display name. It does not have to be unique.",
    "The buckets, key, role and handler to share with other jobs. Default: a new environment.",
    "Any string. Changing it runs the job again, whether or not the last run succeeded.",
    "Receives invocations that failed after all of Lambda's retries.",
    "Missed quantum-task events are not replayed.",
    "A rule that you add to a finished job still receives one event after it is deployed.",
    "Changes outside the definition never run the job again.",
    "Reverting a definition reuses its completed job.",
    "Test that a job cannot access other jobs, roles or keys",
    "encryption key cannot be combined with encryption X. Remove one of them.",
    "What does it cost?",
    "It is written for users who deploy a stack.",
    "Make sure that the change takes effect. It takes up to 5 minutes.",
    " ".join(["word"] * 25) + ".",
)


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    """The problems of each sentence above, joined."""
    sentences = (*REJECTED, *ACCEPTED)
    files = {sentence: [(1, line) for line in sentence.splitlines()] for sentence in sentences}
    found = dict.fromkeys(sentences, "")
    for sentence, _, message in english.check(files):
        found[sentence] += f"{message}\n"
    return found


@pytest.mark.parametrize("sentence", REJECTED)
def test_a_sentence_is_rejected_with_a_replacement(messages: dict[str, str], sentence: str) -> None:
    assert REJECTED[sentence] in messages[sentence].lower()


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_a_plain_sentence_is_accepted(messages: dict[str, str], sentence: str) -> None:
    assert messages[sentence] == ""


MODULE = '''"""A module.

It has two paragraphs,
and `code`.
"""

LIMIT = 1
"""The limit."""


class JobName(str):
    """A name.

    Example:
        >>> JobName("x")
        Out of the example.
    """

    def check_name(self, path: str) -> None:
        """Check it.

        Args:
            path: The path.
        """
        raise ValueError(f"{path}: expected a name, "
            f"got {self!r}.")
'''
PAGE = """# A title

A [link](https://example.com) and `code`.

```python
No prose.
```

| a head | b |
| --- | --- |
| a cell | b |
"""


def _paragraphs(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(english, "ROOT", folder)
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    joined = "\n".join(line for _, line in english.prose(file))
    return [" ".join(part.split()) for part in joined.split("\n\n") if part.strip()]


def test_prose_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _paragraphs(tmp_path, "module.py", MODULE, monkeypatch)
    docstrings = ["A module.", "It has two paragraphs, and X.", "The limit.", "Job Name", "A name."]
    method = ["check name", "Check it.", "The path.", "X: expected a name, got X."]
    assert found == docstrings + method


def test_strings_of_tests_are_not_prose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _paragraphs(tmp_path, "tests/test_module.py", MODULE, monkeypatch)
    assert "The limit." in found
    assert not any("expected" in paragraph for paragraph in found)


def test_prose_of_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _paragraphs(tmp_path, "page.md", PAGE, monkeypatch)
    assert found == ["A title", "A link and X.", "a head", "b", "a cell", "b"]


def test_problems_carry_the_line_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.md"
    file.write_text("# A title\n\nTwo lines,\nand it mends.\n", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(english, "ROOT", tmp_path)
        lines = english.prose(file)
    ((name, line, _),) = english.check({"page.md": lines})
    assert (name, line) == ("page.md", 4)


def test_an_unlisted_file_has_to_pass() -> None:
    problems = [("a.md", 3, "wrong"), ("b.md", 4, "wrong")]
    assert english.findings(problems, ["a.md"]) == ["b.md:4: wrong"]


def test_a_listed_file_that_passes_has_to_leave_the_list() -> None:
    (found,) = english.findings([("a.md", 3, "wrong")], ["a.md", "b.md"])
    assert "remove b.md" in found


def test_the_list_never_grows() -> None:
    """A renamed file keeps its place, so each commit may add as many lines as it removes."""
    changes = subprocess.run(
        ("git", "log", "--diff-filter=M", "--numstat", "--format=", "--", english.TO_DO),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for change in changes.splitlines():
        added, removed, _ = change.split("\t")
        assert int(added) <= int(removed)
    listed = (ROOT / english.TO_DO).read_text(encoding="utf-8").splitlines()
    assert listed == sorted(set(listed))
