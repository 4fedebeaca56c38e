"""The local AWS has the managed policies of Braket's roles as AWS publishes them."""

import json

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.ledger.managed_policies import JOBS_EXECUTION, SERVICE_ROLE, ManagedPolicy


@pytest.mark.parametrize(
    ("role", "policy"),
    [
        ("AWSServiceRoleForAmazonBraket", SERVICE_ROLE),
        ("AmazonBraketJobsExecutionRole", JOBS_EXECUTION),
    ],
)
def test_the_role_has_the_policy_of_aws(
    local_aws: LocalAws, role: str, policy: ManagedPolicy
) -> None:
    iam = boto3.client("iam", **local_aws.client_settings)
    [attached] = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached["PolicyName"] == policy.name
    version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
    document = found["PolicyVersion"]["Document"]
    # MiniStack knows no policy variable for the account.
    published = json.dumps(policy.document).replace("${aws:PrincipalAccount}", local_aws.account)
    assert _sorted(document) == _sorted(json.loads(published))


def _sorted(document: object) -> object:
    if isinstance(document, dict):
        return {name: _sorted(value) for name, value in document.items()}
    if isinstance(document, list) and all(isinstance(each, str) for each in document):
        return sorted(document)
    return [_sorted(each) for each in document] if isinstance(document, list) else document
