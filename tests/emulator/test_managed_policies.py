"""The local AWS has the managed policy of Braket's service-linked role as AWS publishes it."""

import json

import boto3

from cdk_braket_local.control.instance import LocalAws
from tests.ledger.managed_policies import SERVICE_ROLE


def test_the_service_linked_role_has_the_policy_of_aws(local_aws: LocalAws) -> None:
    iam = boto3.client("iam", **local_aws.client_settings)
    [attached] = iam.list_attached_role_policies(RoleName="AWSServiceRoleForAmazonBraket")[
        "AttachedPolicies"
    ]
    assert attached["PolicyName"] == SERVICE_ROLE.name
    version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
    document = found["PolicyVersion"]["Document"]
    # MiniStack knows no policy variable for the account.
    published = json.dumps(SERVICE_ROLE.document).replace(
        "${aws:PrincipalAccount}", local_aws.account
    )
    assert _sorted(document) == _sorted(json.loads(published))


def _sorted(document: object) -> object:
    if isinstance(document, dict):
        return {name: _sorted(value) for name, value in document.items()}
    if isinstance(document, list) and all(isinstance(each, str) for each in document):
        return sorted(document)
    return [_sorted(each) for each in document] if isinstance(document, list) else document
