"""Looks through everything that a local AWS has written for secrets that do not belong there.

What it gave out is known from `recording_server`: the tokens of ResponseURLs, secret access keys
and session tokens. What its jobs' hyperparameters are, it is asked. Where hyperparameters are by
design is not looked at: templates, the job itself, and what a script prints or fails with.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import EndpointConnectionError

from cdk_braket._lambda.hybrid_job_handler.contract import JOB_LOG_GROUP
from cdk_braket_local import instance
from cdk_braket_local.instance import LOG_FILE, LocalAws
from tests.local.recording_server import ISSUED

# What hyperparameters of the suite's apps begin with that are there to be looked for.
PLANTED = "planted-canary"
# The functions of `stacks.recorder`, some of which show their ResponseURL on purpose.
_RECORDERS = re.compile(r"/aws/lambda/test-[0-9a-f]{12}-")
_OUTPUT = "commands.log"
_SERVER = ("-P", str(Path(__file__).with_name("recording_server.py")))
# Secrets are found by their longest run of these.
_RUNS = re.compile(r"[A-Za-z0-9_-]{12,}")
_LEAST_HYPERPARAMETER = 8
# `distribution=…` says by such ones what `instance=…` says too, and that may be shown.
_OF_THE_INSTANCE = "sagemaker_"


class LeakError(Exception):
    """Secrets were written; the message says what kind and where, but not which."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something that was written.

    Attributes:
        where: Where it was found.
        content: The text.
        holds_hyperparameters: Whether it may show hyperparameters.
        holds_credentials: Whether it may show credentials.
    """

    where: str
    content: str
    holds_hyperparameters: bool = False
    holds_credentials: bool = False


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Have every local AWS looked through when it is stopped.

    Raises:
        LeakError: By the `stop` of the local AWS that has written secrets.
    """
    stop = LocalAws.stop

    def stop_and_look(aws: LocalAws) -> None:
        found = []
        try:
            if aws._facts and aws.is_running():
                found = leaks(aws)
        except EndpointConnectionError:
            # A test has killed it: the kill may take a moment to be seen.
            aws._process.wait(10)
        finally:
            stop(aws)
        if found:
            raise LeakError("\n".join(["secrets were written:", *found]))

    with (
        mock.patch.object(instance, "_SERVER", _SERVER),
        mock.patch.object(LocalAws, "stop", stop_and_look),
    ):
        yield


def keep_output(environment: Mapping[str, str], output: str) -> None:
    """Keep what a command has printed, to be looked through with the rest."""
    folder = Path(environment["CDK_HOME"]).parent
    with (folder / _OUTPUT).open("a", encoding="utf-8") as file:
        file.write(output)


def leaks(aws: LocalAws) -> list[str]:
    """What kinds of secrets a local AWS has written, and where."""
    secrets = _issued(aws)
    planted = _hyperparameters(aws)
    return sorted({leak for text in _written(aws) for leak in _leaks_in(text, secrets, planted)})


def _leaks_in(text: Text, secrets: Mapping[str, str], planted: Iterable[str]) -> Iterator[str]:
    for run in set(_RUNS.findall(text.content)) & secrets.keys():
        if secrets[run] == "ResponseURL" or not text.holds_credentials:
            yield f"a {secrets[run]} in {text.where}"
    if not text.holds_hyperparameters and any(value in text.content for value in planted):
        yield f"a hyperparameter in {text.where}"


def _issued(aws: LocalAws) -> dict[str, str]:
    lines = [f"secret access key\t{aws.client_settings['aws_secret_access_key']}"]
    with contextlib.suppress(FileNotFoundError):
        lines += (aws.state_directory / ISSUED).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines]
    return {max(_RUNS.findall(secret), key=len): kind for kind, secret in pairs}


def _hyperparameters(aws: LocalAws) -> set[str]:
    values = {
        value
        for job in _jobs(aws)
        for name, value in job.get("hyperParameters", {}).items()
        if not name.startswith(_OF_THE_INSTANCE)
    }
    # Shorter ones, such as numbers, are found everywhere.
    return {value for value in values if len(value) >= _LEAST_HYPERPARAMETER} | {PLANTED}


# --- Everything that was written. ---


def _written(aws: LocalAws) -> Iterator[Text]:
    for name in (LOG_FILE, _OUTPUT):
        path = aws.state_directory / name
        if path.exists():
            yield Text(f"the file {name}", path.read_text(encoding="utf-8", errors="replace"))
    yield from _logs(aws)
    yield from _stacks(aws)
    yield from _records(aws)
    for job in _jobs(aws):
        shown = {name: job.get(name) for name in ("events", "failureReason", "tags")}
        yield Text("what GetJob tells", json.dumps(shown, default=str), holds_hyperparameters=True)


def _jobs(aws: LocalAws) -> Iterator[dict[str, Any]]:
    braket = boto3.client("braket", **aws.client_settings)
    for page in braket.get_paginator("search_jobs").paginate(filters=[]):
        for job in page["jobs"]:
            yield dict(braket.get_job(jobArn=job["jobArn"]))


def _logs(aws: LocalAws) -> Iterator[Text]:
    logs = boto3.client("logs", **aws.client_settings)
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            if _RECORDERS.match(name):
                continue
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
            messages = [event["message"] for each in pages for event in each["events"]]
            by_script = name == JOB_LOG_GROUP
            yield Text(
                f"the log group {name}",
                "\n".join(messages),
                holds_hyperparameters=by_script,
                holds_credentials=by_script,
            )


def _stacks(aws: LocalAws) -> Iterator[Text]:
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    for page in cloudformation.get_paginator("list_stacks").paginate():
        for stack in page["StackSummaries"]:
            where = f"the events of the stack {stack['StackName']}"
            events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
            reasons = [
                f"{event.get('ResourceStatusReason', '')} {event.get('PhysicalResourceId', '')}"
                for event in events
            ]
            yield Text(where, "\n".join(reasons))
    for described_page in cloudformation.get_paginator("describe_stacks").paginate():
        for described in described_page["Stacks"]:
            where = f"the outputs of the stack {described['StackName']}"
            yield Text(where, json.dumps(described.get("Outputs", [])))


def _records(aws: LocalAws) -> Iterator[Text]:
    """What the handler keeps of the jobs that it started."""
    s3 = boto3.client("s3", **aws.client_settings)
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for found in page.get("Contents", []):
                if "/.cdk-braket/" in f"/{found['Key']}":
                    body = s3.get_object(Bucket=bucket["Name"], Key=found["Key"])["Body"].read()
                    yield Text("a record of the handler's", body.decode("utf-8", "replace"))
