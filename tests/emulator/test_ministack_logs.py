"""Policies for log groups have the same form locally as on AWS."""

import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.users import user_who_may

ACTIONS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]


def _write(aws: LocalAws, group: str, resource: str) -> None:
    arn = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{resource}"
    logs = boto3.client("logs", **user_who_may(aws, ACTIONS, [arn]))
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    logs.put_log_events(
        logGroupName=group,
        logStreamName="one",
        logEvents=[{"timestamp": 1_700_000_000_000, "message": "hello"}],
    )


def test_a_policy_on_the_contents_of_a_log_group_lets_write_to_it(local_aws: LocalAws) -> None:
    group = f"/test/{uuid.uuid4()}"
    _write(local_aws, group, f"{group}:*")


def test_a_policy_on_the_bare_group_does_not(local_aws: LocalAws) -> None:
    group = f"/test/{uuid.uuid4()}"
    with pytest.raises(ClientError, match=r"AccessDenied.*CreateLogGroup"):
        _write(local_aws, group, group)


def test_a_policy_on_another_stream_does_not(local_aws: LocalAws) -> None:
    group = f"/test/{uuid.uuid4()}"
    admin = boto3.client("logs", **local_aws.client_settings)
    admin.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{local_aws.region}:{local_aws.account}:log-group:{group}:log-stream:one"
    logs = boto3.client("logs", **user_who_may(local_aws, ["logs:CreateLogStream"], [arn]))
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    with pytest.raises(ClientError, match=r"AccessDenied.*log-stream:two"):
        logs.create_log_stream(logGroupName=group, logStreamName="two")
