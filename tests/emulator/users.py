"""Users of a local AWS with the permissions of one statement, and no others."""

import json
import uuid
from collections.abc import Mapping, Sequence

import boto3

from cdk_braket_local.control.instance import ClientSettings, LocalAws


def user_who_may(
    aws: LocalAws,
    actions: Sequence[str],
    resources: Sequence[str] = ("*",),
    conditions: Mapping[str, Mapping[str, str]] | None = None,
) -> ClientSettings:
    """Create a user with one statement; return the settings of clients with its credentials."""
    iam = boto3.client("iam", **aws.client_settings)
    name = f"user-{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    statement = {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        "Condition": conditions or {},
    }
    iam.put_user_policy(
        UserName=name,
        PolicyName="only",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return ClientSettings(
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
