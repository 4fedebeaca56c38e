"""Jobs that still run when the command of `cdk-braket-local run` ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import length
from tests.deploy.environments import ROOT
from tests.patience import PATIENCE

RUN = [sys.executable, "-m", "cdk_braket_local.cli", "run", "--no-bootstrap"]

# Starts jobs as a deployment does, and ends while they run: `start.py REGION SCRIPT…`.
START = """
import os, sys
sys.path.insert(0, {root!r})
from tests.emulator.jobs import Jobs

class Aws:
    client_settings = dict(
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=sys.argv[1],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    account = os.environ["CDK_DEFAULT_ACCOUNT"]
    region = sys.argv[1]

jobs = Jobs(Aws())
for script in sys.argv[2:]:
    print(jobs.start(script), flush=True)
"""
COMPLETES = "import time\ndef main(): print('begun', flush=True); time.sleep(1)"
FAILS = "def main(): raise ValueError('no convergence')"
HANGS = "import time\ndef main(): print('begun', flush=True); time.sleep(600)"


def run(
    folder: Path, *scripts: str, options: Sequence[str] = (), then: str = "", region: str = ""
) -> subprocess.CompletedProcess[str]:
    (folder / "start.py").write_text(START.format(root=str(ROOT)) + then)
    command = [sys.executable, "start.py", region or "us-east-1", *scripts]
    return subprocess.run(
        [*RUN, *options, "--", *command],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_running_job_is_followed_to_its_end_and_its_results_are_named(tmp_path: Path) -> None:
    done = run(tmp_path, COMPLETES)
    assert done.returncode == 0, done.stderr
    [arn] = done.stdout.split()
    assert f"job {arn}" in done.stderr.splitlines()
    assert re.search(r"^(RUNNING|COMPLETED) .* begun$", done.stderr, re.MULTILINE)
    end = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"COMPLETED after \d+ s; results: s3://\S+/output/model.tar.gz", end)


def test_for_a_job_that_fails_the_exit_code_is_1_and_its_reason_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path, FAILS, COMPLETES, region="eu-west-2")
    assert done.returncode == 1
    assert len(done.stdout.split()) == 2
    ends = re.findall(r"^[A-Z]+ after .*$", done.stderr, re.MULTILINE)
    assert len(ends) == 2
    assert re.search(r"FAILED after \d+ s: AlgorithmError: ValueError: no convergence", ends[0])
    lines = done.stderr.splitlines()
    frame, error, log, console = lines[lines.index(ends[0]) + 1 :][:4]
    assert frame.endswith('algo.py", line 1, in main')
    assert error == "  ValueError: no convergence"
    arn = done.stdout.split()[0]
    assert log.startswith("  Log: log group /aws/braket/jobs, log stream ")
    assert f"/{arn.rpartition('/')[2]}/algo-1-" in log
    assert console.startswith("  Console: https://eu-west-2.console.aws.amazon.com/")
    assert console.endswith(arn)
    assert ends[1].startswith("COMPLETED after ")
    assert done.stderr.splitlines()[-1] == "cdk-braket-local: 1 job FAILED"


# Another test has a job that fails while the command follows it.
@pytest.mark.long
def test_a_job_that_failed_before_the_command_ended_counts(tmp_path: Path) -> None:
    then = """
import time
while jobs.braket.search_jobs(filters=[])["jobs"][0]["status"] != "FAILED":
    time.sleep(0.1)
"""
    assert run(tmp_path, FAILS, then=then).returncode == 1


# tests/emulator/test_cli.py passes the exit code of a command on.
@pytest.mark.long
def test_the_exit_code_of_a_command_that_fails_stays_if_its_jobs_complete(tmp_path: Path) -> None:
    done = run(tmp_path, COMPLETES, then="sys.exit(7)")
    assert done.returncode == 7
    assert "COMPLETED after " in done.stderr


# Below, a signal discards a running job.
@pytest.mark.long
def test_no_wait_discards_running_jobs_and_counts_them(tmp_path: Path) -> None:
    done = run(tmp_path, HANGS, HANGS, options=["--no-wait"])
    assert done.returncode == 0
    said = "cdk-braket-local: 2 jobs still running, and discarded with the local AWS\n"
    assert done.stderr == said


@pytest.mark.parametrize("signum", length.first(1, [signal.SIGINT, signal.SIGTERM]))
def test_a_signal_while_a_job_is_followed_discards_it(
    tmp_path: Path, signum: signal.Signals
) -> None:
    (tmp_path / "start.py").write_text(START.format(root=str(ROOT)))
    with subprocess.Popen(
        [*RUN, "--", sys.executable, "start.py", "us-east-1", HANGS],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while "begun" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signum)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signum
    assert said.splitlines()[-1].startswith("cdk-braket-local: 1 job still running, and discarded")
    assert "Traceback" not in said
