"""`./dev test` ends as its caller expects, in each outcome of the suite."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small suite that ends as ours does."""
    shutil.copy(ROOT / "tests" / "exit_code.py", tmp_path / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_ctrl_c_has_the_exit_code_that_shells_give_it(suite: Path) -> None:
    (suite / "test_slow.py").write_text(
        "import pathlib, time\n"
        "def test():\n"
        "    pathlib.Path('started').touch()\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest"], cwd=suite, stdout=subprocess.PIPE, text=True
    ) as run:
        while not (suite / "started").exists():
            assert run.poll() is None
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGINT)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 130


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("def test(): pass", 0), ("def test(): assert 0", 1), ("import none", 2)],
)
def test_otherwise_the_exit_code_is_that_of_pytest(suite: Path, code: str, exit_code: int) -> None:
    (suite / "test_it.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x"], cwd=suite, capture_output=True, check=False
    )
    assert run.returncode == exit_code
