"""The permissions of created roles are in managed policies, which never exceed their limit."""

import json
from pathlib import Path
from typing import cast

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDashboard,
    HybridJobEnvironment,
    WaitForCompletion,
)
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    allowed,
    image_job,
    new_stack,
    policies,
    resources,
    template_of,
    text,
)

_MANAGED = "AWS::IAM::ManagedPolicy"
# Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MOST_CHARACTERS = 6144
_MOST_POLICIES_OF_A_ROLE = 10
_LONGEST_ARN = "a" * 128


def _documents(stack: Stack) -> dict[str, Json]:
    found = resources(stack, _MANAGED)
    return {name: cast("Json", resource["Properties"]) for name, resource in found.items()}


def _filled_in(value: object) -> object:
    """A document as CloudFormation would create it, with long names for references."""
    match value:
        case list():
            return [_filled_in(part) for part in value]
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(str(_filled_in(part)) for part in parts)
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return "us-gov-west-1"
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::FindInMap": _}:
            return _LONGEST_ARN
        case dict() if "Fn::Sub" not in value:
            return {key: _filled_in(part) for key, part in value.items()}
    return value


def test_no_role_of_ours_has_an_inline_policy() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    job = HybridJob(
        stack,
        "Job",
        environment=environment,
        image=ContainerImage.base(),
        device=Device.AMAZON_SV1,
        wait_for_completion=WaitForCompletion(),
    )
    job.on_failed("Failed")
    HybridJobDashboard(stack, "Dashboard", jobs=[job])
    assert resources(stack, "AWS::IAM::Policy") == {}
    roles = resources(stack, "AWS::IAM::Role")
    attached = str([document["Roles"] for document in _documents(stack).values()])
    assert [name for name in roles if name not in attached] == []
    for role in roles.values():
        assert "Policies" not in cast("Json", role["Properties"])
        assert "ManagedPolicyArns" not in cast("Json", role["Properties"])


def test_permissions_of_one_of_many_jobs_on_a_shared_role_are_inline() -> None:
    """IAM allows ten managed policies for a role, and limits inline ones only by their size."""
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    isolated = HybridJob(
        stack,
        "Job",
        environment=environment,
        isolated=True,
        image=ContainerImage.base(),
        device=LOCAL,
    )
    [inline] = resources(stack, "AWS::IAM::Policy").values()
    properties = cast("Json", inline["Properties"])
    assert "HandlerRole" in str(properties["Roles"])
    assert "iam:PassRole" in text(properties["PolicyDocument"])
    of_job = stack.resolve(isolated.role.role_name)
    assert [d["Roles"] for d in _documents(stack).values()].count([of_job]) == 1


def test_grants_of_a_user_are_added_there_once() -> None:
    stack = new_stack()
    job = image_job(stack)
    mine = s3.Bucket.from_bucket_name(stack, "Mine", "mine")
    for _ in range(2):
        grant = mine.grant_read(job)
        assert grant.success
    assert ("s3:GetObject*", "arn:<{'Ref': 'AWS::Partition'}>:s3:::mine/*") in allowed(
        stack, "EnvironmentRolePolicy"
    )
    rendered = json.dumps(policies(stack))
    assert rendered.count('"s3:GetObject*"') == 1
    assert resources(stack, "AWS::IAM::Policy") == {}


def test_repeated_grants_need_no_space() -> None:
    stack = new_stack()
    job = image_job(stack)
    mine = s3.Bucket.from_bucket_name(stack, "Mine", "mine")
    for _ in range(40):
        mine.grant_read(job)
    assert len([name for name in _documents(stack) if "EnvironmentRole" in name]) == 1


def test_a_construct_can_depend_on_a_grant() -> None:
    stack = new_stack()
    job = image_job(stack)
    reader = iam.CfnUser(stack, "User")
    grant = s3.Bucket.from_bucket_name(stack, "Mine", "mine").grant_read(job)
    grant.apply_before(reader)
    [user] = resources(stack, "AWS::IAM::User").values()
    [policy] = [name for name in _documents(stack) if "EnvironmentRole" in name]
    assert policy in cast("list[str]", user["DependsOn"])


def test_the_report_of_customized_roles_has_their_permissions() -> None:
    app = App()
    stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region=REGION))
    names = {"Stack/Environment/Role": "jobs", "Stack/BraketHybridJobHandler/Role": "handler"}
    iam.Role.customize_roles(stack, use_precreated_roles=names)
    environment = HybridJobEnvironment(stack, "Environment")
    HybridJob(stack, "Job", environment=environment, image=ContainerImage.base(), device=LOCAL)
    assert not any("IAM" in kind for kind in _types(stack))
    asked = json.loads(Path(app.outdir, "iam-policy-report.json").read_text("utf-8"))["roles"]
    told = {
        role["roleConstructPath"]: json.dumps(role["managedPolicyStatements"]) for role in asked
    }
    assert told.keys() == names.keys()
    assert "s3:PutObject" in told["Stack/Environment/Role"]
    for action in ("braket:CreateJob", "iam:PassRole", "sqs:SendMessage", "s3:PutObject"):
        assert action in told["Stack/BraketHybridJobHandler/Role"]


def _types(stack: Stack) -> set[str]:
    found = cast("Json", template_of(stack)["Resources"])
    return {str(cast("Json", resource)["Type"]) for resource in found.values()}


@pytest.mark.parametrize("buckets", [1, 120])
def test_a_policy_that_is_full_is_followed_by_another(buckets: int) -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(buckets):
        name = f"amazon-braket-{'x' * 40}-{number}"
        s3.Bucket.from_bucket_name(stack, f"B{number}", name).grant_read(environment.role)
    HybridJob(stack, "Job", environment=environment, image=ContainerImage.base(), device=LOCAL)
    of_role = {n: d for n, d in _documents(stack).items() if "EnvironmentRole" in n}
    for document in of_role.values():
        written = json.dumps(_filled_in(document["PolicyDocument"]), separators=(",", ":"))
        assert len(written) <= _MOST_CHARACTERS
    assert len(of_role) <= _MOST_POLICIES_OF_A_ROLE
    assert (len(of_role) == 1) == (buckets == 1)
    granted = {resource for _, resource in allowed(stack, "EnvironmentRolePolicy")}
    assert sum("amazon-braket-xxx" in resource for resource in granted) == 2 * buckets
    # The job waits for one of them, and that for all the others.
    first, *others = of_role
    [made] = resources(stack, "Custom::BraketHybridJob").values()
    assert first in cast("list[str]", made["DependsOn"])
    waits = cast("list[str]", resources(stack, _MANAGED)[first]["DependsOn"])
    assert set(others) <= set(waits)
