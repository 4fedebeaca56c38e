"""Deployments that wait for their job."""

from typing import cast

import pytest
from aws_cdk import CfnParameter, Duration
from aws_cdk.assertions import Template

from cdk_braket import ContainerImage, HybridJob, ValidationError, WaitForCompletion
from cdk_braket._lambda.braket_jobs.handler.properties import Wait, read_wait
from cdk_braket.core.timeouts import LONGEST_WAIT
from tests.synth.support import (
    LOCAL,
    Json,
    as_sent,
    image_job,
    job_properties,
    new_stack,
    policies,
    resources,
)


def _waiting(timeout: Duration, *, fail_stack: bool = True) -> HybridJob:
    wait = WaitForCompletion(timeout=timeout, fail_stack=fail_stack)
    return HybridJob(
        new_stack(), "Job", image=ContainerImage.base(), device=LOCAL, wait_for_completion=wait
    )


def test_a_deployment_does_not_wait_by_default() -> None:
    stack = new_stack()
    job = image_job(stack)
    properties = job_properties(stack)
    assert "WaitForCompletion" not in properties
    assert properties["ServiceTimeout"] == "900"
    assert "GoOn" not in str(list(policies(stack)))
    for attribute in ("job_status", "failure_reason"):
        with pytest.raises(ValidationError, match=rf"\[Stack/Job\] {attribute}: .*wait_for"):
            getattr(job, attribute)


def test_the_options_reach_the_handler() -> None:
    job = _waiting(Duration.minutes(20), fail_stack=False)
    properties = job_properties(job.stack)
    assert properties["WaitForCompletion"] == {"TimeoutSeconds": 1200, "FailStack": False}
    assert read_wait(as_sent(properties)) == Wait(1200, fails_stack=False)
    assert properties["ServiceTimeout"] == str(1200 + 300)
    assert "JobStatus" in str(job.stack.resolve(job.job_status))
    assert "FailureReason" in str(job.stack.resolve(job.failure_reason))


@pytest.mark.parametrize(
    ("seconds", "service_timeout"), [(1, "900"), (600, "900"), (LONGEST_WAIT, "3600")]
)
def test_cloudformation_waits_a_little_longer_never_more_than_an_hour(
    seconds: int, service_timeout: str
) -> None:
    job = _waiting(Duration.seconds(seconds))
    assert job_properties(job.stack)["ServiceTimeout"] == service_timeout


def test_a_time_that_is_a_token_is_waited_for_with_all_the_time_there_is() -> None:
    stack = new_stack()
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    wait = WaitForCompletion(timeout=Duration.seconds(seconds))
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, wait_for_completion=wait)
    assert job_properties(stack)["ServiceTimeout"] == "3600"
    rendered = cast("Json", job_properties(stack)["WaitForCompletion"])
    assert rendered["TimeoutSeconds"] == {"Ref": "Seconds"}


@pytest.mark.parametrize("seconds", [0, LONGEST_WAIT + 1])
def test_a_time_that_cloudformation_does_not_wait_is_refused(seconds: int) -> None:
    with pytest.raises(
        ValidationError, match=r"wait_for_completion\.timeout: expected whole seconds, from 1 s"
    ):
        _waiting(Duration.seconds(seconds))


def test_the_function_may_run_itself_again_and_no_other() -> None:
    stack = _waiting(Duration.minutes(20)).stack
    [name] = [name for name in policies(stack) if "GoOn" in name]
    [function] = resources(stack, "AWS::Lambda::Function")
    statement = {
        "Action": "lambda:InvokeFunction",
        "Effect": "Allow",
        "Resource": {"Fn::GetAtt": [function, "Arn"]},
    }
    Template.from_stack(stack).has_resource_properties(
        "AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [statement]}}
    )
    [job] = resources(stack, "Custom::BraketHybridJob").values()
    assert name in str(job["DependsOn"]), "it has to be there before the wait"


def test_two_jobs_that_wait_share_the_permission() -> None:
    stack = _waiting(Duration.minutes(20)).stack
    wait = WaitForCompletion()
    HybridJob(stack, "Other", image=ContainerImage.base(), device=LOCAL, wait_for_completion=wait)
    assert sum("GoOn" in name for name in policies(stack)) == 1


def test_a_rerun_trigger_is_a_separate_property() -> None:
    stack = new_stack()
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, rerun_trigger="again")
    assert job_properties(stack)["RerunToken"] == "again"
    other = new_stack()
    image_job(other)
    assert "RerunToken" not in job_properties(other)
