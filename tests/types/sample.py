"""An app that uses every public name and every argument of HybridJob, as users write it.

Tests run it, check its types, and compare the request of its first job, which has every member.
"""

from typing import TYPE_CHECKING, Final

from aws_cdk import App, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
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
    Grid,
    HybridJob,
    HybridJobDashboard,
    HybridJobDefinition,
    HybridJobEnvironment,
    HybridJobSweep,
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
    SweepPoints,
    ValidationError,
    WaitForCompletion,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


TAGS: Final = {"team": "chemistry"}

REQUEST: Final["Mapping[str, object]"] = {
    "jobName": "my-job",
    "algorithmSpecification": {
        "scriptModeConfig": {
            "entryPoint": "algo:run",
            "s3Uri": "s3://amazon-braket-mine/a/algo.tar.gz",
            "compressionType": "GZIP",
        },
        "containerImage": {"uri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"},
    },
    "deviceConfig": {"device": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"},
    "instanceConfig": {
        "instanceType": "ml.p3.16xlarge",
        "volumeSizeInGb": 1024,
        "instanceCount": 2,
    },
    "outputDataConfig": {
        "s3Path": "s3://amazon-braket-mine/results/RUNID0000000/data",
        "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/mine",
    },
    "checkpointConfig": {
        "s3Uri": "s3://amazon-braket-mine/ckpt/RUNID0000000/checkpoints",
        "localPath": "/opt/ckpt",
    },
    "inputDataConfig": [
        {
            "channelName": "one",
            "contentType": "text/csv",
            "dataSource": {"s3DataSource": {"s3Uri": "s3://amazon-braket-mine/one/"}},
        },
        {
            "channelName": "two",
            "dataSource": {"s3DataSource": {"s3Uri": "s3://amazon-braket-other/two"}},
        },
    ],
    "hyperParameters": {
        "text": "a",
        "int": "3",
        "float": "0.1",
        "bool": "False",
        "sagemaker_distributed_dataparallel_enabled": "true",
        "sagemaker_instance_type": "ml.p3.16xlarge",
    },
    "stoppingCondition": {"maxRuntimeInSeconds": 7200},
    "associations": [
        {
            "arn": "arn:aws:braket:us-east-1:111122223333:reservation/r",
            "type": "RESERVATION_TIME_WINDOW_ARN",
        }
    ],
}


def arn_of(job: IHybridJob) -> str:
    """A user's function that accepts any job."""
    return job.job_arn


def role_of(environment: IHybridJobEnvironment) -> str:
    """A user's function that accepts any environment."""
    return environment.role.role_arn


def after(job: IHybridJob, environment: IHybridJobEnvironment, topic: sns.ITopic) -> Stack:
    """A function of a user's that treats jobs and environments as any resource."""
    topic.node.add_dependency(job)
    topic.node.add_dependency(environment)
    job.on_state_change("Running", statuses=[JobStatus.RUNNING])
    job.grant(iam.AccountRootPrincipal(), "braket:GetJob")
    return job.stack


def declare_first(stack: Stack) -> HybridJob:
    """Declare a job with every member of CreateJob; `REQUEST` and `TAGS` are the result."""
    bucket = s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/mine")
    hyperparameters: Mapping[str, Hyperparameter] = {
        "text": "a",
        "int": 3,
        "float": 0.1,
        "bool": False,
    }
    return HybridJob(
        stack,
        "First",
        algorithm=AlgorithmScript.from_bucket(
            bucket, "a/algo.tar.gz", entry_point="algo:run", compression=Compression.GZIP
        ),
        image=ContainerImage.from_uri("111122223333.dkr.ecr.us-east-1.amazonaws.com/mine:v1"),
        device=Device.IONQ_FORTE_1,
        hyperparameters=hyperparameters,
        input_data={
            "one": InputChannel.from_bucket(bucket, "one/", content_type="text/csv"),
            "two": InputChannel.from_s3_uri("s3://amazon-braket-other/two"),
        },
        output_data=OutputData(bucket=bucket, prefix="results/", encryption_key=key),
        checkpoint=Checkpoint(local_path="/opt/ckpt", bucket=bucket, prefix="/ckpt"),
        copy_checkpoints_from=CheckpointSource.from_bucket(bucket, "older/checkpoints"),
        instance=InstanceConfig(
            instance_type=InstanceType.P3_16XLARGE,
            volume_size=Size.tebibytes(1),
            instance_count=2,
        ),
        distribution=Distribution.DATA_PARALLEL,
        max_runtime=Duration.hours(2),
        job_name="my-job",
        reservation_arn="arn:aws:braket:us-east-1:111122223333:reservation/r",
        tags=TAGS,
        # For pyright, no class of aws-cdk-lib satisfies its own interfaces: jsii gives their
        # parameters other names. The result of one of their factories does.
        role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/mine"),
        removal_policy=RemovalPolicy.DESTROY,
        on_delete=OnDelete.RETAIN_JOB,
        rerun_trigger="2026-11-23",
        wait_for_completion=WaitForCompletion(timeout=Duration.minutes(30), fail_stack=False),
        disabled_checks=[PreflightCheck.CREDENTIALS],
    )


def declare(stack: Stack) -> list[str]:
    """Declare the first job and others; return the ARNs of some."""
    first = declare_first(stack)
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "amazon-braket-mine")
    repository = ecr.Repository.from_repository_name(stack, "Images", "mine")
    HybridJob(
        stack,
        "Repository",
        device=Device.AMAZON_SV1,
        image=ContainerImage.from_ecr_repository(repository, "v1"),
        max_runtime=Duration.hours(1),
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
        device=sfn.JsonPath.string_at("$.device"),
        allowed_devices=[Device.local("braket/default"), Device.AMAZON_SV1],
        timeout=Duration.hours(2),
    )
    sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(run))
    later.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))
    study = HybridJobSweep(stack, "Study", definition=later, parameters=Grid(seed=[1, 2]))
    study.schedule("Weekly", scheduler.ScheduleExpression.rate(Duration.days(7)))
    points = SweepPoints.from_bucket(bucket, "points.csv")
    HybridJobSweep(stack, "Table", definition=later, parameters=points)
    imported = HybridJob.from_hybrid_job_arn(
        stack, "Other", "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab"
    )
    return [arn_of(first), arn_of(imported), role_of(environment)]


def invalid(stack: Stack) -> tuple[str, ...]:
    """Handle an invalid argument."""
    try:
        HybridJob(stack, "Bad", device=Device.from_arn("SV1"))
    except ValidationError as error:
        return error.problems
    return ()


if __name__ == "__main__":
    declare(Stack(App(), "Stack"))
