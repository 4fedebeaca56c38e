"""Hybrid jobs of a local AWS, started without CDK."""

import io
import json
import tarfile
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket_local.control.instance import LocalAws
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

OURS = "[cdk-braket-local] "
FINAL = {"COMPLETED", "FAILED", "CANCELLED"}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "braket.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
# The parts of API requests and answers that tests make and read: nothing of it is typed.
Json = Any


def packed(files: Mapping[str, str | bytes]) -> bytes:
    """A source archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def log_of(logs: "CloudWatchLogsClient", job_name: str) -> str:
    """Return a job's log so far; the local AWS supports no prefix in a search over streams."""
    try:
        streams = logs.describe_log_streams(
            logGroupName=JOB_LOG_GROUP, logStreamNamePrefix=f"{job_name}/"
        )["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return ""
    events = [
        event
        for stream in streams
        for event in logs.get_log_events(
            logGroupName=JOB_LOG_GROUP, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]
    return "\n".join(event["message"] for event in events)


class Jobs:
    """A bucket, a role and the jobs that use them."""

    def __init__(
        self, aws: LocalAws, actions: Sequence[str] = ("s3:*", "logs:*"), trust: Json = TRUST
    ) -> None:
        settings = aws.client_settings
        self.name = f"jobs-{uuid.uuid4().hex[:12]}"
        self.bucket = f"amazon-braket-{self.name}"
        self.braket = boto3.client("braket", **settings)
        self.s3 = boto3.client("s3", **settings)
        self.logs = boto3.client("logs", **settings)
        constraint: Any = {"LocationConstraint": settings["region_name"]}
        if settings["region_name"] == "us-east-1":  # the region of buckets without a constraint
            self.s3.create_bucket(Bucket=self.bucket)
        else:
            self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=constraint)
        self.role_arn = self._role(boto3.client("iam", **settings), actions, trust)

    def _role(self, iam: Json, actions: Sequence[str], trust: Json) -> str:
        made = iam.create_role(
            RoleName=self.name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
        )
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_role_policy(
            RoleName=self.name,
            PolicyName="only",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
        )
        return str(made["Role"]["Arn"])

    def request(self, files: Mapping[str, str | bytes] | str, **changes: Json) -> dict[str, Json]:
        """A request for a job that runs these files, or this text as `algo.py`."""
        given = {"algo.py": files} if isinstance(files, str) else files
        return self.request_for_archive(packed(given), **changes)

    def request_for_archive(self, archive: bytes, **changes: Json) -> dict[str, Json]:
        """A request for a job whose source archive is this."""
        key = f"scripts/{uuid.uuid4()}/source.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=archive)
        script = {
            "entryPoint": changes.pop("entry_point", "algo:main"),
            "s3Uri": f"s3://{self.bucket}/{key}",
            "compressionType": "GZIP",
        }
        name = f"{self.name}-{uuid.uuid4().hex[:8]}"
        return {
            "clientToken": str(uuid.uuid4()),
            "jobName": name,
            "roleArn": self.role_arn,
            "algorithmSpecification": {"scriptModeConfig": script},
            "deviceConfig": {"device": "local:braket/default"},
            "instanceConfig": {
                "instanceType": "ml.m5.large",
                "volumeSizeInGb": 30,
                "instanceCount": 1,
            },
            "outputDataConfig": {"s3Path": f"s3://{self.bucket}/{name}/data"},
            "checkpointConfig": {"s3Uri": f"s3://{self.bucket}/{name}/checkpoints"},
            **changes,
        }

    def start(self, files: Mapping[str, str | bytes] | str, **changes: Json) -> str:
        """Start a job; return its ARN."""
        return self.braket.create_job(**self.request(files, **changes))["jobArn"]

    def run(self, files: Mapping[str, str | bytes] | str, **changes: Json) -> Json:
        """Run a job to its end; return its description."""
        return self.over(self.start(files, **changes))

    def over(self, arn: str, seconds: float = PATIENCE) -> Json:
        """Wait until a job has ended; return its description."""
        return self.when(arn, lambda job: job["status"] in FINAL, seconds)

    def running(self, arn: str, said: str) -> Json:
        """Wait until a job has logged something; return its description."""
        return self.when(arn, lambda job: said in self.log(job), PATIENCE)

    def when(self, arn: str, is_due: Json, seconds: float) -> Json:
        """Wait until something is true of a job; return its description."""
        deadline = time.monotonic() + seconds
        while not is_due(job := self.braket.get_job(jobArn=arn)):
            assert time.monotonic() < deadline, f"still {job['status']}"
            assert job["status"] not in FINAL, job.get("failureReason", job["status"])
            time.sleep(0.1)
        return job

    def log(self, job: Json) -> str:
        """Return a job's log so far, without the lines of the local AWS."""
        lines = log_of(self.logs, job["jobName"]).splitlines()
        return "\n".join(line for line in lines if not line.startswith(OURS))

    def notes(self, job: Json) -> list[str]:
        """The lines of the local AWS in the log of a job."""
        lines = log_of(self.logs, job["jobName"]).splitlines()
        return [line.removeprefix(OURS) for line in lines if line.startswith(OURS)]

    def results(self, job: Json) -> dict[str, bytes]:
        """The files of a job's results."""
        prefix = job["outputDataConfig"]["s3Path"].removeprefix(f"s3://{self.bucket}/")
        body = self.s3.get_object(Bucket=self.bucket, Key=f"{prefix}/output/model.tar.gz")["Body"]
        with tarfile.open(fileobj=io.BytesIO(body.read())) as archive:
            files = [member for member in archive if member.isfile()]
            opened = {member.name: archive.extractfile(member) for member in files}
            return {name: file.read() for name, file in opened.items() if file is not None}

    def checkpoint(self, job: Json, name: str) -> bytes | None:
        """A checkpoint as it is in S3 now."""
        prefix = job["checkpointConfig"]["s3Uri"].removeprefix(f"s3://{self.bucket}/")
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=f"{prefix}/{name}")
        except self.s3.exceptions.NoSuchKey:
            return None
        return found["Body"].read()
