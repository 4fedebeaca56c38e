"""`./dev` prints its commands, and refuses invalid ones, before it sets anything up."""

import subprocess
from pathlib import Path

import pytest

from tools import dev

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "deploy",
    "test",
    "lint",
    "check",
    "bench",
    "lock",
    "docs",
    "pictures",
    "release",
    "setup",
)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout that is not set up: any attempt fails, because there is no lock."""
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help_names_every_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main([flag]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "] == list(
        COMMANDS
    )


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_separate_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"./dev {command}")


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("arguments", [[], ["deplyo"], ["--verbose"]])
def test_an_unknown_command_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dev.main(arguments) == dev.USAGE_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("see ./dev --help")


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    run = subprocess.run(
        ["sh", "-c", "./dev --help | head -1"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("Usage: ./dev COMMAND [ARGUMENTS]\n", "")


def test_ci_runs_exactly_the_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        'exec "$(dirname -- "$0")/../dev" test'
    ]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
