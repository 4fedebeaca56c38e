"""The checks of our pages' code can fail: each is given code that it must refuse."""

from pathlib import Path

import pytest

from tests.docs import snippets


def check(tmp_path: Path, *blocks: tuple[str, str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n" + "\n".join(f"```{info}\n{code}\n```\n" for info, code in blocks))
    names: dict[str, object] = {}
    for block in snippets.blocks(page):
        names = snippets.check(block, names)


@pytest.mark.parametrize(
    "command",
    [
        "./dev test -k name",
        "./dev test --long",
        "sh -c 'python3 fill_bucket.py && cdk deploy'",
        "./dev deploy -c iterations=40",
        "./dev --help",
        "DEV_PYTHON=/usr/bin/python3 ./dev setup",
        "cd checkout && ./dev check",
        "npx cdk deploy --all",
        "cdk-braket-local run -- cdk deploy --all",
        'eval "$(cdk-braket-local env)"',
        "cdk-braket jobs --status running --watch",
        "cdk-braket --help",
        "cdk-braket jobs --help",
        "pip install -r requirements.txt",
        'pip install "cdk-braket[local]"',
        'pip install "../cdk-braket[local]"',
        'pip install "cdk-braket[local] @ git+https://HOST/cdk-braket.git"',
        "# only a remark",
    ],
)
def test_a_right_command_passes(tmp_path: Path, command: str) -> None:
    check(tmp_path, ("bash", command))


@pytest.mark.parametrize(
    "command",
    [
        "./dev tests",
        "./dev",
        "./dev test --no-such-option",
        "./dev deploy --no-such-option",
        "cd checkout && ./dev chekc",
        "npx cdk deplyo",
        "npx cdk deploy --no-such-option",
        "cdk-braket-local start",
        "cdk-braket-local up --no-such-option",
        "cdk-braket-local run -- cdk deplyo",
        'eval "$(cdk-braket-local environment)"',
        "cdk-braket job",
        "cdk-braket jobs --no-such-option",
        "cdk-braket jobs --status=done",
        "cdk-braket status",
        "pip install -r no-such-file.txt",
        'pip install "cdk-braket[no-such-extra]"',
        'pip install "../cdk-braket[no-such-extra]"',
        'pip install "cdk-braket[no-such-extra] @ git+https://HOST/cdk-braket.git"',
        "make all",
        "sh -c 'python3 no-such-file.py && cdk deploy'",
        "sh -c 'python3 fill_bucket.py && cdk deplyo'",
    ],
)
def test_a_wrong_command_is_refused(tmp_path: Path, command: str) -> None:
    with pytest.raises(snippets.SnippetError, match=r"page\.md:4: "):
        check(tmp_path, ("bash", command))


def test_python_is_run_by_itself(tmp_path: Path) -> None:
    with pytest.raises(snippets.SnippetError, match=r"page\.md:8: NameError"):
        check(tmp_path, ("python", "one = 1"), ("python", "one"))
    check(tmp_path, ("python", "one = 1"), ("python continued", "assert one == 1"))


def test_python_that_raises_must_declare_it_and_raise(tmp_path: Path) -> None:
    check(tmp_path, ("python raises=ValueError", "int('x')"))
    with pytest.raises(snippets.SnippetError, match="should end in ValueError"):
        check(tmp_path, ("python raises=ValueError", "int('1')"))
    with pytest.raises(snippets.SnippetError, match="KeyError"):
        check(tmp_path, ("python raises=ValueError", "{}[1]"))


def test_an_error_that_a_page_shows_is_the_one_that_comes(tmp_path: Path) -> None:
    code = "raise ValueError('one two')\n# ValueError: one\n# {}"
    check(tmp_path, ("python raises=ValueError", code.format("two")))
    with pytest.raises(snippets.SnippetError, match="the error reads one two"):
        check(tmp_path, ("python raises=ValueError", code.format("three")))


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ("", "what is this"),
        ("ruby", "puts 1"),
        ("python skip", "1"),
        ("bash skip", "./dev test"),
        ("json", "{"),
        ("toml", "="),
    ],
)
def test_nothing_is_passed_over(tmp_path: Path, info: str, code: str) -> None:
    with pytest.raises(snippets.SnippetError, match=r"page\.md:4: "):
        check(tmp_path, (info, code))


def test_a_fence_that_is_never_closed_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1\n")
    with pytest.raises(snippets.SnippetError, match="never closed"):
        list(snippets.blocks(page))


def test_the_pages_are_found() -> None:
    names = {str(page.relative_to(snippets.ROOT)) for page in snippets.pages()}
    assert {"README.md", "CHANGELOG.md", "docs/adr/README.md"} <= names
    assert not any(name.startswith(("node_modules", ".")) for name in names)


def test_a_part_of_a_file_must_equal_the_file(tmp_path: Path) -> None:
    check(tmp_path, ("python file=stacks/__init__.py", '"""The example stacks."""'))
    with pytest.raises(snippets.SnippetError, match=r"not what stacks/__init__\.py says"):
        check(tmp_path, ("python file=stacks/__init__.py", '"""The stacks."""'))
    with pytest.raises(snippets.SnippetError, match=r"there is no stacks/nothing\.py"):
        check(tmp_path, ("python file=stacks/nothing.py", ""))
