"""The command `cdk-braket-local run-job`: a script as a job, without CDK."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from boto3.exceptions import S3UploadFailedError

from cdk_braket_local import settings, single_job
from tests.patience import until

COMMAND = [sys.executable, "-m", "cdk_braket_local.cli", "run-job"]

SCRIPT = """
from pathlib import Path
from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import get_input_data_dir, save_job_result

def main(shots: int, name: str):
    counts = LocalSimulator().run(Circuit().x(0), shots=shots).result().measurement_counts
    text = Path(get_input_data_dir("words"), "words.txt").read_text()
    print("the script runs")
    save_job_result({"counts": dict(counts), "name": name, "words": text})
"""


def _run_job(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_script_runs_once_with_its_options(tmp_path: Path) -> None:
    (tmp_path / "algorithm.py").write_text(SCRIPT)
    (tmp_path / "words.txt").write_text("some")
    arguments = ("--entry-point", "algorithm:main", "--input", "words=words.txt")
    options = ("--hyperparameter", "shots=7", "--hyperparameter", "name=a=b")
    done = _run_job(tmp_path, "algorithm.py", *arguments, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[cdk-braket-local] environment: ")
    assert "the script runs" in lines
    assert "COMPLETED" in lines
    assert '"1": 7' in done.stdout
    assert '"name": "a=b"' in done.stdout
    assert '"words": "some"' in done.stdout


# test_cli_jobs.py has the reason and the exit code of a failed job.
@pytest.mark.long
def test_a_failure_has_its_reason_and_an_exit_code(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text("raise ValueError('no good')")
    done = _run_job(tmp_path, "project", "--entry-point", "project.main")
    assert done.returncode == 1
    assert "FAILED: AlgorithmError: ValueError: no good" in done.stdout


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = _run_job(tmp_path, "nowhere", "--entry-point", "nowhere:main")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "cdk-braket-local: nowhere: there is no such file or directory\n"


def test_links_are_packed_with_their_content_and_circles_are_left(tmp_path: Path) -> None:
    outside, project = tmp_path / "outside", tmp_path / "project"
    outside.mkdir()
    project.mkdir()
    (outside / "helper.py").write_text("here")
    (project / "folder").symlink_to(outside)
    (project / "one.py").symlink_to(outside / "helper.py")
    (project / "circle").symlink_to(project)
    (outside / "back").symlink_to(project)
    with tarfile.open(fileobj=io.BytesIO(single_job._packed(project))) as archive:
        assert sorted(archive.getnames()) == ["project/folder/helper.py", "project/one.py"]
        assert all(member.isreg() for member in archive.getmembers())


def test_a_refused_upload_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = single_job.Script(tmp_path, "main", "local:none", {}, {})

    def refused(*_: object) -> None:
        raise S3UploadFailedError("Failed to upload a file")

    monkeypatch.setattr(single_job, "_request", refused)
    monkeypatch.setattr("cdk_braket_local.following.session", lambda _: MagicMock())
    with pytest.raises(single_job.JobNotStartedError, match="Failed to upload"):
        single_job.run(script, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, io.StringIO())


@pytest.mark.parametrize(
    ("text", "shown"), [("", {}), ("0", {}), ("1", {settings.SIMULATE_QPUS: "1"})]
)
def test_settings_that_are_turned_off_are_as_if_unset(text: str, shown: dict[str, str]) -> None:
    assert settings.given({settings.SIMULATE_QPUS: text}) == shown


def test_a_watched_script_runs_again_when_it_changes(tmp_path: Path) -> None:
    script, output = tmp_path / "algorithm.py", tmp_path / "output"
    script.write_text("print('first')")
    command = [*COMMAND, "algorithm.py", "--entry-point", "algorithm", "--watch"]
    with output.open("w") as file:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file)

        def waits(times: int) -> str:
            def is_due(text: str) -> bool:
                assert process.poll() is None, text
                return text.count("waiting for a change") == times

            return until(output.read_text, is_due)

        try:
            assert "first" in waits(1)
            script.write_text("print('second')")
            assert "second" in waits(2)
        finally:
            process.terminate()
            process.wait()
