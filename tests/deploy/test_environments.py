"""Environments deployed, with permissions enforced: what they are made of, what they keep apart."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import RESULTS_FILE
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import scenarios
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results
from tests.emulator.jobs import TRUST

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

FOLDER = ROOT / "tests/deploy/apps/environments"


def a_job_reaches_no_further_than_its_environment(app: CdkApp, aws: LocalAws) -> None:
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


def what_was_there_before_is_stood_on(app: CdkApp, aws: LocalAws) -> None:
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


def a_bucket_that_braket_does_not_reach_is_told_with_the_two_ways_to_mend_it(
    app: CdkApp, aws: LocalAws
) -> None:
    printed = app.fail_to_deploy(case="unreached")
    told = " ".join(printed.split())
    assert "does not reach the bucket brought-and-untagged" in told
    assert "a name that begins with amazon-braket-" in told
    assert "tag it AmazonBraket=true" in told
    s3 = boto3.client("s3", **aws.client_settings)
    assert s3.list_objects_v2(Bucket="brought-and-untagged")["KeyCount"] == 0
    app.destroy(case="unreached")


SCENARIOS = scenarios.by_name(
    a_job_reaches_no_further_than_its_environment,
    what_was_there_before_is_stood_on,
    a_bucket_that_braket_does_not_reach_is_told_with_the_two_ways_to_mend_it,
)


@pytest.fixture(scope="module")
def played(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[None]]]:
    _bring(bootstrapped_aws)
    scratch = tmp_path_factory.mktemp("environments")
    with scenarios.playing(SCENARIOS, bootstrapped_aws, FOLDER, scratch) as started:
        yield started


@pytest.mark.parametrize("name", SCENARIOS)
def test_environments(name: str, played: Mapping[str, Future[None]]) -> None:
    played[name].result()


def _bring(aws: LocalAws) -> None:
    """Make what a user has before there is an environment."""
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
