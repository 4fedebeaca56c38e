"""The resources of a job: buckets, key, role, logs, and one handler in each stack."""

from pathlib import Path
from typing import cast

import pytest
from aws_cdk import App, RemovalPolicy, Stack, Stage
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_braket import ContainerImage, HybridJob
from tests.synth.support import (
    LOCAL,
    Json,
    image_job,
    job_properties,
    new_stack,
    only,
    policies,
    request_of,
    resources,
    text,
)

_LONGEST_BUCKET_NAME = (
    63  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
)
_UUID = "01234567-89ab-cdef-0123-456789abcdef"


def _bucket(stack: Stack, part: str) -> Json:
    [found] = [r for n, r in resources(stack, "AWS::S3::Bucket").items() if f"{part}Bucket" in n]
    return found


def _stack_with_a_job(removal_policy: RemovalPolicy = RemovalPolicy.RETAIN) -> Stack:
    stack = new_stack()
    HybridJob(
        stack, "Job", image=ContainerImage.base(), device=LOCAL, removal_policy=removal_policy
    )
    return stack


@pytest.mark.parametrize("part", ["Inputs", "Results"])
def test_a_data_bucket_is_named_so_that_braket_reaches_it(part: str) -> None:
    properties = cast("Json", _bucket(_stack_with_a_job(), part)["Properties"])
    name = text(properties["BucketName"])
    start, _, rest = name.partition("<")
    assert start.startswith(f"amazon-braket-{part.lower()}-")
    assert "AWS::StackId" in rest
    assert len(start) + len(_UUID) <= _LONGEST_BUCKET_NAME


def test_two_jobs_of_a_stack_have_buckets_of_different_names() -> None:
    stack = new_stack()
    for name in ("One", "Two"):
        image_job(stack, name)
    names = [
        text(cast("Json", resource["Properties"])["BucketName"])
        for resource in resources(stack, "AWS::S3::Bucket").values()
        if "BucketName" in cast("Json", resource["Properties"])
    ]
    assert len(names) == len(set(names)) == 4


@pytest.mark.parametrize("part", ["Inputs", "Results"])
def test_a_data_bucket_is_encrypted_versioned_private_and_logged(part: str) -> None:
    stack = _stack_with_a_job()
    properties = cast("Json", _bucket(stack, part)["Properties"])
    [rule] = cast(
        "list[Json]",
        cast("Json", properties["BucketEncryption"])["ServerSideEncryptionConfiguration"],
    )
    default = cast("Json", rule["ServerSideEncryptionByDefault"])
    assert default["SSEAlgorithm"] == "aws:kms"
    assert "Key" in text(default["KMSMasterKeyID"])
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(cast("Json", properties["PublicAccessBlockConfiguration"]).values()) == {True}
    logging = cast("Json", properties["LoggingConfiguration"])
    assert "AccessLogsBucket" in text(logging["DestinationBucketName"])
    assert logging["LogFilePrefix"] == f"{part.lower()}/"


def test_every_bucket_requires_tls() -> None:
    stack = _stack_with_a_job()
    policies = resources(stack, "AWS::S3::BucketPolicy")
    assert len(policies) == 3
    for policy in policies.values():
        assert "'aws:SecureTransport': 'false'" in text(policy["Properties"])


def test_the_key_is_rotated() -> None:
    assert only(_stack_with_a_job(), "AWS::KMS::Key")["EnableKeyRotation"] is True


def _deletion_policies(stack: Stack) -> dict[str, set[object]]:
    types = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup")
    return {
        kind: {resource["DeletionPolicy"] for resource in resources(stack, kind).values()}
        for kind in types
    }


def test_data_and_logs_are_retained_by_default() -> None:
    stack = _stack_with_a_job()
    assert _deletion_policies(stack) == {
        "AWS::S3::Bucket": {"Retain"},
        "AWS::KMS::Key": {"Retain"},
        "AWS::Logs::LogGroup": {"Retain"},
    }
    assert not resources(stack, "Custom::S3AutoDeleteObjects")


def test_a_destroyed_bucket_is_emptied_first() -> None:
    stack = _stack_with_a_job(RemovalPolicy.DESTROY)
    assert _deletion_policies(stack) == {
        "AWS::S3::Bucket": {"Delete"},
        "AWS::KMS::Key": {"Delete"},
        "AWS::Logs::LogGroup": {"Delete"},
    }
    assert len(resources(stack, "Custom::S3AutoDeleteObjects")) == 3


@pytest.mark.parametrize(
    "order",
    [
        (RemovalPolicy.RETAIN, RemovalPolicy.DESTROY),
        (RemovalPolicy.DESTROY, RemovalPolicy.RETAIN),
    ],
)
def test_the_handlers_logs_stay_if_one_jobs_data_does(order: tuple[RemovalPolicy, ...]) -> None:
    stack = new_stack()
    for index, policy in enumerate(order):
        HybridJob(
            stack,
            f"Job{index}",
            image=ContainerImage.base(),
            device=LOCAL,
            removal_policy=policy,
        )
    assert _deletion_policies(stack)["AWS::Logs::LogGroup"] == {"Retain"}


def test_a_stack_has_one_handler_however_many_jobs_it_has() -> None:
    stack = new_stack()
    for name in ("One", "Two", "Three"):
        image_job(stack, name)
    assert len(resources(stack, "AWS::Lambda::Function")) == 1
    assert len(resources(stack, "AWS::Logs::LogGroup")) == 1
    assert len(resources(stack, "Custom::BraketHybridJob")) == 3


def test_each_stack_has_a_separate_handler() -> None:
    app = App()
    for name in ("One", "Two"):
        image_job(Stack(app, name))
    for stack in app.node.children:
        Template.from_stack(cast("Stack", stack)).resource_count_is("AWS::Lambda::Function", 1)


def test_the_handlers_function_is_small_pinned_and_bounded() -> None:
    function = only(_stack_with_a_job(), "AWS::Lambda::Function")
    assert function["Runtime"] == "python3.14"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 256
    assert function["Handler"] == "braket_jobs.handler.index.handler"
    assert cast("int", function["Timeout"]) < int(
        cast("str", job_properties(_stack_with_a_job())["ServiceTimeout"])
    )


def test_the_logs_of_the_handler_have_a_retention_and_a_separate_group() -> None:
    stack = _stack_with_a_job()
    assert only(stack, "AWS::Logs::LogGroup")["RetentionInDays"] == 365
    [group] = resources(stack, "AWS::Logs::LogGroup")
    function = only(stack, "AWS::Lambda::Function")
    assert cast("Json", function["LoggingConfig"])["LogGroup"] == {"Ref": group}


def test_the_handlers_asset_holds_no_bytecode_and_can_be_imported_alone() -> None:
    stack = new_stack()
    image_job(stack)
    app = cast("App", stack.node.root)
    assembly = app.synth()
    [root] = Path(assembly.directory).glob("asset.*/braket_jobs")
    assert (root / "handler" / "index.py").is_file()
    assert not list(root.rglob("__pycache__"))


def test_the_custom_resource_has_the_contracts_properties() -> None:
    properties = job_properties(_stack_with_a_job())
    assert set(properties) == {
        "DefinitionDigest",
        "Encryption",
        "Records",
        "Request",
        "ServiceTimeout",
        "ServiceToken",
    }
    assert text(properties["Records"]).endswith("/.cdk-braket/jobs")
    assert "InputsBucket" in text(properties["Records"])


def test_the_function_that_empties_buckets_is_deleted_after_the_job() -> None:
    stack = _stack_with_a_job(RemovalPolicy.DESTROY)
    policy = policies(stack)[_policy_of_role(stack)]
    depends = " ".join(cast("list[str]", policy["DependsOn"]))
    for part in ("Inputs", "Results"):
        assert f"{part}BucketAutoDeleteObjects" in depends


def test_the_job_comes_after_the_policy_of_a_role_of_the_users() -> None:
    stack = new_stack()
    role = iam.Role(stack, "Mine", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, role=role)
    [job] = resources(stack, "Custom::BraketHybridJob").values()
    assert any("MineDefaultPolicy" in name for name in cast("list[str]", job["DependsOn"]))


def _policy_of_role(stack: Stack) -> str:
    [name] = [n for n in policies(stack) if "EnvironmentRole" in n]
    return name


def test_the_job_comes_after_all_it_needs_and_goes_before_it() -> None:
    stack = _stack_with_a_job()
    [job] = resources(stack, "Custom::BraketHybridJob").values()
    assert cast("list[str]", job["DependsOn"]) == [_policy_of_role(stack)]
    policy = policies(stack)[_policy_of_role(stack)]
    depends = " ".join(cast("list[str]", policy["DependsOn"]))
    for part in ("InputsBucketPolicy", "ResultsBucketPolicy"):
        assert part in depends
    [function] = resources(stack, "AWS::Lambda::Function").values()
    assert "HandlerRolePolicy" in " ".join(cast("list[str]", function["DependsOn"]))


def test_attributes_are_tokens_for_other_resources() -> None:
    stack = new_stack()
    job = image_job(stack)
    for value, attribute in {
        job.job_arn: "JobArn",
        job.job_id: "JobId",
        job.job_name: "JobName",
        job.results_s3_uri: "ResultsS3Uri",
        job.checkpoint_s3_uri: "CheckpointS3Uri",
        job.log_group_name: "LogGroupName",
        job.log_stream_prefix: "LogStreamPrefix",
    }.items():
        resolved = cast("dict[str, list[str]]", stack.resolve(value))
        assert resolved["Fn::GetAtt"][1] == attribute


def test_a_job_in_a_stage_is_named_after_its_path() -> None:
    stage = Stage(App(), "Prod")
    stack = Stack(stage, "Stack")
    image_job(stack)
    assert str(request_of(stack)["jobName"]).startswith("Prod-Stack-")
