"""Children end with us, whatever ends us."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.tools import miniature
from tools import processes

ROOT = Path(__file__).resolve().parents[2]

# Runs a child that has a child of its own, as npm or the CDK CLI do.
PARENT = """
import signal
import sys
from pathlib import Path
from tools import processes
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite may run under nohup
processes.GRACE_SECONDS = 1.0
processes.raise_stopped_on_signals()
try:
    processes.run(["sh", "-c", sys.argv[1]], cwd=Path(sys.argv[2]))
except processes.Stopped as stopped:
    print("stopped", flush=True)
    sys.exit(stopped.exit_code)
"""


@contextlib.contextmanager
def started(script: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A parent whose child has got as far as `touch started`."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, script, directory],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        while not (directory / "started").exists():
            assert parent.poll() is None
            time.sleep(0.02)
        yield parent


@pytest.mark.parametrize("signum", processes.STOP_SIGNALS)
def test_a_signal_ends_the_child_and_its_children(tmp_path: Path, signum: signal.Signals) -> None:
    sleeper = f"exec -a {tmp_path} sleep 60"
    with started(f"bash -c '{sleeper}' & touch started; wait", tmp_path) as parent:
        parent.send_signal(signum)
        said, _ = parent.communicate(timeout=PATIENCE)
    assert (parent.returncode, said) == (128 + signum, "stopped\n")
    assert miniature.living_processes(tmp_path) == []


def test_a_child_may_clean_up_first(tmp_path: Path) -> None:
    script = "trap 'touch cleaned; exit' TERM; touch started; while :; do sleep 0.05; done"
    with started(script, tmp_path) as parent:
        parent.send_signal(signal.SIGINT)
        assert parent.wait(timeout=PATIENCE) == 130
    assert (tmp_path / "cleaned").exists()


def test_a_child_that_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    deaf = "trap '' TERM;"
    script = f'{deaf} touch started; bash -c "{deaf} exec -a {tmp_path} sleep 60"'
    with started(script, tmp_path) as parent:
        parent.send_signal(signal.SIGINT)
        assert parent.wait(timeout=PATIENCE) == 130
    assert miniature.living_processes(tmp_path) == []


def test_a_second_signal_does_not_cut_the_cleaning_up_short(tmp_path: Path) -> None:
    script = (
        "trap 'sleep 0.5; touch cleaned; exit' TERM; touch started; while :; do sleep 0.05; done"
    )
    with started(script, tmp_path) as parent:
        parent.send_signal(signal.SIGINT)
        time.sleep(0.2)
        parent.send_signal(signal.SIGTERM)
        parent.wait(timeout=PATIENCE)
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_childs(tmp_path: Path, script: str, code: int) -> None:
    assert processes.run(["sh", "-c", script], cwd=tmp_path) == code


def test_a_child_can_be_interrupted_as_usual(tmp_path: Path) -> None:
    # The signals are held back while a child starts; it must not inherit that.
    code = processes.run(["sh", "-c", "kill -INT $$; exit 0"], cwd=tmp_path)
    assert code == 128 + signal.SIGINT
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_both_outputs_go_where_they_are_told(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        processes.run(["sh", "-c", "echo out; echo err >&2"], cwd=tmp_path, output=log)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_a_child_does_not_wait_for_a_keyboard(tmp_path: Path) -> None:
    assert processes.run(["sh", "-c", "read line"], cwd=tmp_path) == 1
