"""Environments as a platform team has them, and jobs that try to reach beyond theirs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    AlgorithmScript,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    WaitForCompletion,
)

HERE = Path(__file__).parent

Attempts = Mapping[str, Sequence[str]]


class Jobs(Stack):
    """A stack with jobs of one script."""

    def job(
        self,
        id: str,
        environment: HybridJobEnvironment,
        attempts: Attempts | None = None,
        others: Attempts | None = None,
        *,
        isolated: bool = False,
        waits: bool = False,
    ) -> HybridJob:
        """Declare a job that tries something, and put its ARN into the outputs."""
        declared = HybridJob(
            self,
            id,
            environment=environment,
            algorithm=AlgorithmScript.from_asset(HERE / "reaching.py", entry_point="reaching:main"),
            input_data={"words": InputChannel.from_asset(HERE / "words.txt")},
            device=Device.local("braket/default"),
            hyperparameters={
                "attempts": json.dumps(attempts or {}, separators=(",", ":")),
                "others": json.dumps(others or {}, separators=(",", ":")),
                "note": "planted-canary-2c6f",
            },
            isolated=isolated,
            wait_for_completion=WaitForCompletion(fail_stack=False) if waits else None,
        )
        CfnOutput(self, f"{id}Arn", value=declared.job_arn)
        return declared


def reaching(stack: Jobs) -> None:
    """Declare jobs that try to access data of others."""
    own, other = (
        HybridJobEnvironment(stack, name, removal_policy=RemovalPolicy.DESTROY)
        for name in ("Own", "Other")
    )
    neighbour = stack.job("Neighbour", own, waits=True)
    stranger = stack.job("Stranger", other, waits=True)
    results = own.results_bucket.bucket_name
    own_inputs, other_inputs = own.inputs_bucket.bucket_name, other.inputs_bucket.bucket_name
    beyond = {
        "read strange results": _results("read", stranger),
        "list strange results": _results("list", stranger),
        "write strange results": _results("write", stranger),
        "read strange scripts": ["read", other_inputs, "scripts/any"],
        "list strange scripts": ["list", other_inputs, "scripts/"],
        "write its own scripts": ["write", own_inputs, "scripts/any"],
        "write its own inputs": ["write", own_inputs, "inputs/any"],
        "read the handler's records": ["read", own_inputs, ".cdk-braket/jobs/any"],
        "write the handler's records": ["write", own_inputs, ".cdk-braket/jobs/any"],
        "list all of its inputs bucket": ["list", own_inputs, ""],
        "write beside its results": ["write", results, "elsewhere"],
        "call the handler": ["invoke", own.handler_function.function_arn],
        "create a job": ["create", own.role.role_arn],
    }
    of_jobs: dict[str, Sequence[str]] = {
        "see another job": ["see", neighbour.job_arn],
        "search jobs": ["search"],
        "cancel another job": ["cancel", neighbour.job_arn],
        "tag another job": ["tag", neighbour.job_arn],
        "become the handler": ["assume", _role_of(own.handler_function).role_arn],
        "become itself": ["assume", own.role.role_arn],
        "use a strange key": ["encrypt", _key_of(other).key_arn],
        "delete results": ["delete", results, "jobs/any"],
        "delete scripts": ["delete", own_inputs, "scripts/any"],
    }
    of_neighbour = {
        "read neighbour's results": _results("read", neighbour),
        "list neighbour's results": _results("list", neighbour),
        "write neighbour's results": _results("write", neighbour),
        "read another's scripts": ["read", own_inputs, "scripts/any"],
        "list all scripts": ["list", own_inputs, "scripts/"],
        "list all jobs": ["list", results, "jobs/"],
    }
    shared = stack.job("Shared", own, beyond, of_jobs)
    apart = stack.job("Isolated", own, beyond, of_jobs | of_neighbour, isolated=True)
    for job in (shared, apart):
        job.node.add_dependency(neighbour, stranger)


def _role_of(function: lambda_.IFunction) -> iam.IRole:
    assert function.role is not None
    return function.role


def _key_of(environment: HybridJobEnvironment) -> kms.IKey:
    assert environment.encryption_key is not None
    return environment.encryption_key


def _results(call: str, job: HybridJob) -> list[str]:
    return [call, job.results_bucket.bucket_name, f"{job.results_prefix}any"]


def brought(stack: Jobs) -> None:
    """Declare environments on existing resources."""
    for name in ("Given", "Bare"):
        role = iam.Role.from_role_name(stack, f"{name}Role", f"brought-{name.lower()}")
        environment = HybridJobEnvironment(
            stack, name, role=role, removal_policy=RemovalPolicy.DESTROY
        )
        job = stack.job(f"{name}Job", environment)
        if name == "Given":
            policy = iam.ManagedPolicy(stack, "Policy", document=job.execution_policy, roles=[role])
            job.node.add_dependency(policy)
    stack.job(
        "S3ManagedJob",
        HybridJobEnvironment(
            stack,
            "S3Managed",
            encryption=s3.BucketEncryption.S3_MANAGED,
            removal_policy=RemovalPolicy.DESTROY,
        ),
        isolated=True,
    )
    tagged = s3.Bucket(
        stack,
        "Tagged",
        abac_status=True,
        removal_policy=RemovalPolicy.DESTROY,
        auto_delete_objects=True,
    )
    Tags.of(tagged).add("AmazonBraket", "true")
    stack.job(
        "OwnBucketsJob",
        HybridJobEnvironment(
            stack,
            "OwnBuckets",
            inputs_bucket=s3.Bucket.from_bucket_name(stack, "Imported", "brought-and-tagged"),
            results_bucket=tagged,
        ),
    )


def unreached(stack: Jobs) -> None:
    """Declare a job on a bucket that Amazon Braket does not reach."""
    bucket = s3.Bucket.from_bucket_name(stack, "Untagged", "brought-and-untagged")
    environment = HybridJobEnvironment(
        stack, "Environment", results_bucket=bucket, removal_policy=RemovalPolicy.DESTROY
    )
    stack.job("Job", environment)


app = App()
for declare in (reaching, brought, unreached):
    if app.node.get_context("case") == declare.__name__:
        declare(Jobs(app, f"Environments-{declare.__name__}"))
app.synth()
