"""The template's order: prerequisites are created before the job, and deleted after it."""

import json
import re
from collections.abc import Callable
from typing import cast

import pytest
from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    Checkpoint,
    ContainerImage,
    HybridJob,
    HybridJobEnvironment,
    OutputData,
)
from tests.synth.support import ACCOUNT, LOCAL, REGION, Json, new_stack, resources, template_of

_JOB = "Custom::BraketHybridJob"


def _before(stack: Stack, logical_id: str) -> set[str]:
    """The resources that CloudFormation creates before one: named by it, and by those in turn."""
    every = cast("dict[str, Json]", template_of(stack)["Resources"])
    found: set[str] = set()
    waiting = [logical_id]
    while waiting:
        resource = every[waiting.pop()]
        named = set(cast("list[str]", resource.get("DependsOn", [])))
        properties = json.dumps(resource.get("Properties", {}))
        named |= set(re.findall(r'"Ref": "(\w+)"', properties))
        named |= set(re.findall(r'"Fn::GetAtt": \["(\w+)"', properties))
        new = (named & every.keys()) - found
        found |= new
        waiting += new
    return found


def _job(stack: Stack, environment: HybridJobEnvironment, **more: object) -> None:
    given: dict[str, object] = {"output_data": None, "checkpoint": None, **more}
    HybridJob(
        stack,
        "Job",
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        output_data=cast("OutputData | None", given["output_data"]),
        checkpoint=cast("Checkpoint | None", given["checkpoint"]),
    )


def _before_job(stack: Stack) -> set[str]:
    [job] = resources(stack, _JOB)
    before = _before(stack, job)
    assert job not in before
    return before


def _replication(stack: Stack) -> None:
    key = kms.Key.from_key_arn(
        stack, "CopiesKey", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-5555555555"
    )
    copies = s3.Bucket.from_bucket_attributes(
        stack, "Copies", bucket_name="copies", encryption_key=key
    )
    _job(stack, HybridJobEnvironment(stack, "Environment", replication_bucket=copies))


def _endpoints(stack: Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0)
    isolated = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    environment = HybridJobEnvironment(stack, "Environment", vpc=vpc, vpc_subnets=isolated)
    _job(stack, environment)
    # Also those that are declared after the job.
    vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    vpc.add_interface_endpoint("Kms", service=ec2.InterfaceVpcEndpointAwsService.KMS)


def _emptied(stack: Stack) -> None:
    environment = HybridJobEnvironment(stack, "Environment", removal_policy=RemovalPolicy.DESTROY)
    _job(stack, environment)


def _emptied_bucket_of_the_user(stack: Stack) -> None:
    mine = s3.Bucket(
        stack,
        "Mine",
        bucket_name="amazon-braket-mine",
        enforce_ssl=True,
        removal_policy=RemovalPolicy.DESTROY,
        auto_delete_objects=True,
    )
    environment = HybridJobEnvironment(stack, "Environment")
    _job(
        stack,
        environment,
        output_data=OutputData(bucket=mine),
        checkpoint=Checkpoint(bucket=mine, prefix="kept"),
    )


def _without_access_logs(stack: Stack, kind: str) -> set[str]:
    """Access logs are delivered hours later: no order helps them."""
    return {name for name in resources(stack, kind) if "AccessLogs" not in name}


def _policies_of(stack: Stack, part: str) -> set[str]:
    policies = resources(stack, "AWS::IAM::ManagedPolicy") | resources(stack, "AWS::IAM::Policy")
    return {name for name in policies if part in name}


@pytest.mark.parametrize(
    ("declare", "prerequisites", "count"),
    [
        (_replication, lambda stack: _policies_of(stack, "Replication"), 1),
        (_endpoints, lambda stack: set(resources(stack, "AWS::EC2::VPCEndpoint")), 2),
        (_emptied, lambda stack: _without_access_logs(stack, "Custom::S3AutoDeleteObjects"), 2),
        (
            _emptied_bucket_of_the_user,
            lambda stack: _without_access_logs(stack, "Custom::S3AutoDeleteObjects"),
            1,
        ),
        (
            _emptied_bucket_of_the_user,
            lambda stack: _without_access_logs(stack, "AWS::S3::BucketPolicy"),
            3,
        ),
    ],
    ids=["replication", "endpoints", "auto-delete", "auto-delete of the user's", "bucket policies"],
)
def test_a_job_comes_after_its_prerequisites(
    declare: Callable[[Stack], None], prerequisites: Callable[[Stack], set[str]], count: int
) -> None:
    stack = new_stack()
    declare(stack)
    needed = prerequisites(stack)
    assert len(needed) >= count
    assert needed - _before_job(stack) == set()


def test_the_policies_of_both_roles_come_before_the_job() -> None:
    stack = new_stack()
    _job(stack, HybridJobEnvironment(stack, "Environment"))
    of_roles = _policies_of(stack, "EnvironmentRole") | _policies_of(stack, "HandlerRole")
    assert len(of_roles) == 2
    assert of_roles - _before_job(stack) == set()


def test_a_job_does_not_wait_for_other_resources() -> None:
    """A check of the test itself: a resource that nothing names is in no order."""
    stack = new_stack()
    _job(stack, HybridJobEnvironment(stack, "Environment"))
    iam.Role(stack, "Other", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    [other] = [name for name in resources(stack, "AWS::IAM::Role") if name.startswith("Other")]
    assert other not in _before_job(stack)
