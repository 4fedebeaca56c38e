"""The local AWS supplies each condition key of our policies, or the docs state otherwise.

The table is in docs/reference/permissions.md; these tests check each of its lines.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import boto3
import pytest
from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from botocore.exceptions import ClientError

from cdk_braket import HybridJobEnvironment
from cdk_braket_local.control.instance import LocalAws
from cdk_braket_local.ministack_adapter.patches import metric_conditions
from tests import permissions
from tests.emulator.jobs import TRUST, Jobs, Json
from tests.emulator.users import user_who_may
from tests.synth.every_permission import every_permission
from tests.synth.support import LOCAL, HybridJob, new_stack, script

# --- Which keys there are. ---


def _keys(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "Effect" in part:
            for keys in part.get("Condition", {}).values():
                yield from keys
        for value in part.values():
            yield from _keys(value)
    elif isinstance(part, list):
        for value in part:
            yield from _keys(value)


def _variations(directory: Path) -> Iterator[Stack]:
    yield every_permission()
    stack = new_stack()
    environment = HybridJobEnvironment(
        stack, "Checked", checks_caller=True, removal_policy=RemovalPolicy.DESTROY
    )
    job = HybridJob(
        stack, "Job", environment=environment, algorithm=script(directory), device=LOCAL
    )
    user = iam.User(stack, "User")
    environment.grant_create_job(user)
    job.grant_read(user)
    job.grant_cancel(user)
    job.grant_read_results(user)
    job.alarm_on_failure("Alarm")
    job.on_task_state_change("Tasks")
    yield stack


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    stacks = list(_variations(tmp_path_factory.mktemp("script")))
    assert all(isinstance(stack.node.root, App) for stack in stacks)
    return frozenset(key for stack in stacks for key in _keys(Template.from_stack(stack).to_json()))


def _table() -> dict[str, bool]:
    """Return whether the local AWS evaluates a key, according to the page."""
    page = permissions.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (yes|no) \| [^|]+ \|$", page, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {key: said == "yes" for key, said in rows}


def test_the_page_has_each_condition_key_and_no_other(keys: frozenset[str]) -> None:
    assert set(_table()) == keys


# --- What becomes of a request under a condition on each. ---

# Makes a request under a condition, and raises ClientError if it is denied.
_Attempt = Callable[[LocalAws, Mapping[str, Mapping[str, str]]], None]


def _put_metric(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    user = user_who_may(aws, ["cloudwatch:PutMetricData"], conditions=condition)
    boto3.client("cloudwatch", **user).put_metric_data(
        Namespace="/aws/braket", MetricData=[{"MetricName": "energy", "Value": -1.1}]
    )


def _list_objects(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    jobs = Jobs(aws)
    user = user_who_may(aws, ["s3:ListBucket"], conditions=condition)
    boto3.client("s3", **user).list_objects_v2(Bucket=jobs.bucket, Prefix="jobs/a")


def _put_event(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    user = user_who_may(aws, ["events:PutEvents"], conditions=condition)
    answer = boto3.client("events", **user).put_events(
        Entries=[{"Source": "mine", "DetailType": "Change", "Detail": "{}"}]
    )
    assert answer["FailedEntryCount"] == 0


def _encrypt(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    key = boto3.client("kms", **aws.client_settings).create_key()["KeyMetadata"]["KeyId"]
    user = user_who_may(aws, ["kms:Encrypt"], conditions=condition)
    boto3.client("kms", **user).encrypt(
        KeyId=key, Plaintext=b"x", EncryptionContext={"aws:logs:arn": "group"}
    )


def _put_encrypted(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    # Only kms:GenerateDataKey is asked with a service in between.
    [(operator, keys)] = condition.items()
    user = user_who_may(
        aws, ["s3:PutObject", "kms:GenerateDataKey"], conditions={f"{operator}IfExists": keys}
    )
    key = boto3.client("kms", **aws.client_settings).create_key()["KeyMetadata"]["KeyId"]
    boto3.client("s3", **user).put_object(
        Bucket=Jobs(aws).bucket,
        Key="jobs/a",
        Body=b"x",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=key,
    )


def _create_job(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    # Only iam:PassRole is asked with a service.
    [(operator, keys)] = condition.items()
    user = user_who_may(
        aws, ["braket:CreateJob", "iam:PassRole"], conditions={f"{operator}IfExists": keys}
    )
    request = Jobs(aws).request("def main(): pass")
    boto3.client("braket", **user).create_job(**request)


def _run_job(aws: LocalAws, condition: Mapping[str, Mapping[str, str]]) -> None:
    trust: Json = {**TRUST, "Condition": condition}
    job = Jobs(aws, trust=trust).run("def main(): pass")
    if job["status"] != "COMPLETED":
        assert "sts:AssumeRole" in job["failureReason"]
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")


# By key: the request, and a condition that is met by it on AWS, and one that is not.
_ATTEMPTS: Final[Mapping[str, tuple[_Attempt, str, str, str]]] = {
    "cloudwatch:namespace": (_put_metric, "StringEquals", "/aws/braket", "other"),
    "s3:prefix": (_list_objects, "StringLike", "jobs/*", "other/*"),
    "s3:TlsVersion": (_list_objects, "NumericGreaterThanEquals", "1.2", "9"),
    "aws:PrincipalArn": (
        _list_objects,
        "ArnLike",
        "arn:aws:iam::*:user/*",
        "arn:aws:iam::*:role/*",
    ),
    "aws:SecureTransport": (_list_objects, "Bool", "true", "false"),
    "events:source": (_put_event, "StringEquals", "mine", "yours"),
    "events:detail-type": (_put_event, "StringEquals", "Change", "Other"),
    "kms:EncryptionContext:aws:logs:arn": (_encrypt, "StringEquals", "group", "other"),
    "kms:CallerAccount": (_encrypt, "StringEquals", "0" * 12, "1" * 12),
    "kms:ViaService": (
        _put_encrypted,
        "StringEquals",
        "s3.us-east-1.amazonaws.com",
        "sqs.us-east-1.amazonaws.com",
    ),
    "iam:PassedToService": (
        _create_job,
        "StringEquals",
        "braket.amazonaws.com",
        "lambda.amazonaws.com",
    ),
    "aws:SourceAccount": (_run_job, "StringEquals", "0" * 12, "1" * 12),
    "aws:SourceArn": (_run_job, "ArnLike", "arn:aws:braket:*:*:job/*", "arn:aws:lambda:*:*:*"),
}


@pytest.mark.parametrize("key", sorted(_table()))
def test_the_page_describes_the_evaluation_of_each_key(local_aws: LocalAws, key: str) -> None:
    attempt, operator, met, unmet = _ATTEMPTS[key]
    if _table()[key]:
        attempt(local_aws, {operator: {key: met}})
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt(local_aws, {operator: {key: met}})
    with pytest.raises(ClientError, match="AccessDenied"):
        attempt(local_aws, {operator: {key: unmet}})


def test_a_script_puts_metrics_with_our_role(local_aws: LocalAws) -> None:
    jobs = Jobs(local_aws)
    statement = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/braket"}},
    }
    boto3.client("iam", **local_aws.client_settings).put_role_policy(
        RoleName=jobs.name,
        PolicyName="metrics",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    script = (
        "import boto3, os\n"
        "def main():\n"
        "    metrics = [{'MetricName': 'energy', 'Value': -1.1}]\n"
        "    cloudwatch = boto3.client('cloudwatch')\n"
        "    cloudwatch.put_metric_data(Namespace='/aws/braket', MetricData=metrics)\n"
        "    cloudwatch.put_metric_data(Namespace='other', MetricData=metrics)\n"
    )
    job = jobs.run(script)
    assert "AccessDenied" in job["failureReason"]
    assert "line 6, in main" in jobs.log(job), "the other namespace is denied, and not ours"


@pytest.mark.parametrize(
    ("body", "params", "namespace"),
    [
        (b'{"Namespace": "a"}', {}, "a"),
        (b"Action=PutMetricData", {"Namespace": ["a"]}, "a"),
        (b"", {"Namespace": "a"}, "a"),
        (b'{"Namespace": "a"}', {"Namespace": ["b"]}, None),
        (b'{"Namespace": ["a"]}', {}, None),
        (b"[" * 100_000, {}, None),
        (b"[]", {}, None),
        (b"\xff", {}, None),
    ],
)
def test_the_namespace_is_read_in_both_protocols(
    body: bytes, params: dict[str, object], namespace: str | None
) -> None:
    assert metric_conditions._namespace(body, params) == namespace
