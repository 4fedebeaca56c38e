"""A local AWS's files: for its user alone, and gone with it, however it ends."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cdk_braket_local import processes
from cdk_braket_local.control import temporary_instance
from cdk_braket_local.control.instance import LocalAws, LocalAwsError
from tests.deploy.environments import ROOT
from tests.emulator.jobs import Jobs
from tests.emulator.killing import kill
from tests.emulator.recording_server import ISSUED, WRITTEN
from tests.emulator.stacks import Stack, recorder
from tests.patience import PATIENCE

SLEEP = "import time\ndef main(): print('begun', flush=True); time.sleep(600)"


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def for_others(folder: Path) -> list[str]:
    """What below a folder others could read, were they let into the folder."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def test_its_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    with umask(0), LocalAws.start(folder) as aws:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        s3 = boto3.client("s3", **aws.client_settings)
        s3.create_bucket(Bucket="private")
        s3.put_object(Bucket="private", Key="a/b", Body=b"c")
        stack = Stack(aws, tmp_path / "record")
        assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
        assert (folder / "server.log").exists()
        # MiniStack makes what a function imports readable; nobody gets as far as that.
        assert [name for name in for_others(folder) if not name.startswith("tmp/")] == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_after_a_signal_it_leaves_no_files_of_jobs_and_functions(
    tmp_path: Path, end: signal.Signals
) -> None:
    folder = tmp_path / "aws"
    aws = LocalAws.start(folder)
    try:
        stack = Stack(aws, tmp_path / "record")
        assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
        jobs = Jobs(aws)
        jobs.running(jobs.start(SLEEP), "begun")
        assert list((folder / "braket" / "jobs").iterdir())
        os.kill(aws.process_group, end)
        deadline = time.monotonic() + PATIENCE
        while aws.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not aws.is_running()
    finally:
        aws.stop()
    written_by_tests = {ISSUED, WRITTEN}
    left = {path.name for path in folder.iterdir()} - written_by_tests
    assert left <= {"server.log", "s3", "state"}


def test_what_a_killed_one_left_is_removed_when_the_next_starts_there(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    with LocalAws.start(folder) as aws:
        jobs = Jobs(aws)
        jobs.running(jobs.start(SLEEP), "begun")
        kill(aws)
    assert list((folder / "braket" / "jobs").iterdir())
    with LocalAws.start(folder):
        assert not (folder / "braket").exists()


@contextlib.contextmanager
def left_by_a_job(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process as a job of a killed local AWS leaves one that was killed together with it."""
    workspace = folder / "braket" / "jobs" / "some-job"
    with subprocess.Popen(
        ["sleep", "600"], env=processes.mark(workspace), start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_processes_that_a_killed_one_left_are_ended_when_the_next_starts_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "aws"
    with left_by_a_job(folder) as left, left_by_a_job(tmp_path / "aws-of-another") as other:
        with LocalAws.start(folder):
            assert left.wait(PATIENCE) == -signal.SIGKILL
        assert other.poll() is None


def test_processes_that_a_killed_one_left_are_ended_when_it_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    aws = LocalAws.start(folder)
    with left_by_a_job(folder) as left:
        kill(aws)
        aws.stop()
        assert left.wait(PATIENCE) == -signal.SIGKILL


def test_who_stops_a_killed_one_late_leaves_the_next_one_alone(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    killed = LocalAws.start(folder)
    kill(killed)
    with LocalAws.start(folder), left_by_a_job(folder) as of_the_next:
        killed.stop()
        assert of_the_next.poll() is None


def test_processes_that_a_killed_run_left_are_ended_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        [folder] = tmp_path.iterdir()
        with left_by_a_job(folder / "aws") as left:
            end(process, signal.SIGKILL)
            swept(tmp_path)
            assert left.wait(PATIENCE) == -signal.SIGKILL


def test_two_cannot_share_one_directory(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    with LocalAws.start(folder) as aws:
        with pytest.raises(LocalAwsError, match=r"^another local AWS has .* for its state$"):
            LocalAws.start(folder)
        boto3.client("s3", **aws.client_settings).list_buckets()


# --- Those of `run`, in the temporary folder. ---

RUNS = [sys.executable, "-m", "cdk_braket_local.cli", "run", "--no-bootstrap", "--"]
WAITS = "import sys, time; print('begun', flush=True); time.sleep(600)"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A `run` whose command waits, with this temporary folder."""
    process = subprocess.Popen(
        [*RUNS, sys.executable, "-c", WAITS],
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def end(process: subprocess.Popen[str], signum: signal.Signals) -> None:
    if signum is signal.SIGKILL:
        os.kill(_command(process.pid), signum)
    process.send_signal(signum)
    process.wait(PATIENCE)


def _command(run: int) -> int:
    """The process of a run's command, which nobody ends if the run is killed."""
    children = Path(f"/proc/{run}/task/{run}/children").read_text().split()
    [command] = [
        int(child) for child in children if b"begun" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return command


def swept(folder: Path) -> None:
    """Have the next one start there, until the killed one's server has ended too."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with temporary_instance.fresh_local_aws(within=folder) as (_, directory):
            if len(list(folder.iterdir())) == 1:
                break
            assert directory.exists()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_run_leaves_nothing(tmp_path: Path, signum: signal.Signals) -> None:
    with running(tmp_path) as process:
        end(process, signum)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        end(process, signal.SIGKILL)
    assert list(tmp_path.iterdir())
    swept(tmp_path)


def test_a_living_one_and_folders_of_the_users_own_are_not_swept(tmp_path: Path) -> None:
    own = tmp_path / "cdk-braket-local-notes"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    linked = tmp_path / "elsewhere"
    shutil.copytree(own, linked)
    (linked / temporary_instance._LOCK).touch()
    (tmp_path / "cdk-braket-local-link").symlink_to(linked)
    (own / temporary_instance._LOCK).symlink_to(linked / temporary_instance._LOCK)
    with (
        temporary_instance.fresh_local_aws(within=tmp_path) as (living, first),
        temporary_instance.fresh_local_aws(within=tmp_path) as (_, second),
    ):
        assert first.exists()
        assert second.exists()
        boto3.client("s3", **living.client_settings).list_buckets()
    assert (own / "notes.txt").exists()
    assert (linked / "notes.txt").exists()
