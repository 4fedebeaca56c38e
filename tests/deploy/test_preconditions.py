"""The deployment reports missing preconditions of the account, before there is a job."""

from pathlib import Path

import boto3

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp

ROLE = "AWSServiceRoleForAmazonBraket"


def test_amazon_braket_is_enabled_in_the_local_aws(local_aws: LocalAws) -> None:
    iam = boto3.client("iam", **local_aws.client_settings)
    role = iam.get_role(RoleName=ROLE)["Role"]
    assert role["Arn"] == (
        f"arn:aws:iam::{local_aws.account}:role/aws-service-role/braket.amazonaws.com/{ROLE}"
    )


def test_an_account_without_braket_gets_the_steps_to_enable_it(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path / "aws") as aws:
        boto3.client("iam", **aws.client_settings).delete_service_linked_role(RoleName=ROLE)
        folder = environments.ROOT / "tests/deploy/apps/patient"
        app = CdkApp(folder, tmp_path, environments.of_command(aws))
        app.bootstrap(stack_name="NotEnabled", seconds=1)
        printed = app.fail_to_deploy(stack_name="NotEnabled", seconds=1)
        assert "create-service-linked-role" in printed
        assert boto3.client("braket", **aws.client_settings).search_jobs(filters=[])["jobs"] == []
