"""The constructs behave as CDK's own do: escape hatches, removal policies, grants, interfaces."""

from typing import cast

import pytest
from aws_cdk import App, CfnResource, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import IConstruct

import cdk_braket
from cdk_braket import (
    HybridJob,
    HybridJobEnvironment,
    IHybridJob,
    IHybridJobEnvironment,
    JobStatus,
    ValidationError,
)
from tests import public_api
from tests.synth.support import (
    Json,
    image_job,
    job_properties,
    many,
    new_stack,
    only,
    resources,
    statements,
    text,
)

ARN = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46"


def properties_of(resource: Json) -> Json:
    return cast("Json", resource["Properties"])


def _escape(construct: IConstruct, name: str) -> None:
    resource = construct.node.default_child
    assert isinstance(resource, CfnResource), construct.node.path
    resource.add_property_override(name, "overridden")


def test_an_escape_hatch_reaches_the_resource_of_the_job() -> None:
    stack = new_stack()
    _escape(image_job(stack), "Later")
    assert job_properties(stack)["Later"] == "overridden"


def test_an_escape_hatch_reaches_each_bucket_and_the_function() -> None:
    stack = new_stack()
    environment = image_job(stack).environment
    for construct in (environment.inputs_bucket, environment.results_bucket):
        _escape(construct, "Later")
    _escape(environment.handler_function, "Later")
    buckets = resources(stack, "AWS::S3::Bucket").values()
    overridden = [each for each in buckets if properties_of(each).get("Later") == "overridden"]
    assert len(overridden) == 2
    assert only(stack, "AWS::Lambda::Function")["Later"] == "overridden"


def test_a_removal_policy_applies_to_the_resource_of_the_job() -> None:
    stack = new_stack()
    image_job(stack).apply_removal_policy(RemovalPolicy.RETAIN)
    [job] = resources(stack, "Custom::BraketHybridJob").values()
    assert job["DeletionPolicy"] == "Retain"


def test_a_removal_policy_that_cannot_apply_is_refused_with_a_fix() -> None:
    stack = new_stack()
    imported = HybridJob.from_hybrid_job_arn(stack, "Other", ARN)
    environment = HybridJobEnvironment(stack, "Environment")
    refused: list[tuple[IHybridJob | IHybridJobEnvironment, str]] = [
        (imported, "where the job is declared"),
        (environment, r"HybridJobEnvironment\(…, removal_policy=…\)"),
    ]
    for construct, fix in refused:
        with pytest.raises(ValidationError, match=fix):
            construct.apply_removal_policy(RemovalPolicy.RETAIN)


def test_jobs_and_environments_are_resources_in_their_interfaces() -> None:
    """The signatures count here: mypy and pyright check this file as well."""

    def follow(job: IHybridJob, environment: IHybridJobEnvironment, topic: sns.ITopic) -> Stack:
        topic.node.add_dependency(job)
        topic.node.add_dependency(environment)
        assert job.env.region == environment.env.region
        return job.stack

    stack = new_stack()
    job = image_job(stack)
    topic = sns.Topic(stack, "Topic")
    assert follow(job, job.environment, cast("sns.ITopic", topic)) is stack


def test_any_action_on_the_job_can_be_granted_and_only_on_it() -> None:
    stack = new_stack()
    role = iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal())
    job = image_job(stack)
    grant = job.grant(role, "braket:GetJob", "braket:TagResource")
    grant.assert_success()
    assert [
        each["Action"]
        for each in statements(stack, "Role")
        if many(each["Action"]) == ["braket:GetJob", "braket:TagResource"]
        and text(each["Resource"]) == text(stack.resolve(job.job_arn))
    ]


def test_a_hybrid_job_is_distinguished_from_other_constructs() -> None:
    stack = new_stack()
    job = image_job(stack)
    assert HybridJob.is_hybrid_job(job)
    assert not HybridJob.is_hybrid_job(HybridJob.from_hybrid_job_arn(stack, "Other", ARN))
    assert not HybridJob.is_hybrid_job(s3.Bucket(stack, "Bucket"))


def test_a_published_environment_begins_with_the_version_of_its_format() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment").publish("/quantum/jobs")
    value = cast("Json", only(stack, "AWS::SSM::Parameter")["Value"])
    [_, parts] = cast("list[list[object]]", value["Fn::Join"])
    assert parts[0] == "1"


@pytest.mark.parametrize("name", [name for name in public_api.NAMES if name != "Hyperparameter"])
def test_a_public_class_names_the_package_as_its_module(name: str) -> None:
    assert getattr(cdk_braket, name).__module__ == "cdk_braket"


def test_internal_names_are_not_public() -> None:
    job = image_job(Stack(App(), "Stack"))
    for name in ("results_location", "definition_digest", "catching_up_function"):
        assert not hasattr(job, name)
    for name in ("outlasts_jobs", "job_prerequisites"):
        assert not hasattr(HybridJobEnvironment, name)


def test_a_status_is_the_text_of_the_api() -> None:
    rule = image_job(new_stack()).on_state_change("Rule", statuses=[JobStatus.RUNNING])
    assert rule.node.id == "Rule"
