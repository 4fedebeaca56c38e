"""The account's state before a deployment: Amazon Braket not enabled, policies not in effect yet.

Both are tried in one local AWS in which policies take effect late, as they do on AWS.
"""

import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from cdk_braket_local.ministack_adapter.environment import IAM_DELAY
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.outcomes import finished

ROLE: Final = "AWSServiceRoleForAmazonBraket"
DELAY_SECONDS: Final = 10
APP: Final = environments.ROOT / "tests/deploy/apps/patient"


@pytest.fixture(scope="module")
def late_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A bootstrapped local AWS in which policies take effect late."""
    scratch = tmp_path_factory.mktemp("late")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(IAM_DELAY, str(DELAY_SECONDS))
        with LocalAws.start(scratch / "aws") as aws:
            _app(aws, scratch).bootstrap(stack_name="Late", seconds=1)
            # The roles of the bootstrapping are in effect, as in an account that is in use.
            time.sleep(DELAY_SECONDS)
            yield aws


def _app(aws: LocalAws, scratch: Path) -> CdkApp:
    return CdkApp(APP, scratch, environments.of_command(aws))


def test_amazon_braket_is_enabled_in_the_local_aws(local_aws: LocalAws) -> None:
    iam = boto3.client("iam", **local_aws.client_settings)
    role = iam.get_role(RoleName=ROLE)["Role"]
    assert role["Arn"] == (
        f"arn:aws:iam::{local_aws.account}:role/aws-service-role/braket.amazonaws.com/{ROLE}"
    )


def test_a_deployment_waits_for_its_own_policies(late_aws: LocalAws, tmp_path: Path) -> None:
    """The handler's first calls are denied, because its role's policy is not in effect yet.

    On a very slow machine the policy is in effect before the handler starts. Then no call is
    denied, and the deployment succeeds without a retry.
    """
    (outputs,) = _app(late_aws, tmp_path).deploy(stack_name="Late", seconds=1).values()
    assert finished(late_aws, outputs["JobArn"])["status"] == "COMPLETED"
    # The policy is attached after its creation began.
    attached = _time_of(late_aws, "HandlerRolePolicy", "CREATE_IN_PROGRESS")
    started = _time_of(late_aws, "Job", "CREATE_COMPLETE")
    assert started.timestamp() >= attached.timestamp() + DELAY_SECONDS


def _time_of(aws: LocalAws, part: str, status: str) -> datetime:
    """When a resource of the stack first had a status; its logical id ends with this part."""
    client = boto3.client("cloudformation", **aws.client_settings)
    return min(
        event["Timestamp"]
        for event in client.describe_stack_events(StackName="Late")["StackEvents"]
        if event["ResourceStatus"] == status
        and re.fullmatch(rf"\w*{part}[0-9A-F]{{8}}", event["LogicalResourceId"])
    )


# tests/unit/handler has the steps.
@pytest.mark.long
def test_an_account_without_braket_gets_the_steps_to_enable_it(
    late_aws: LocalAws, tmp_path: Path
) -> None:
    boto3.client("iam", **late_aws.client_settings).delete_service_linked_role(RoleName=ROLE)
    printed = _app(late_aws, tmp_path).fail_to_deploy(stack_name="NotEnabled", seconds=1)
    assert "create-service-linked-role" in printed
    jobs = boto3.client("braket", **late_aws.client_settings).search_jobs(filters=[])["jobs"]
    assert [job["jobName"] for job in jobs if job["jobName"].startswith("NotEnabled")] == []
