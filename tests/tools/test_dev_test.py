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
from tools.dev import LONG

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


@pytest.mark.parametrize(("is_long", "passed"), [("0", "1 passed"), ("1", "3 passed")])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_brief_run_reports_the_number_of_tests_that_it_leaves_out(
    tmp_path: Path, workers: str, is_long: str, passed: str
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    (tmp_path / "conftest.py").write_text("from tests.length import *\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "from tests.length import first\n"
        "@pytest.mark.parametrize('number', first(1, [1, 2, 3]))\n"
        "def test(number): pass\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", f"--numprocesses={workers}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'constructs'}", LONG: is_long},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert passed in run.stdout
    assert ("2 long tests were left out; ./dev test --long" in run.stdout) == (is_long == "0")
