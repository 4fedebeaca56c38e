"""Limits of AWS that only a deployment would meet are counted at synth."""

import re
from typing import cast

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from cdk_braket import ContainerImage, HybridJob, HybridJobEnvironment, OutputData
from tests.synth.support import ACCOUNT, LOCAL, REGION, Json, new_stack, resources


def _job(stack: Stack, id: str, environment: HybridJobEnvironment, **more: object) -> HybridJob:
    return HybridJob(
        stack,
        id,
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        **more,  # type: ignore[arg-type]  # one way for all
    )


def _on_own_buckets(stack: Stack, environment: HybridJobEnvironment, jobs: int) -> None:
    for number in range(jobs):
        bucket = s3.Bucket.from_bucket_name(stack, f"B{number}", f"amazon-braket-{number:03}")
        _job(stack, f"Job{number}", environment, output_data=OutputData(bucket=bucket))


def _refusal(stack: Stack) -> str:
    with pytest.raises(RuntimeError, match="Validation failed") as failure:
        _synthesize(stack)
    return str(failure.value)


def _synthesize(stack: Stack) -> None:
    cast("App", stack.node.root).synth()


def _policies(role: iam.IRole) -> int:
    return len([each for each in role.node.children if isinstance(each, iam.ManagedPolicy)])


def _fill(environment: HybridJobEnvironment) -> int:
    """Grant more than ten policies have room for; return how many there are."""
    objects = [f"arn:aws:s3:::amazon-braket-mine/{'x' * 150}-{number}" for number in range(30)]
    for number in range(12):
        environment.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=objects,
                conditions={"StringEquals": {"s3:VersionId": f"v{number}"}},
            )
        )
    return _policies(environment.role)


def test_the_policies_of_120_jobs_with_buckets_of_their_own_fit() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    _on_own_buckets(stack, environment, 120)
    assert _policies(environment.role) <= 10
    _synthesize(stack)


def test_more_managed_policies_than_a_role_takes_are_refused_with_their_number() -> None:
    stack = new_stack()
    count = _fill(HybridJobEnvironment(stack, "Environment"))
    assert count > 10
    text = _refusal(stack)
    assert f"[Stack/Environment/Role] has {count} managed policies" in text
    assert "attaches 10 to a role" in text


def test_a_raised_quota_of_managed_policies_is_told_by_the_context() -> None:
    stack = new_stack(context={"cdk-braket:managed-policies-per-role": 20})
    assert 10 < _fill(HybridJobEnvironment(stack, "Environment")) <= 20
    _synthesize(stack)


def test_managed_policies_of_the_users_count_too() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(10):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/p{number}"
        environment.role.add_managed_policy(
            iam.ManagedPolicy.from_managed_policy_arn(stack, f"P{number}", arn)
        )
    assert "has 11 managed policies" in _refusal(stack)


@pytest.mark.parametrize("jobs", [30, 40])
def test_inline_policies_of_isolated_jobs_are_counted(jobs: int) -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(jobs):
        _job(stack, f"Job{number}", environment, isolated=True)
    if jobs == 30:
        _synthesize(stack)
        return
    text = _refusal(stack)
    assert f"BraketHybridJobHandler/Role] has {jobs} inline policies" in text
    fit = int(re.findall(r"(\d+) of them fit", text)[0])
    assert 30 <= fit < jobs


def test_policies_of_other_stacks_on_a_role_count_too() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    shared = HybridJobEnvironment(Stack(app, "Shared", env=env), "Environment")
    for name in ("One", "Two"):
        consumer = Stack(app, name, env=env)
        for number in range(20):
            _job(consumer, f"Job{number}", shared, isolated=True)
    text = _refusal(Stack.of(shared))
    # Besides those of the jobs, one of each stack has what the handler needs for its jobs.
    assert re.search(r"BraketHybridJobHandler/Role\] has 4[0-9] inline policies", text)


@pytest.mark.parametrize("id", ["Moleküle", "分子"])
def test_descriptions_are_latin_1(id: str) -> None:
    stack = new_stack()
    _job(stack, id, HybridJobEnvironment(stack, f"{id}Environment"), isolated=True)
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for resource in resources(stack, kind).values():
            description = str(cast("Json", resource["Properties"])["Description"])
            description.encode("latin-1")
            assert (id in description) <= (id == "Moleküle")
