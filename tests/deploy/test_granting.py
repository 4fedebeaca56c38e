"""Grants, deployed and enforced: with one the call passes, without it it is denied."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import JOB_LOG_GROUP
from cdk_braket_local.control.instance import ClientSettings, LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished

Call = Callable[[ClientSettings, Mapping[str, str]], object]

_DATA = "amazon-braket-granting-data"


@pytest.fixture(scope="module")
def deployed(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    s3 = boto3.client("s3", **bootstrapped_aws.client_settings)
    s3.create_bucket(Bucket=_DATA)
    s3.put_object(Bucket=_DATA, Key="given/data.json", Body=b"{}")
    folder, scratch = ROOT / "tests/deploy/apps/granting", tmp_path_factory.mktemp("granting")
    app = CdkApp(folder, scratch, environments.of_command(bootstrapped_aws))
    (outputs,) = app.deploy().values()
    job = finished(bootstrapped_aws, outputs["JobArn"])
    assert job["status"] == "COMPLETED", job.get("failureReason")
    yield outputs
    _forget_keys(bootstrapped_aws, outputs)
    app.delete_stacks()


@pytest.fixture(scope="module")
def users(bootstrapped_aws: LocalAws, deployed: Mapping[str, str]) -> Mapping[str, ClientSettings]:
    """The arguments of clients in the name of each user."""
    iam = boto3.client("iam", **bootstrapped_aws.client_settings)
    settings = {}
    for output, user in deployed.items():
        if output.endswith("User"):
            key = iam.create_access_key(UserName=user)["AccessKey"]
            settings[output.removesuffix("User")] = ClientSettings(
                endpoint_url=bootstrapped_aws.endpoint_url,
                region_name=bootstrapped_aws.region,
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            )
    return settings


def _forget_keys(aws: LocalAws, outputs: Mapping[str, str]) -> None:
    iam = boto3.client("iam", **aws.client_settings)
    for output, user in outputs.items():
        if output.endswith("User"):
            for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
                iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def _read_results(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    bucket, _, key = stack["ResultsS3Uri"].removeprefix("s3://").partition("/")
    return boto3.client("s3", **settings).get_object(Bucket=bucket, Key=key)["Body"].read()


def _list_results(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    s3 = boto3.client("s3", **settings)
    return s3.list_objects_v2(Bucket=stack["ResultsBucket"], Prefix="jobs/Granting-Job/")


def _list_all_results(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    return boto3.client("s3", **settings).list_objects_v2(Bucket=stack["ResultsBucket"])


def _write_input(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    del stack
    s3 = boto3.client("s3", **settings)
    return s3.put_object(Bucket=_DATA, Key="given/more.json", Body=b"{}")


def _write_beside_input(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    del stack
    return boto3.client("s3", **settings).put_object(Bucket=_DATA, Key="other", Body=b"{}")


def _cancel(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    return boto3.client("braket", **settings).cancel_job(jobArn=stack["JobArn"])


def _get_job(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    return boto3.client("braket", **settings).get_job(jobArn=stack["JobArn"])


def _read_log(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    logs = boto3.client("logs", **settings)
    [stream] = logs.describe_log_streams(
        logGroupName=JOB_LOG_GROUP, logStreamNamePrefix=f"{stack['JobName']}/"
    )["logStreams"]
    return logs.get_log_events(logGroupName=JOB_LOG_GROUP, logStreamName=stream["logStreamName"])


def _search_jobs(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    del stack
    return boto3.client("braket", **settings).search_jobs(filters=[])


def _put_script(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    s3 = boto3.client("s3", **settings)
    return s3.put_object(
        Bucket=stack["InputsBucket"], Key="scripts/mine/algo.py", Body=b"print('hello')\n"
    )


def _put_record(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    s3 = boto3.client("s3", **settings)
    return s3.put_object(Bucket=stack["InputsBucket"], Key=".cdk-braket/jobs/x", Body=b"{}")


def _create_job(settings: ClientSettings, stack: Mapping[str, str]) -> object:
    name = f"granting-{uuid.uuid4().hex[:8]}"
    script: Any = {
        "entryPoint": "algo",
        "s3Uri": f"s3://{stack['InputsBucket']}/scripts/mine/algo.py",
        "compressionType": "NONE",
    }
    results = f"s3://{stack['ResultsBucket']}/jobs/{name}"
    return boto3.client("braket", **settings).create_job(
        clientToken=str(uuid.uuid4()),
        jobName=name,
        roleArn=stack["RoleArn"],
        algorithmSpecification={"scriptModeConfig": script},
        deviceConfig={"device": "local:braket/default"},
        instanceConfig={"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
        outputDataConfig={"s3Path": f"{results}/data"},
        checkpointConfig={"s3Uri": f"{results}/checkpoints"},
        tags={"by": "hand"},
    )


CALLS: Mapping[str, Call] = {
    "read results": _read_results,
    "list results": _list_results,
    "list all results": _list_all_results,
    "write input": _write_input,
    "write beside input": _write_beside_input,
    "cancel": _cancel,
    "get job": _get_job,
    "read log": _read_log,
    "search jobs": _search_jobs,
    "put script": _put_script,
    "put record": _put_record,
    "create job": _create_job,
}
MAY = {
    "Results": {"read results", "list results"},
    "Input": {"write input"},
    "Cancel": {"cancel", "get job"},
    "Read": {"get job", "read log"},
    "Create": {"put script", "create job"},
    "ReadJobs": {"get job", "search jobs", "read log", "read results", "list results"},
    "CancelJobs": {"get job", "search jobs", "cancel"},
}


@pytest.mark.parametrize("user", MAY)
def test_a_grantee_may_do_exactly_the_granted_actions(
    user: str, users: Mapping[str, ClientSettings], deployed: Mapping[str, str]
) -> None:
    passed = {name for name, call in CALLS.items() if _passes(call, users[user], deployed)}
    assert passed == MAY[user]


def _passes(call: Call, settings: ClientSettings, stack: Mapping[str, str]) -> bool:
    """Return whether a call is allowed, useful or not."""
    try:
        call(settings, stack)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return False
        if error.response["Error"]["Code"] == "ConflictException":
            return True  # the job is over, and cannot be cancelled any more
        raise
    return True
