"""Searches everything that a local AWS has written for secrets.

`recording_server` records the secrets that it issued: the tokens of ResponseURLs, secret access
keys and session tokens. It also records most writes, even if the data was deleted later. The
hyperparameters come from its jobs. Places with hyperparameters by design are not searched:
templates, the job itself, and the output, files and errors of a script.
"""

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import EndpointConnectionError

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket_local.control import instance
from cdk_braket_local.control.instance import LOG_FILE, LocalAws
from tests.emulator.recording_server import EXECUTION, ISSUED, LOG, OBJECT, RECORDS, STACK, WRITTEN
from tests.emulator.secret_search import Secret, Secrets, forms_of
from tests.patience import PATIENCE

# What hyperparameters of the suite's apps begin with that are there to be looked for.
PLANTED = "planted-canary"
# The functions of `stacks.recorder`, some of which show their ResponseURL on purpose.
_RECORDERS = re.compile(r"/aws/lambda/test-[0-9a-f]{12}-")
_OUTPUT = "commands.log"
_SERVER = ("-P", str(Path(__file__).with_name("recording_server.py")))
_LEAST_HYPERPARAMETER = 8
# `distribution=…` says by such ones what `instance=…` says too, and that may be shown.
_OF_THE_INSTANCE = "sagemaker_"


class LeakError(Exception):
    """Secrets were written; the message has their kind and place, but not their value."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of written data.

    Attributes:
        where: Where it was found.
        content: The data.
        holds_hyperparameters: Whether it may show hyperparameters.
        owner: The name of the session whose own credentials it may show.
    """

    where: str
    content: str
    holds_hyperparameters: bool = False
    owner: str = ""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Search every local AWS when it is stopped.

    Raises:
        LeakError: In the `stop` of a local AWS that has written secrets.
    """
    stop = LocalAws.stop

    def stop_and_look(aws: LocalAws) -> None:
        found = []
        try:
            if aws._facts and aws.is_running():
                found = leaks(aws)
        except EndpointConnectionError:
            # A test has killed it: the kill may take a moment to be seen.
            aws._process.wait(PATIENCE)
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
    """Keep the output of a command, to be searched with the rest."""
    folder = Path(environment["CDK_HOME"]).parent
    with (folder / _OUTPUT).open("a", encoding="utf-8") as file:
        file.write(output)


def leaks(aws: LocalAws) -> list[str]:
    """Return the kinds of secrets that a local AWS has written, with their places."""
    secrets = Secrets(_issued(aws))
    forms = {form for value in _hyperparameters(aws) for form in forms_of(value)}
    return sorted({leak for text in _written(aws) for leak in _leaks_in(text, secrets, forms)})


def _leaks_in(text: Text, secrets: Secrets, hyperparameters: Iterable[str]) -> Iterator[str]:
    for secret in secrets.found_in(text.content):
        if not secret.owner or secret.owner != text.owner:
            yield f"a {secret.kind} in {text.where}"
    if not text.holds_hyperparameters and any(form in text.content for form in hyperparameters):
        yield f"a hyperparameter in {text.where}"


def _issued(aws: LocalAws) -> list[Secret]:
    settings = aws.client_settings
    root = [
        Secret("secret access key", settings["aws_secret_access_key"]),
        # The local AWS does not ask whoever has it for a signature.
        Secret("root access key id", settings["aws_access_key_id"]),
    ]
    lines = _lines_of(aws.state_directory / ISSUED)
    return [*root, *(Secret(*line.split("\t")) for line in lines)]


def _lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


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
    yield from _recorded(aws)
    yield from _stacks(aws)
    for job in _jobs(aws):
        shown = {name: job.get(name) for name in ("events", "failureReason", "tags")}
        yield Text("what GetJob tells", json.dumps(shown, default=str), holds_hyperparameters=True)


def _jobs(aws: LocalAws) -> Iterator[dict[str, Any]]:
    braket = boto3.client("braket", **aws.client_settings)
    for page in braket.get_paginator("search_jobs").paginate(filters=[]):
        for job in page["jobs"]:
            yield dict(braket.get_job(jobArn=job["jobArn"]))


def _recorded(aws: LocalAws) -> Iterator[Text]:
    """Yield the written data, deleted or not."""
    texts = defaultdict(list)
    for line in _lines_of(aws.state_directory / WRITTEN):
        record = json.loads(line)
        text = _of_record(record["kind"], record["name"], record["part"])
        if text is not None:
            texts[text].append(record["text"])
    for text, contents in texts.items():
        yield replace(text, content="\n".join(contents))


def _of_record(kind: str, name: str, part: str) -> Text | None:
    """Return the kind of the written data, without its content; None for places by design."""
    if kind == LOG:
        return None if _RECORDERS.match(name) else _of_log(name, part)
    if kind == STACK:
        return Text(f"the stack {name}", "")
    if kind == EXECUTION:
        return Text("the history of an execution", "", holds_hyperparameters=True)
    assert kind == OBJECT
    if RECORDS in f"/{name}":
        return Text("a record of the handler's", "")
    bucket = name.partition("/")[0]
    return Text(f"an object in {bucket}", "", holds_hyperparameters=True, owner=part)


def _of_log(group: str, stream: str) -> Text:
    where = f"the log group {group}"
    if group != JOB_LOG_GROUP:
        return Text(where, "")
    # A script may print what is its own. Streams are called NAME/ID/…, sessions braket-ID.
    owner = f"braket-{stream.split('/')[1]}" if stream.count("/") > 1 else ""
    return Text(where, "", holds_hyperparameters=True, owner=owner)


def _stacks(aws: LocalAws) -> Iterator[Text]:
    """Yield the descriptions of existing stacks, and of the last deleted one of each name."""
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    for page in cloudformation.get_paginator("list_stacks").paginate():
        for stack in page["StackSummaries"]:
            stack_id = stack["StackId"]
            described = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
            outputs = [each.get("Outputs") for each in described]
            told = json.dumps([stack, outputs], default=str)
            yield Text(f"the stack {stack['StackName']}", told)
