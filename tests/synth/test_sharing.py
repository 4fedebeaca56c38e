"""Many jobs on one environment: in a stack, in other stacks, in other apps."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from aws_cdk import App, Duration, Environment, RemovalPolicy, Stack, Stage
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from cdk_braket import (
    AlgorithmScript,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobEnvironment,
    IHybridJobEnvironment,
    ValidationError,
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
    request_of,
    resources,
    template_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = Path(__file__).parents[2] / "examples" / "h2_vqe"

# Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MOST_BYTES = 1_000_000
MOST_RESOURCES = 500
MANY_JOBS = 480  # with the resources of the environment, almost `MOST_RESOURCES`


def _job(scope: Stack, id: str, environment: IHybridJobEnvironment) -> HybridJob:
    return HybridJob(scope, id, environment=environment, image=ContainerImage.base(), device=LOCAL)


def _two_stacks() -> tuple[Stack, Stack]:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    return Stack(app, "Shared", env=env), Stack(app, "Consumer", env=env)


def _types(stack: Stack) -> list[str]:
    found = cast("Mapping[str, Json]", template_of(stack)["Resources"])
    return sorted(str(resource["Type"]) for resource in found.values())


def test_a_further_job_costs_one_resource() -> None:
    counts = []
    for jobs in (1, 2, 3):
        stack = new_stack()
        environment = HybridJobEnvironment(stack, "Environment")
        for number in range(jobs):
            HybridJob(
                stack,
                f"Job{number}",
                environment=environment,
                algorithm=AlgorithmScript.from_asset(
                    EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
                ),
                device=Device.AMAZON_SV1,
                hyperparameters={"iterations": number + 1},
            )
        counts.append(len(_types(stack)))
    assert [after - before for before, after in itertools.pairwise(counts)] == [1, 1]


# Above, a further job costs one resource; benchmarks/ has the bytes of a template.
@pytest.mark.long
def test_one_environment_serves_480_jobs_of_a_stack(tmp_path: Path) -> None:
    # As the CLI runs an app, with the paths of constructs in the template, but without white space.
    app = App(outdir=str(tmp_path), context={"aws:cdk:enable-path-metadata": True})
    stack = Stack(app, "Sweep", suppress_template_indentation=True)
    environment = HybridJobEnvironment(stack, "Environment")
    script = AlgorithmScript.from_asset(EXAMPLE / "algorithm", entry_point="algorithm.vqe:main")
    for number in range(MANY_JOBS):
        HybridJob(
            stack,
            f"Job{number}",
            environment=environment,
            algorithm=script,
            device=LOCAL,
            hyperparameters={"shots": 0, "iterations": number + 1},
            max_runtime=Duration.minutes(10),
        )
    path = Path(app.synth().get_stack_by_name("Sweep").template_full_path)
    assert path.stat().st_size < MOST_BYTES
    found = cast("Mapping[str, Json]", json.loads(path.read_text())["Resources"])
    assert len(found) <= MOST_RESOURCES
    jobs = [each for each in found.values() if each["Type"] == "Custom::BraketHybridJob"]
    assert len({json.dumps(job["Properties"]) for job in jobs}) == MANY_JOBS


def test_jobs_of_another_stack_use_the_environments_handler_role_and_buckets() -> None:
    shared, consumer = _two_stacks()
    environment = HybridJobEnvironment(shared, "Environment")
    _job(consumer, "Job", environment)
    assert _types(consumer).count("Custom::BraketHybridJob") == 1
    assert "AWS::Lambda::Function" not in _types(consumer)
    assert "AWS::S3::Bucket" not in _types(consumer)
    assert [stack.stack_name for stack in consumer.dependencies] == ["Shared"]
    assert not shared.dependencies


def test_further_permissions_of_a_job_are_in_its_own_stack() -> None:
    shared, consumer = _two_stacks()
    environment = HybridJobEnvironment(shared, "Environment")
    data = s3.Bucket(consumer, "Data", bucket_name="amazon-braket-data")
    for name in ("One", "Two"):
        HybridJob(
            consumer,
            name,
            environment=environment,
            algorithm=AlgorithmScript.from_bucket(data, "algo.py", entry_point="algo"),
            device=Device.AMAZON_SV1,
        )
    attached = policies(consumer)
    assert len(attached) == 2  # for the execution role and for the handler's
    granted = {action for action, _ in allowed(consumer, "BraketHybridJobs")}
    assert {"braket:CreateQuantumTask", "s3:GetObject", "ecr:BatchGetImage"} <= granted
    for job in resources(consumer, "Custom::BraketHybridJob").values():
        assert set(attached) <= set(cast("list[str]", job["DependsOn"]))
    assert not shared.dependencies


def test_a_waiting_job_of_another_stack_has_the_handler_go_on() -> None:
    shared, consumer = _two_stacks()
    environment = HybridJobEnvironment(shared, "Environment")
    HybridJob(
        consumer,
        "Job",
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        wait_for_completion=WaitForCompletion(),
    )
    assert (
        "lambda:InvokeFunction",
        text(shared.resolve(environment.handler_function.function_arn)),
    ) in (allowed(shared, "GoOn"))
    assert not shared.dependencies


def test_an_environment_of_another_app_is_used_and_left_as_it_is() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Environment",
        inputs_bucket_name="amazon-braket-inputs-1",
        results_bucket_name="amazon-braket-results-1",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/jobs",
        handler_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:jobs",
        encryption_key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k",
    )
    _job(stack, "Job", environment)
    assert _types(stack) == ["Custom::BraketHybridJob"]
    request = request_of(stack)
    assert request["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/jobs"
    output = cast("Json", request["outputDataConfig"])
    assert str(output["s3Path"]).startswith("s3://amazon-braket-results-1/jobs/Stack-Job/")
    assert output["kmsKeyId"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"


def test_an_app_imports_the_published_environment_of_another() -> None:
    shared, consumer = new_stack(), new_stack()
    published = HybridJobEnvironment(shared, "Environment")
    published.publish("/quantum/jobs")
    [parameter] = resources(shared, "AWS::SSM::Parameter").values()
    assert cast("Json", parameter["Properties"])["Type"] == "StringList"
    assert any("GoOn" in name for name in policies(shared))
    taken = HybridJobEnvironment.from_parameter_name(consumer, "Environment", "/quantum/jobs")
    _job(consumer, "Job", taken)
    assert _types(consumer) == ["Custom::BraketHybridJob"]
    parameters = cast("Mapping[str, Json]", template_of(consumer)["Parameters"])
    [reference] = [each for each in parameters.values() if each.get("Default") == "/quantum/jobs"]
    assert reference["Type"] == "AWS::SSM::Parameter::Value<List<String>>"


@pytest.mark.parametrize("arguments", [{"removal_policy": RemovalPolicy.DESTROY}])
def test_an_argument_of_the_environment_is_refused_on_the_job(
    arguments: dict[str, RemovalPolicy],
) -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    with pytest.raises(ValidationError, match=r"removal_policy: belongs to the environment"):
        HybridJob(
            stack,
            "Job",
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            removal_policy=arguments["removal_policy"],
        )


def test_a_job_without_an_environment_has_its_own_and_shares_the_stacks_handler() -> None:
    stack = new_stack()
    one, two = image_job(stack, "One"), image_job(stack, "Two")
    assert one.environment is not two.environment
    assert one.environment.handler_function is two.environment.handler_function


def test_an_environment_of_another_region_is_refused() -> None:
    app = App()
    there = Stack(app, "There", env=Environment(account=ACCOUNT, region="us-west-2"))
    here = Stack(app, "Here", env=Environment(account=ACCOUNT, region="us-east-1"))
    environment = HybridJobEnvironment(there, "Environment")
    with pytest.raises(
        ValidationError,
        match="environment: is in region us-west-2, and it would be used in us-east-1",
    ):
        _job(here, "Job", environment)


def test_each_stage_of_a_pipeline_has_an_environment_of_its_account_and_region() -> None:
    app = App()
    for name, region in (("Test", "us-west-2"), ("Prod", "eu-west-2")):
        stage = Stage(app, name, env=Environment(account=ACCOUNT, region=region))
        stack = Stack(stage, "Stack")
        _job(stack, "Job", HybridJobEnvironment(stack, "Environment"))
        assert f".dkr.ecr.{region}." in str(request_of(stack)["algorithmSpecification"])


def test_permissions_missing_on_a_role_of_another_app_are_reported() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment.from_parameter_name(stack, "Environment", "/quantum/jobs")
    _job(stack, "Job", environment)
    Annotations.from_stack(stack).has_info(
        "/Stack/Environment/Role",
        Match.string_like_regexp("nothing was attached to it.*execution_policy"),
    )


def test_a_role_of_another_stack_has_its_policy_before_the_job() -> None:
    theirs, ours = _two_stacks()
    role = iam.Role(theirs, "Role", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
    _job(ours, "Job", HybridJobEnvironment(ours, "Environment", role=role))
    [job] = resources(ours, "Custom::BraketHybridJob").values()
    depends = cast("list[str]", job["DependsOn"])
    assert any("BraketHybridJobs" in name for name in depends if name in policies(ours))
    assert not theirs.dependencies
