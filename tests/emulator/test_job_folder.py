"""A job's folder is removed with everything in it, and no link in it is followed."""

import ctypes
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_local import files
from cdk_braket_local.braket import runner
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import Jobs

# Capabilities with which root enters every folder. Source: capability.h
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
PR_CAPBSET_DROP = 24

# Links in every folder that is read, written or removed after the script.
PLANTS = """
import os
from pathlib import Path

def main():
    results = Path(os.environ["AMZN_BRAKET_JOB_RESULTS_DIR"])
    checkpoints = Path(os.environ["AMZN_BRAKET_CHECKPOINT_DIR"])
    workspace, victim = Path(os.environ["TMPDIR"]).parent, Path({victim!r})
    (results / "results.json").write_text("1")
    (checkpoints / "saved").write_text("2")
    for folder in (results, results.parent, checkpoints, workspace):
        (folder / "link").symlink_to(victim)
    for name in ("model.tar.gz", "staging", "copy"):
        if not (workspace / name).is_dir():
            (workspace / name).symlink_to(victim / "file")
    closed = workspace / "closed" / "inner"
    closed.mkdir(parents=True)
    (closed / "file").write_text("3")
    closed.chmod(0)
    closed.parent.chmod(0)
"""


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o755)
    (folder / "file").write_text("mine")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "mine"
    assert folder.stat().st_mode & 0o777 == 0o755


def test_links_that_a_script_leaves_are_removed_and_not_followed(
    local_aws: LocalAws, victim: Path
) -> None:
    jobs = Jobs(local_aws)
    job = jobs.run(PLANTS.format(victim=str(victim)))
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert jobs.results(job) == {"results.json": b"1"}
    assert jobs.checkpoint(job, "saved") == b"2"
    folder = local_aws.state_directory / "braket" / "jobs" / job["jobArn"].rpartition("/")[2]
    assert not folder.exists()


def test_a_folder_that_is_a_link_by_now_is_removed_as_one(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "job").symlink_to(victim)
    files.remove(tmp_path / "job")
    assert not (tmp_path / "job").is_symlink()


def test_a_parent_that_is_a_link_is_not_followed(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "jobs").symlink_to(victim)
    with pytest.raises(files.FolderError, match="replaced by a link"):
        files.remove(tmp_path / "jobs" / "file")


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    files.remove(tmp_path / "none")
    files.remove(tmp_path / "none" / "below")


def without_override() -> None:
    """Be a user whom folders can be closed to, as root is not."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_folders_that_a_program_has_closed_to_itself_are_removed(
    tmp_path: Path, victim: Path
) -> None:
    folder = tmp_path / "job" / "outer" / "inner"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder.parent / "link").symlink_to(victim)
    folder.chmod(0)
    folder.parent.chmod(0o500)
    folder.parent.parent.chmod(0)
    script = "import sys; from pathlib import Path; from cdk_braket_local import files; "
    subprocess.run(
        [sys.executable, "-c", f"{script}files.remove(Path(sys.argv[1]))", tmp_path / "job"],
        preexec_fn=without_override,
        check=True,
    )
    assert not (tmp_path / "job").exists()


def test_files_of_a_job_that_could_not_be_removed_are_in_the_servers_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_path: str, **_options: int) -> None:
        raise PermissionError(13, "Permission denied")

    workspace = tmp_path / "job"
    workspace.mkdir()
    (workspace / "kept").touch()
    monkeypatch.setattr(os, "unlink", refuse)
    with caplog.at_level(logging.WARNING):
        runner._remove(workspace)
    [message] = caplog.messages
    assert message.startswith(f"could not be removed: {workspace / 'kept'}: Permission denied")
