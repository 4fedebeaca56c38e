"""The shell script `dev`: the Python that it uses, and its error when there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the few commands that the script uses, and no Python."""
    for command in ("sh", "dirname", "sed"):
        found = next(
            Path(folder) for folder in ("/usr/bin", "/bin") if Path(folder, command).exists()
        )
        (tmp_path / command).symlink_to(found / command)
    return tmp_path


@pytest.fixture
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose tools only print the Python that runs them."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "dev").write_bytes((ROOT / "dev").read_bytes())
    (root / "dev").chmod(0o755)
    (root / "tools").mkdir()
    (root / "tools" / "__main__.py").write_text("import sys; print(sys.orig_argv[0])")
    return root


def put(path: Path, name: str, *, version: str = "(3, 12, 0)", without: str = "") -> None:
    """A Python of the given version, which may lack a module. Otherwise it is the real one."""
    stand_in = path / f"{name}-stand-in.py"
    stand_in.write_text(
        f"""
import os, sys
if sys.argv[1:2] == ["-c"]:
    sys.version_info = {version}
    sys.modules.update(dict.fromkeys({without.split()!r}))
    exec(sys.argv[2])
else:
    os.execv({sys.executable!r}, [{str(path / name)!r}, *sys.argv[1:]])
"""
    )
    python = path / name
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{stand_in}' \"$@\"\n")
    python.chmod(0o755)


def run(checkout: Path, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "dev"],
        env={"PATH": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def chosen(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()).name


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def test_python3_is_used_when_it_is_new_enough(checkout: Path, path: Path) -> None:
    put(path, "python3")
    put(path, "python3.14")
    assert chosen(run(checkout, path)) == "python3"


def test_an_older_python3_is_passed_over_for_a_newer_one(checkout: Path, path: Path) -> None:
    put(path, "python3", version="(3, 10, 9)")
    put(path, "python3.13")
    assert chosen(run(checkout, path)) == "python3.13"


def test_one_without_venv_is_passed_over(checkout: Path, path: Path) -> None:
    put(path, "python3", without="ensurepip")
    put(path, "python3.11")
    assert chosen(run(checkout, path)) == "python3.11"


def test_one_newer_than_the_lock_is_only_the_last_resort(checkout: Path, path: Path) -> None:
    put(path, "python3", version="(3, 15, 0)")
    put(path, "python3.12")
    assert chosen(run(checkout, path)) == "python3.12"
    (path / "python3.12").unlink()
    assert chosen(run(checkout, path)) == "python3"


def test_the_python_of_the_environment_has_priority(checkout: Path, path: Path) -> None:
    put(path, "python3")
    put(path, "made-with")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "pyvenv.cfg").write_text(f"home = x\nexecutable = {path / 'made-with'}\n")
    assert chosen(run(checkout, path)) == "made-with"


def test_the_user_may_choose(checkout: Path, path: Path) -> None:
    put(path, "python3")
    put(path, "my python")
    assert chosen(run(checkout, path, DEV_PYTHON=str(path / "my python"))) == "my python"


@pytest.mark.parametrize(
    ("version", "without", "said"),
    [
        ("(3, 10, 9)", "", "python3 is older"),
        ("(2, 7, 18)", "", "python3 is older"),
        ("(3, 12, 0)", "venv", "python3 lacks the modules venv and ensurepip"),
        ("(3, 12, 0)", "ensurepip", "python3 lacks the modules venv and ensurepip"),
    ],
)
def test_one_that_does_not_do_is_one_line(
    checkout: Path, path: Path, version: str, without: str, said: str
) -> None:
    put(path, "python3", version=version, without=without)
    line = refusal(run(checkout, path))
    assert line.startswith(f"dev: Python 3.11 or newer is needed, but {said}")


def test_no_python_at_all_is_one_line(checkout: Path, path: Path) -> None:
    assert "but none was found" in refusal(run(checkout, path))


def test_a_choice_that_is_not_there_is_one_line(checkout: Path, path: Path) -> None:
    put(path, "python3")
    assert "DEV_PYTHON=/nowhere was not found" in refusal(
        run(checkout, path, DEV_PYTHON="/nowhere")
    )
