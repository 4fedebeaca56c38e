"""Secrets that a local AWS writes are found: each kind, leaked on purpose, in each place."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from cdk_braket._lambda.hybrid_job_handler.contract import JOB_LOG_GROUP
from cdk_braket_local.instance import LOG_FILE, LocalAws
from tests.local import environments, leaks
from tests.local.jobs import TRUST, Jobs
from tests.local.recording_server import ISSUED
from tests.local.stacks import Stack, recorder
from tests.local.users import user_who_may

CANARY = f"{leaks.PLANTED}-51c0"
PRINTS = "def main(note): print(note)"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LocalAws]:
    """A local AWS of the test's own, which it stops itself."""
    started = LocalAws.start(tmp_path / "aws")
    yield started
    if started.is_running():
        started.stop()


def issued(aws: LocalAws, kind: str) -> str:
    lines = (aws.state_directory / ISSUED).read_text().splitlines()
    return next(line.split("\t")[1] for line in lines if line.startswith(kind))


def log(aws: LocalAws, group: str, message: str) -> None:
    logs = boto3.client("logs", **aws.client_settings)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=group, logStreamName="s", logEvents=[{"timestamp": now, "message": message}]
    )


def response_url(aws: LocalAws, folder: Path) -> str:
    stack = Stack(aws, folder / "record")
    assert stack.create({"Resource": recorder({})}) == "CREATE_COMPLETE"
    return str(stack.requests()[0]["ResponseURL"])


def session_token(aws: LocalAws, _: Path) -> str:
    sts = boto3.client("sts", **aws.client_settings)
    iam = boto3.client("iam", **aws.client_settings)
    trust = {**TRUST, "Principal": {"AWS": "*"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="session")
    return str(assumed["Credentials"]["SessionToken"])


def root_secret(aws: LocalAws, _: Path) -> str:
    return aws.client_settings["aws_secret_access_key"]


def user_secret(aws: LocalAws, _: Path) -> str:
    return user_who_may(aws, ["s3:*"])["aws_secret_access_key"]


def job_token(aws: LocalAws, _: Path) -> str:
    job = Jobs(aws)
    token = job.log(job.run("import os\ndef main(): print(os.environ['AWS_SESSION_TOKEN'])"))
    return token.strip()


Secret = Callable[[LocalAws, Path], str]


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (response_url, "a ResponseURL"),
        (session_token, "a session token"),
        (job_token, "a session token"),
        (root_secret, "a secret access key"),
        (user_secret, "a secret access key"),
        (lambda *_: CANARY, "a hyperparameter"),
    ],
)
def test_a_secret_in_a_functions_log_fails_the_run(
    aws: LocalAws, tmp_path: Path, secret: Secret, kind: str
) -> None:
    text = secret(aws, tmp_path)
    assert leaks.leaks(aws) == []
    log(aws, "/aws/lambda/handler", f'{{"at":"{text}"}}')
    with pytest.raises(leaks.LeakError) as raised:
        aws.stop()
    assert str(raised.value).splitlines()[1:] == [f"{kind} in the log group /aws/lambda/handler"]
    assert text not in str(raised.value)
    assert not aws.is_running()


def test_secrets_are_found_in_every_place(aws: LocalAws, tmp_path: Path) -> None:
    secret = root_secret(aws, tmp_path)
    with (aws.state_directory / LOG_FILE).open("a") as file:
        file.write(f"error: {secret}\n")
    leaks.keep_output(environments.of_command(aws), f"Outputs: {secret}")
    failing = Stack(aws, tmp_path / "record")
    reason = {"Create": {"Status": "FAILED", "Reason": f"it was {secret}"}}
    failing.create({"Resource": recorder(reason)}, roll_back=False)
    s3 = boto3.client("s3", **aws.client_settings)
    s3.create_bucket(Bucket="records")
    s3.put_object(Bucket="records", Key=".cdk-braket/jobs/1", Body=secret.encode())
    jobs = Jobs(aws)
    jobs.start(f"def main(): raise ValueError({secret!r})")
    jobs.over(jobs.start(f"def main(): raise ValueError({secret!r})"))
    places = {leak.partition(" in ")[2] for leak in leaks.leaks(aws)}
    assert places == {
        f"the file {LOG_FILE}",
        "the file commands.log",
        f"the events of the stack {failing.name}",
        "a record of the handler's",
        "what GetJob tells",
    }
    with pytest.raises(leaks.LeakError):
        aws.stop()


def test_a_hyperparameter_is_one_of_any_job(aws: LocalAws) -> None:
    jobs = Jobs(aws)
    jobs.run(PRINTS, hyperParameters={"note": "of one job alone"})
    assert leaks.leaks(aws) == [], "its own log may show it"
    log(aws, "/aws/lambda/handler", "refused: of one job alone.")
    assert leaks.leaks(aws) == ["a hyperparameter in the log group /aws/lambda/handler"]
    with pytest.raises(leaks.LeakError):
        aws.stop()


def test_a_response_url_has_no_place_even_in_a_jobs_log(aws: LocalAws, tmp_path: Path) -> None:
    log(aws, JOB_LOG_GROUP, response_url(aws, tmp_path))
    assert leaks.leaks(aws) == [f"a ResponseURL in the log group {JOB_LOG_GROUP}"]
    with pytest.raises(leaks.LeakError):
        aws.stop()
