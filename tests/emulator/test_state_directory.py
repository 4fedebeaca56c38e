"""A local AWS's files: for its user alone, and gone with it, however it ends."""

import contextlib
import os
import re
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

from cdk_braket_local import files, processes
from cdk_braket_local.control import temporary_instance
from cdk_braket_local.control.instance import LocalAws, LocalAwsError
from cdk_braket_local.files import FolderError, OwnedFolder
from tests import length
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
    """Return the files of a folder that others could read, without its own permissions."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def test_its_files_are_private_with_any_umask(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("end", length.first(1, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
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
    left = {path.name for path in folder.iterdir()} - written_by_tests - {files.MARKER}
    assert left <= {"server.log", "s3", "state"}


def test_the_remains_of_a_killed_one_are_removed_when_the_next_starts_there(tmp_path: Path) -> None:
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


# Above, the next start follows a kill.
@pytest.mark.long
def test_a_late_stop_of_a_killed_one_does_not_affect_the_next_one(tmp_path: Path) -> None:
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
    """Return the process of a run's command, which keeps running if the run is killed."""
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


@pytest.mark.parametrize("signum", length.first(1, [signal.SIGTERM, signal.SIGINT]))
def test_after_a_signal_run_leaves_nothing(tmp_path: Path, signum: signal.Signals) -> None:
    with running(tmp_path) as process:
        end(process, signum)
    assert list(tmp_path.iterdir()) == []


# Above, the next start removes them.
@pytest.mark.long
def test_the_next_run_removes_the_remains_of_a_killed_one(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        end(process, signal.SIGKILL)
    assert list(tmp_path.iterdir())
    swept(tmp_path)


def test_a_living_one_and_folders_of_the_users_own_are_not_swept(tmp_path: Path) -> None:
    own = tmp_path / "cdk-braket-local-notes"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    linked = tmp_path / "elsewhere"
    OwnedFolder.claim(linked).close()
    (linked / "notes.txt").write_text("mine")
    (tmp_path / "cdk-braket-local-link").symlink_to(linked)
    shutil.copytree(linked, tmp_path / "cdk-braket-local-copy")
    with (
        temporary_instance.fresh_local_aws(within=tmp_path) as (living, first),
        temporary_instance.fresh_local_aws(within=tmp_path) as (_, second),
    ):
        assert first.exists()
        assert second.exists()
        boto3.client("s3", **living.client_settings).list_buckets()
    assert (own / "notes.txt").exists()
    assert (linked / "notes.txt").exists()
    assert (tmp_path / "cdk-braket-local-copy" / "notes.txt").exists()


# --- Folders that are not ours. ---


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    """A folder of the user's, with the names that a state directory has."""
    folder = tmp_path / "thesis"
    for name in ("tmp", "braket", "s3", "state", "data"):
        (folder / name).mkdir(parents=True)
        (folder / name / "chapter.txt").write_text("years of work")
    (folder / "server.log").write_text("mine")
    folder.chmod(0o755)
    return folder


def contents(folder: Path) -> dict[str, tuple[int, str | bytes]]:
    """All that is in a folder, and the folder itself: kinds, modes and contents."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, _content(path))
        for path in (folder, *folder.rglob("*"))
    }


def _content(path: Path) -> str | bytes:
    if path.is_symlink():
        return str(path.readlink())
    return path.read_bytes() if path.is_file() else ""


def test_a_folder_with_other_files_is_refused_and_stays_as_it_was(thesis: Path) -> None:
    before = contents(thesis)
    with pytest.raises(LocalAwsError, match=r"expected an empty folder .* Choose another folder"):
        LocalAws.start(thesis)
    server = subprocess.run(
        [sys.executable, "-m", "cdk_braket_local.server", "--state-directory", thesis],
        capture_output=True,
        text=True,
        check=False,
    )
    assert server.returncode == 1
    assert "expected an empty folder" in server.stdout
    assert contents(thesis) == before


def test_a_link_is_refused_wherever_it_leads(thesis: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    before = contents(thesis), contents(empty)
    for number, target in enumerate((thesis, empty, tmp_path / "nowhere")):
        link = tmp_path / f"link{number}"
        link.symlink_to(target)
        with pytest.raises(LocalAwsError, match="expected a folder, got a link"):
            LocalAws.start(link)
    assert (contents(thesis), contents(empty)) == before
    assert not (tmp_path / "nowhere").exists()


def test_a_marker_of_another_folder_is_none(thesis: Path, tmp_path: Path) -> None:
    with OwnedFolder.claim(tmp_path / "ours") as ours:
        shutil.copy(ours.path / files.MARKER, thesis)
    before = contents(thesis)
    with pytest.raises(LocalAwsError, match="expected an empty folder"):
        LocalAws.start(thesis)
    assert contents(thesis) == before


def test_links_in_a_state_directory_are_refused_or_removed_but_not_followed(
    thesis: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "aws"
    OwnedFolder.claim(folder).close()
    before = contents(thesis)
    for name in ("tmp", "braket", "server.log"):
        (folder / name).symlink_to(thesis / name)
    with LocalAws.start(folder):
        pass
    assert contents(thesis) == before
    for name in ("s3", "state"):
        shutil.rmtree(folder / name)
        (folder / name).symlink_to(thesis / name)
        with pytest.raises(LocalAwsError, match="expected a folder, got a link"):
            LocalAws.start(folder)
        (folder / name).unlink()
    assert contents(thesis) == before


def test_an_empty_folder_is_used_and_restored(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    folder.chmod(0o750)
    with OwnedFolder.claim(folder) as owned:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        owned.create_folders(["a"])
        assert not owned.give_up()
        owned.remove(["a"])
        assert owned.give_up()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert list(folder.iterdir()) == []


def test_many_that_claim_a_folder_at_once_all_get_it(tmp_path: Path) -> None:
    claim = "import sys; from pathlib import Path; from cdk_braket_local.files import OwnedFolder"
    script = f"{claim}; OwnedFolder.claim(Path(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", script, tmp_path / "aws"]) for _ in range(8)]
    assert [process.wait(60) for process in started] == [0] * 8


def test_a_failed_removal_is_reported_and_the_rest_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink

    def refuse(path: str, **options: int) -> None:
        if path == "file":
            raise PermissionError(13, "Permission denied")
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    with OwnedFolder.claim(tmp_path / "aws") as folder:
        kept = folder.path / "a" / "kept"
        kept.mkdir(parents=True)
        (kept / "file").touch()
        (folder.path / "a" / "other").touch()
        expected = rf"^could not be removed: {re.escape(str(kept / 'file'))}: Permission denied"
        with pytest.raises(FolderError, match=expected):
            folder.remove(["a"])
        assert not (folder.path / "a" / "other").exists()
