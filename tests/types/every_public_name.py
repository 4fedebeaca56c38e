"""What a user writes, with every public name, for the type checkers. It also runs."""

from typing import TYPE_CHECKING

from aws_cdk import App, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    Compression,
    ContainerImage,
    Device,
    Distribution,
    HybridJob,
    HybridJobDashboard,
    HybridJobDefinition,
    HybridJobEnvironment,
    Hyperparameter,
    IHybridJob,
    IHybridJobEnvironment,
    InputChannel,
    InstanceConfig,
    InstanceType,
    JobStatus,
    OnDelete,
    OutputData,
    PreflightCheck,
    SpendingLimit,
    ValidationError,
    WaitForCompletion,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def arn_of(job: IHybridJob) -> str:
    """A function of a user's that takes any job."""
    return job.job_arn


def role_of(environment: IHybridJobEnvironment) -> str:
    """A function of a user's that takes any environment."""
    return environment.role.role_arn


def after(job: IHybridJob, environment: IHybridJobEnvironment, topic: sns.ITopic) -> Stack:
    """A function of a user's that treats jobs and environments as any resource."""
    topic.node.add_dependency(job)
    topic.node.add_dependency(environment)
    job.on_state_change("Running", statuses=[JobStatus.RUNNING])
    job.grant(iam.AccountRootPrincipal(), "braket:GetJob")
    return job.stack


def declare(stack: Stack) -> list[str]:
    """Declare jobs with every argument; returns their ARNs."""
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    repository = ecr.Repository.from_repository_name(stack, "Images", "mine")
    hyperparameters: Mapping[str, Hyperparameter] = {
        "a": "b",
        "c": 1,
        "d": 0.5,
        "e": True,
    }
    first = HybridJob(
        stack,
        "First",
        device=Device.AMAZON_SV1,
        algorithm=AlgorithmScript.from_bucket(
            bucket, "algo.py", entry_point="algo", compression=Compression.NONE
        ),
        image=ContainerImage.from_ecr_repository(repository, "v1"),
        hyperparameters=hyperparameters,
        input_data={
            "bucket": InputChannel.from_bucket(bucket, "in/", content_type="text/csv"),
            "uri": InputChannel.from_s3_uri("s3://amazon-braket-mine/other"),
        },
        output_data=OutputData(bucket=bucket, prefix="out"),
        checkpoint=Checkpoint(local_path="/opt/jobs/checkpoints", bucket=bucket, prefix="ckpt"),
        copy_checkpoints_from=CheckpointSource.from_bucket(bucket, "older/checkpoints"),
        instance=InstanceConfig(
            instance_type=InstanceType.C5_2XLARGE,
            volume_size=Size.gibibytes(10),
            instance_count=2,
        ),
        distribution=Distribution.DATA_PARALLEL,
        max_runtime=Duration.hours(1),
        job_name="first",
        reservation_arn="arn:aws:braket:us-east-1:111122223333:reservation/r",
        tags={"team": "chemistry"},
        # For pyright, no class of aws-cdk-lib is what its own interfaces ask for: jsii gives their
        # parameters other names. What a factory of theirs returns is.
        role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/mine"),
        removal_policy=RemovalPolicy.DESTROY,
        on_delete=OnDelete.RETAIN_JOB,
        rerun_trigger="2026-11-23",
        wait_for_completion=WaitForCompletion(timeout=Duration.minutes(30), fail_stack=False),
        disabled_checks=[PreflightCheck.CREDENTIALS],
    )
    HybridJob(
        stack,
        "Second",
        device=Device.local("braket/default"),
        image=ContainerImage.pytorch(),
        distribution="data_parallel",
    )
    HybridJob(
        stack,
        "Guarded",
        device=Device.IONQ_FORTE_1,
        image=ContainerImage.base(),
        max_runtime=Duration.hours(1),
        spending_limit=SpendingLimit(
            stack, "Limit", device=Device.IONQ_FORTE_1, spending_limit="250.00"
        ),
    )
    HybridJobDashboard(stack, "Board", jobs=[first], algorithm_metrics=["energy"])
    bucket.grant_read(first)
    environment = HybridJobEnvironment(stack, "Environment")
    HybridJob(
        stack,
        "Third",
        environment=environment,
        isolated=True,
        device=Device.local("braket/default"),
        image=ContainerImage.base(),
    )
    later = HybridJobDefinition(
        stack,
        "Later",
        environment=environment,
        device=Device.local("braket/default"),
        image=ContainerImage.base(),
    )
    run = later.run_job_task(
        stack,
        "Run",
        hyperparameters={"shots": sfn.JsonPath.number_at("$.shots"), "seed": 7},
        timeout=Duration.hours(2),
    )
    sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(run))
    later.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))
    imported = HybridJob.from_hybrid_job_arn(
        stack, "Other", "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab"
    )
    return [arn_of(first), arn_of(imported), role_of(environment)]


def refused(stack: Stack) -> tuple[str, ...]:
    """Handle what is refused."""
    try:
        HybridJob(stack, "Bad", device=Device.from_arn("SV1"))
    except ValidationError as error:
        return error.problems
    return ()


if __name__ == "__main__":
    declare(Stack(App(), "Stack"))
