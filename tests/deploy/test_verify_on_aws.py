"""The script for users with an account, against the local AWS: deploy, answer, clean up."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from examples.verify_on_aws import verify
from tests.deploy import environments
from tests.emulator.jobs import FINAL
from tests.patience import PATIENCE

# The answers of the local AWS, as far as docs/reference/unverified.md names them.
EXPECTED = {
    "client-token": "ConflictException",
    "trust-conditions": "COMPLETED",
    "untrusting-role": "accepted, then FAILED",
    "job-event": "detail has jobArn",
    "job-paths": "AMZN_BRAKET_JOB_RESULTS_DIR",
    "max-runtime": "FAILED",
    "cancelling": "accepted",
    "foreign-device": "ValidationException",
    "strange-uri": "ValidationException",
    "task-results": "COMPLETED",
}


# The questions are about AWS; tests/docs/test_unverified.py has the page of each.
@pytest.mark.long
def test_it_answers_each_question_and_leaves_nothing(
    bootstrapped_aws: LocalAws, tmp_path: Path
) -> None:
    given = environments.of_command(bootstrapped_aws)
    path = os.pathsep.join([str(environments.CDK.parent), str(Path(sys.executable).parent)])
    finished = subprocess.run(
        [sys.executable, "verify.py", f"--patience={PATIENCE}"],
        cwd=verify.FOLDER,
        env={
            **given,
            "PATH": f"{path}{os.pathsep}{given['PATH']}",
            "CDK_HOME": str(tmp_path / "cdk-home"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows = [
        line.strip("|").split(" | ") for line in finished.stdout.splitlines() if line[:2] == "| "
    ]
    answers = {name.strip(): answer for name, answer in rows}
    assert answers.keys() == EXPECTED.keys() == verify.QUESTIONS.keys()
    for name, part in EXPECTED.items():
        assert part in answers[name], (name, answers[name])
    settings = bootstrapped_aws.client_settings
    stacks = boto3.client("cloudformation", **settings).list_stacks()["StackSummaries"]
    left = [each["StackStatus"] for each in stacks if each["StackName"] == verify.STACK]
    assert set(left) == {"DELETE_COMPLETE"}
    jobs = boto3.client("braket", **settings).search_jobs(filters=[])["jobs"]
    assert all(job["status"] in FINAL for job in jobs if job["jobName"].startswith("verify-"))
