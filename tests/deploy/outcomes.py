"""The outcomes of the jobs of a local AWS."""

import io
import json
import tarfile
import time
from typing import TYPE_CHECKING

import boto3

from cdk_braket_local.control.instance import LocalAws
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

FINAL = {"COMPLETED", "FAILED", "CANCELLED"}


def finished(local_aws: LocalAws, arn: str, seconds: float = PATIENCE) -> "GetJobResponseTypeDef":
    """The job, once it has finished."""
    braket = boto3.client("braket", **local_aws.client_settings)
    deadline = time.monotonic() + seconds
    while (job := braket.get_job(jobArn=arn))["status"] not in FINAL:
        assert time.monotonic() < deadline, f"still {job['status']}"
        time.sleep(0.5)
    return job


def results(local_aws: LocalAws, s3_uri: str) -> dict[str, object]:
    """The saved result of a job."""
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", **local_aws.client_settings)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        member = archive.extractfile("results.json")
        assert member is not None
        saved: dict[str, object] = json.load(member)["dataDictionary"]
        return saved
