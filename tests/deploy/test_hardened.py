"""A hardened environment, deployed: a job runs on it, and its promises hold."""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results

# tests/synth and tests/quality have its resources; test_deploy.py has a job on the default ones.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def outputs(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    app = CdkApp(
        ROOT / "tests/deploy/apps/hardened",
        tmp_path_factory.mktemp("hardened"),
        environments.of_command(bootstrapped_aws),
    )
    (outputs,) = app.deploy().values()
    yield outputs
    app.delete_stacks()


def test_a_job_runs_on_it(bootstrapped_aws: LocalAws, outputs: Mapping[str, str]) -> None:
    job = finished(bootstrapped_aws, outputs["JobArn"])
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert results(bootstrapped_aws, outputs["ResultsS3Uri"])["seed"] == 5


# MiniStack replicates nothing, and knows neither boundaries nor VPC nor dead letters of what
# CloudFormation makes: tests/synth/test_environments.py has those.
def test_results_have_versions_and_access_to_them_is_logged(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    s3: Any = boto3.client("s3", **bootstrapped_aws.client_settings)
    bucket = outputs["ResultsBucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetPrefix"] == "results/"
