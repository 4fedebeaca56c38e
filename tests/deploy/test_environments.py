"""Environments deployed, with permissions enforced: their resources, and their separation."""

import json
from typing import TYPE_CHECKING

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import RESULTS_FILE
from cdk_braket_local.control.instance import LocalAws
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results
from tests.deploy.scenarios import scenario
from tests.emulator.jobs import TRUST

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

APP = ROOT / "tests/deploy/apps/environments"


@scenario
def test_a_job_reaches_no_further_than_its_environment(app: CdkApp, aws: LocalAws) -> None:
    (outputs,) = app.deploy(case="reaching").values()
    for name, least in (("SharedArn", 22), ("IsolatedArn", 28)):
        job = finished(aws, outputs[name])
        assert job["status"] == "COMPLETED", job.get("failureReason")
        became = results(aws, _results_uri(job))
        assert became.pop("words") == ["to be read"]
        assert _checkpoint(aws, job) == b"saved"
        assert len(became) == least
        allowed = {what: code for what, code in became.items() if not _is_denial(code)}
        assert allowed == {}, name
    app.destroy(case="reaching")


# tests/synth/test_environments.py has existing resources; test_every_argument.py deploys some.
@pytest.mark.long
@scenario
def test_existing_resources_are_used(app: CdkApp, aws: LocalAws) -> None:
    (outputs,) = app.deploy(case="brought").values()
    jobs = {name.removesuffix("Arn"): finished(aws, arn) for name, arn in outputs.items()}
    bare = jobs.pop("BareJob")
    assert bare["status"] == "FAILED"
    assert "AccessDenied" in bare["failureReason"], bare["failureReason"]
    for name, job in jobs.items():
        assert job["status"] == "COMPLETED", (name, job.get("failureReason"))
        assert results(aws, _results_uri(job)) == {"words": ["to be read"]}
    assert jobs["GivenJob"]["roleArn"].endswith(":role/brought-given")
    assert "kmsKeyId" in jobs["GivenJob"]["outputDataConfig"]
    assert "kmsKeyId" not in jobs["S3ManagedJob"]["outputDataConfig"]
    s3 = boto3.client("s3", **aws.client_settings)
    assert s3.list_objects_v2(Bucket="brought-and-tagged", Prefix="scripts/")["KeyCount"] == 1
    app.destroy(case="brought")


# tests/unit/handler has the report; test_deploy.py has a deployment that fails.
@pytest.mark.long
@scenario
def test_a_bucket_that_braket_does_not_reach_is_reported_with_two_fixes(
    app: CdkApp, aws: LocalAws
) -> None:
    printed = app.fail_to_deploy(case="unreached")
    reported = " ".join(printed.split())
    assert "does not reach the bucket brought-and-untagged" in reported
    assert "a name that begins with amazon-braket-" in reported
    assert "tag it AmazonBraket=true" in reported
    s3 = boto3.client("s3", **aws.client_settings)
    assert s3.list_objects_v2(Bucket="brought-and-untagged")["KeyCount"] == 0
    app.destroy(case="unreached")


@pytest.fixture(scope="module")
def bootstrapped_aws(bootstrapped_aws: LocalAws) -> LocalAws:
    """The local AWS of the session, with the resources that a user brings."""
    _bring(bootstrapped_aws)
    return bootstrapped_aws


def _bring(aws: LocalAws) -> None:
    """Create the resources that a user has before there is an environment."""
    iam = boto3.client("iam", **aws.client_settings)
    for name in ("brought-given", "brought-bare"):
        trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    s3 = boto3.client("s3", **aws.client_settings)
    for name in ("brought-and-tagged", "brought-and-untagged"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(
        Bucket="brought-and-tagged",
        Tagging={"TagSet": [{"Key": "AmazonBraket", "Value": "true"}]},
    )


def _is_denial(code: object) -> bool:
    return code in {"AccessDenied", "AccessDeniedException"}


def _results_uri(job: "GetJobResponseTypeDef") -> str:
    return f"{job['outputDataConfig']['s3Path']}/{RESULTS_FILE}"


def _checkpoint(aws: LocalAws, job: "GetJobResponseTypeDef") -> bytes:
    uri = f"{job['checkpointConfig']['s3Uri']}/saved.txt"
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = boto3.client("s3", **aws.client_settings).get_object(Bucket=bucket, Key=key)["Body"]
    return body.read()
