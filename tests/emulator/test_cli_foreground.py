"""A command that is run for the user: its exit code, its signals, its terminal."""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_local.control import foreground_command
from tests.patience import PATIENCE
from tests.tools import miniature

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import os, signal, sys
from pathlib import Path
from cdk_braket_local.control import foreground_command
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite may run under nohup
foreground_command.GRACE_SECONDS = 1.0
command = ["sh", "-c", sys.argv[1]]
try:
    with foreground_command.stopped_by_signals():
        if sys.argv[2:]:
            code = foreground_command.run_step(command, os.environ, directory=Path.cwd())
        else:
            code = foreground_command.run(command, os.environ)
    print("code", code, flush=True)
except foreground_command.Stopped as stopped:
    print("stopped", flush=True)
    sys.exit(stopped.exit_code)
"""


def environment(**changes: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **changes}


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 9", 9), ("kill -TERM $$", 128 + signal.SIGTERM)]
)
def test_the_exit_code_is_the_commands(script: str, code: int) -> None:
    assert foreground_command.run(["sh", "-c", script], environment()) == code


def test_a_program_that_is_not_there_or_is_none_has_a_shells_exit_code(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert foreground_command.run(["no-such-program"], environment(PATH=str(tmp_path))) == 127
    assert foreground_command.run([str(tmp_path / "text")], environment()) == 126


def test_the_program_is_found_on_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text("#!/bin/sh\nexit 4\n")
    (tmp_path / "only-here").chmod(0o755)
    assert foreground_command.run(["only-here"], environment(PATH=str(tmp_path))) == 4


def test_processes_that_it_leaves_are_ended(tmp_path: Path) -> None:
    script = f"(exec -a {tmp_path} sleep 60) & touch {tmp_path}/started"
    assert foreground_command.run(["bash", "-c", script], environment()) == 0
    assert (tmp_path / "started").exists()
    assert miniature.living_processes(tmp_path) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_command_may_end_in_peace(
    tmp_path: Path, signum: signal.Signals
) -> None:
    script = (
        f"trap 'touch cleaned; exit 3' {signum.name[3:]}; touch started; "
        "while :; do sleep 0.05; done"
    )
    with subprocess.Popen(
        [sys.executable, "-c", RUN, script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as run:
        wait_for(tmp_path / "started")
        run.send_signal(signum)
        assert run.communicate(timeout=PATIENCE)[0] == "code 3\n"
    assert (tmp_path / "cleaned").exists()


def test_a_command_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path) -> None:
    script = "trap '' TERM; touch started; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as run:
        wait_for(tmp_path / "started")
        run.terminate()
        assert run.communicate(timeout=PATIENCE)[0] == f"code {128 + signal.SIGKILL}\n"


def test_a_command_in_a_terminal_has_the_terminal_and_gets_its_ctrl_c_once(tmp_path: Path) -> None:
    script = (
        "trap 'echo interrupted >> seen' INT; read line; echo $line > read; touch started; "
        "while [ ! -e stop ]; do sleep 0.05; done"
    )
    terminal, its_side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", RUN, script],
        cwd=tmp_path,
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no other way
    ) as run:
        os.close(its_side)
        os.write(terminal, b"hello\n")
        wait_for(tmp_path / "started")
        os.write(terminal, b"\x03")
        wait_for(tmp_path / "seen")
        (tmp_path / "stop").touch()
        assert run.wait(timeout=PATIENCE) == 0, "we are not ended by what is the command's"
    os.close(terminal)
    assert (tmp_path / "read").read_text() == "hello\n"
    assert (tmp_path / "seen").read_text() == "interrupted\n"


# --- A step of ours -----------------------------------------------------------------------------


@contextlib.contextmanager
def step(script: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A step that has got as far as `touch started`."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, script, "step"],
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        wait_for(directory / "started")
        yield run


@pytest.mark.parametrize("signum", foreground_command.STOP_SIGNALS)
def test_a_signal_ends_a_step_and_its_children(tmp_path: Path, signum: signal.Signals) -> None:
    sleeper = f"exec -a {tmp_path} sleep 60"
    with step(f"bash -c '{sleeper}' & touch started; wait", tmp_path) as run:
        run.send_signal(signum)
        said, _ = run.communicate(timeout=PATIENCE)
    assert (run.returncode, said) == (128 + signum, "stopped\n")
    assert miniature.living_processes(tmp_path) == []


def test_a_step_that_is_stopped_may_end_with_any_exit_code(tmp_path: Path) -> None:
    script = "trap 'touch cleaned; exit 2' TERM; touch started; while :; do sleep 0.05; done"
    with step(script, tmp_path) as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=PATIENCE) == 130
    assert (tmp_path / "cleaned").exists()


def test_a_step_that_ignores_signals_is_killed(tmp_path: Path) -> None:
    deaf = "trap '' TERM INT;"
    script = f'{deaf} touch started; bash -c "{deaf} exec -a {tmp_path} sleep 60"'
    with step(script, tmp_path) as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=PATIENCE) == 130
    assert miniature.living_processes(tmp_path) == []


def test_a_second_signal_does_not_cut_the_cleanup_of_a_step_short(tmp_path: Path) -> None:
    script = "trap 'sleep 0.5; touch cleaned; exit' TERM; touch started; "
    with step(f"{script} while :; do sleep 0.05; done", tmp_path) as run:
        run.terminate()
        time.sleep(0.2)
        run.terminate()
        run.wait(timeout=PATIENCE)
    assert (tmp_path / "cleaned").exists()


def test_a_step_inherits_no_blocked_signal(tmp_path: Path) -> None:
    code = foreground_command.run_step(
        ["sh", "-c", "kill -INT $$; exit 0"], environment(), directory=tmp_path
    )
    assert code == 128 + signal.SIGINT
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_both_outputs_of_a_step_go_to_its_file(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo out; echo err >&2"]
    with (tmp_path / "log").open("wb") as log:
        foreground_command.run_step(command, environment(), directory=tmp_path, output=log)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_a_step_does_not_wait_for_a_keyboard(tmp_path: Path) -> None:
    command = ["sh", "-c", "read line"]
    assert foreground_command.run_step(command, environment(), directory=tmp_path) == 1


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.02)
