"""Runs one script as a hybrid job of a local AWS, without CDK: for the loop of writing a script."""

import contextlib
import io
import json
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket_client import results
from cdk_braket_client.errors import ResultsError
from cdk_braket_client.job_log import JobLog
from cdk_braket_local import following

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_DEVICE: Final = "local:braket/default"
POLL_SECONDS: Final = 0.5

_ROLE: Final = "service-role/AmazonBraketJobsExecutionRole"
# Files of tools, which no script needs.
_LEFT_OUT: Final = frozenset({"__pycache__", ".git", ".venv", "node_modules", ".cdk-braket-local"})


class JobNotStartedError(Exception):
    """The job cannot be started; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script on this machine, and the options of its job.

    Attributes:
        path: A file or a directory. A directory is packed under its base name, as by the SDK.
        entry_point: `module:function`, or a module.
        device: The device of the job.
        hyperparameters: The hyperparameters.
        inputs: The files of the input channels, by the name of the channel: a file or a directory.
    """

    path: Path
    entry_point: str
    device: str
    hyperparameters: Mapping[str, str]
    inputs: Mapping[str, Path]

    def files(self) -> Iterator[Path]:
        """Yield all files that the job gets."""
        for path in (self.path, *self.inputs.values()):
            yield from _files(path)


def run(script: Script, environment: Mapping[str, str], stream: TextIO) -> bool:
    """Run a script as a job, and show its log, its end and its results.

    Args:
        script: The script.
        environment: The environment of a command that uses the local AWS.
        stream: Receives the log and the results.

    Returns:
        Whether the job completed.

    Raises:
        JobNotStartedError: A file is missing, or the service refuses the job.
    """
    session = following.session(environment)
    url = environment["AWS_ENDPOINT_URL"]
    s3 = session.client("s3", endpoint_url=url)
    braket = session.client("braket", endpoint_url=url)
    logs = session.client("logs", endpoint_url=url)
    account = session.client("sts", endpoint_url=url).get_caller_identity()["Account"]
    try:
        request = _request(script, s3, account)
        arn = braket.create_job(**request)["jobArn"]
    except (ClientError, BotoCoreError, Boto3Error, OSError) as error:
        raise JobNotStartedError(_line(error)) from error
    log = JobLog(logs, request["jobName"], arn)
    while True:
        # Before its log: afterwards no line is added.
        job = braket.get_job(jobArn=arn)
        stream.writelines(f"{line.message}\n" for line in log.new_lines())
        if job["status"] in FINAL:
            break
        time.sleep(POLL_SECONDS)
    stream.write(f"{job['status']}{': ' if 'failureReason' in job else ''}")
    stream.write(f"{job.get('failureReason', '')}\n")
    if job["status"] == "COMPLETED":
        stream.write(_results(s3, f"{job['outputDataConfig']['s3Path']}/output/model.tar.gz"))
    stream.flush()
    return bool(job["status"] == "COMPLETED")


def changed(script: Script, before: Mapping[Path, int]) -> bool:
    """Return whether a file was added, removed or written since `state` was called."""
    return state(script) != before


def state(script: Script) -> dict[Path, int]:
    """Return the files of a script with the times of their last change."""
    found = {}
    # A file or a folder may be removed just now. One that cannot be read fails when it is packed.
    with contextlib.suppress(OSError):
        for path in script.files():
            found[path] = path.stat().st_mtime_ns
    return found


def _request(script: Script, s3: "S3Client", account: str) -> dict[str, Any]:
    for path in (script.path, *script.inputs.values()):
        if not path.exists():
            raise JobNotStartedError(f"{path}: there is no such file or directory")
    bucket, name = f"amazon-braket-run-job-{account}", f"run-job-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    base = f"s3://{bucket}/{name}"
    s3.put_object(Bucket=bucket, Key=f"{name}/source.tar.gz", Body=_packed(script.path))
    channels = []
    for channel, path in script.inputs.items():
        root = path if path.is_dir() else path.parent
        for file in _files(path):
            key = f"{name}/input/{channel}/{file.relative_to(root)}"
            s3.upload_file(str(file), bucket, key)
        source = {"s3DataSource": {"s3Uri": f"{base}/input/{channel}/"}}
        channels.append({"channelName": channel, "dataSource": source})
    return {
        "clientToken": str(uuid.uuid4()),
        "jobName": name,
        "roleArn": f"arn:aws:iam::{account}:role/{_ROLE}",
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": script.entry_point,
                "s3Uri": f"{base}/source.tar.gz",
                "compressionType": "GZIP",
            }
        },
        "deviceConfig": {"device": script.device},
        "instanceConfig": {
            "instanceType": "ml.m5.large",
            "instanceCount": 1,
            "volumeSizeInGb": 30,
        },
        "outputDataConfig": {"s3Path": f"{base}/data"},
        "checkpointConfig": {"s3Uri": f"{base}/checkpoints"},
        "hyperParameters": dict(script.hyperparameters),
        "inputDataConfig": channels,
    }


def _packed(path: Path) -> bytes:
    buffer = io.BytesIO()
    root = path.resolve()
    # The content of links: their targets are not in the archive.
    with tarfile.open(fileobj=buffer, mode="w:gz", dereference=True) as archive:
        for file in _files(root):
            archive.add(file, arcname=str(file.relative_to(root.parent)), recursive=False)
    return buffer.getvalue()


def _files(path: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a path, also of folders that are links, but not in a circle."""
    if path.is_file():
        yield path
        return
    real = path.resolve()
    if not path.is_dir() or real in above:
        return
    for each in sorted(path.iterdir()):
        if each.name not in _LEFT_OUT:
            yield from _files(each, above | {real})


def _results(s3: "S3Client", uri: str) -> str:
    """Return the values that the script saved, as JSON; nothing if it saved none."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "model.tar.gz")
        try:
            results.size(s3, uri)  # a script that saves nothing has no archive
            results.download(s3, uri, archive, lambda _: None)
            return f"{json.dumps(results.read(archive), indent=2, default=str)}\n"
        except ResultsError:
            return ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
