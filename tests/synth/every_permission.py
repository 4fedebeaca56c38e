"""A stack in which everything has every permission that the library ever gives it."""

from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    AlgorithmScript,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDashboard,
    HybridJobDefinition,
    HybridJobEnvironment,
    HybridJobSweep,
    InputChannel,
    OutputData,
    WaitForCompletion,
)
from tests.synth.support import ACCOUNT, LOCAL, REGION, new_stack

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "h2_vqe"
_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key"


def every_permission() -> Stack:
    """Declare it."""
    stack = new_stack()
    environment = _environment(stack)
    job = HybridJob(
        stack,
        "Job",
        environment=environment,
        algorithm=AlgorithmScript.from_asset(
            _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
        ),
        input_data={"hamiltonian": InputChannel.from_asset(_EXAMPLE / "data")},
        device=Device.IONQ_FORTE_1,
        max_runtime=Duration.hours(1),
        hyperparameters={"shots": 0},
        copy_checkpoints_from=CheckpointSource.from_bucket(
            s3.Bucket.from_bucket_name(stack, "Older", "amazon-braket-older"), "kept"
        ),
        wait_for_completion=WaitForCompletion(),
    )
    job.on_failed("Failed")
    HybridJob(
        stack,
        "Isolated",
        environment=environment,
        isolated=True,
        algorithm=AlgorithmScript.from_asset(
            _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
        ),
        input_data={"hamiltonian": InputChannel.from_asset(_EXAMPLE / "data")},
        hyperparameters={"shots": 0},
        device=LOCAL,
    )
    _on_resources_of_the_user(stack, environment)
    HybridJobDashboard(stack, "Dashboard", jobs=[job])
    definition = HybridJobDefinition(
        stack,
        "Definition",
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
    )
    definition.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))
    run = definition.run_job_task(stack, "Run")
    sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(run))
    HybridJobSweep(
        stack,
        "Sweep",
        definition=definition,
        parameters=[{"seed": 1}],
        start_on_deploy=True,
    )
    return stack


def _on_resources_of_the_user(stack: Stack, environment: HybridJobEnvironment) -> None:
    key = kms.Key.from_key_arn(stack, "Key", f"{_KEY}/mine")
    mine = s3.Bucket.from_bucket_attributes(
        stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=key
    )
    HybridJob(
        stack,
        "OnMine",
        environment=environment,
        algorithm=AlgorithmScript.from_bucket(mine, "algo.py", entry_point="algo"),
        image=ContainerImage.from_ecr_repository(
            ecr.Repository.from_repository_name(stack, "Images", "mine")
        ),
        input_data={"in": InputChannel.from_bucket(mine, "in/")},
        output_data=OutputData(bucket=s3.Bucket.from_bucket_name(stack, "Tagged", "tagged")),
        device=LOCAL,
    )


def _environment(stack: Stack) -> HybridJobEnvironment:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-east-1a"],
        private_subnet_ids=["subnet-0123456789abcdef0"],
    )
    copies = s3.Bucket.from_bucket_attributes(
        stack,
        "Copies",
        bucket_name="copies",
        encryption_key=kms.Key.from_key_arn(stack, "CopiesKey", f"{_KEY}/copies"),
    )
    return HybridJobEnvironment(stack, "Environment", vpc=vpc, replication_bucket=copies)
