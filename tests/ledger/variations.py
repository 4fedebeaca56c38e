"""The apps of the ledger: each way to declare a job, and the examples."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from aws_cdk import App, Duration, Environment, NestedStack, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
    WaitForCompletion,
)
from cdk_braket.request.container_image import REGIONS
from examples.every_argument.app import ScanStack
from examples.verify_on_aws.app import VerifyStack
from stacks.hybrid_job_stack import HybridJobStack
from stacks.many_jobs_stack import ManyJobsStack
from stacks.nightly_stack import NightlyStack
from stacks.results_reader_stack import ResultsReaderStack
from tests.ledger.calls import Call, calls
from tests.ledger.deployment import Deployment
from tests.ledger.policies import Policies
from tests.synth.support import ACCOUNT, LOCAL, REGION

_EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "h2_vqe"
_ENV: Final = Environment(account=ACCOUNT, region=REGION)


def _stack(app: App, name: str = "Stack", region: str = REGION) -> Stack:
    return Stack(app, name, env=Environment(account=ACCOUNT, region=region))


def _job(scope: Stack, id: str = "Job", **arguments: object) -> HybridJob:
    given: dict[str, Any] = {"image": ContainerImage.base(), "device": Device.AMAZON_SV1}
    given |= arguments
    return HybridJob(scope, id, **given)


def _files() -> dict[str, Any]:
    """A script and an input of the app."""
    return {
        "image": None,
        "algorithm": AlgorithmScript.from_asset(
            _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
        ),
        "input_data": {"hamiltonian": InputChannel.from_asset(_EXAMPLE / "data")},
        "hyperparameters": {"shots": 0},
    }


def _mine(stack: Stack, key: kms.IKey | None = None) -> s3.Bucket:
    return s3.Bucket(stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=key)


def _plain(app: App) -> None:
    _job(_stack(app), **_files())


def _embedded(app: App) -> None:
    _job(_stack(app), device=LOCAL)


def _qpu(app: App) -> None:
    _job(_stack(app), device=Device.IONQ_FORTE_1, max_runtime=Duration.hours(1))


def _own_bucket(app: App) -> None:
    stack = _stack(app)
    bucket = _mine(stack, kms.Key(stack, "Key"))
    _job(
        stack,
        output_data=OutputData(bucket=bucket),
        checkpoint=Checkpoint(bucket=bucket, prefix="kept"),
    )


def _own_key(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", encryption_key=kms.Key(stack, "Key"))
    _job(stack, environment=environment)


def _output_key(app: App) -> None:
    stack = _stack(app)
    _job(stack, output_data=OutputData(encryption_key=kms.Key(stack, "Key")))


def _alias(app: App) -> None:
    stack = _stack(app)
    alias = kms.Key(stack, "Key").add_alias("mine")
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=alias))


def _imported_alias(app: App) -> None:
    stack = _stack(app)
    alias = kms.Alias.from_alias_name(stack, "Alias", "alias/mine")
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=alias))


def _key_of_another_stack(app: App) -> None:
    key = kms.Key(_stack(app, "Keys"), "Key")
    stack = _stack(app)
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=key))


def _nested(app: App) -> None:
    _job(NestedStack(_stack(app), "Nested"))


def _isolated(app: App) -> None:
    stack = _stack(app)
    _job(stack, environment=HybridJobEnvironment(stack, "Environment"), isolated=True, **_files())


def _isolated_on_own_bucket(app: App) -> None:
    stack = _stack(app)
    _job(stack, isolated=True, output_data=OutputData(bucket=_mine(stack), prefix="out"))


def _own_role(app: App) -> None:
    stack = _stack(app)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
    _job(stack, role=role)


def _own_prefix(app: App) -> None:
    _job(
        _stack(app),
        output_data=OutputData(prefix="mine"),
        checkpoint=Checkpoint(prefix="kept"),
    )


def _imported_environment(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Environment",
        inputs_bucket_name="amazon-braket-inputs-1",
        results_bucket_name="amazon-braket-results-1",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/jobs",
        handler_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:jobs",
        encryption_key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs",
    )
    _job(stack, environment=environment, isolated=True)


def _vpc(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", vpc=ec2.Vpc(stack, "Vpc"))
    _job(stack, environment=environment)


def _replicas(stack: Stack) -> s3.IBucket:
    return s3.Bucket.from_bucket_attributes(
        stack,
        "Copies",
        bucket_name="copies",
        encryption_key=kms.Key.from_key_arn(
            stack, "CopiesKey", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/copies"
        ),
    )


def _replication(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", replication_bucket=_replicas(stack))
    _job(stack, environment=environment)


def _hardened(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment.hardened(
        stack,
        "Environment",
        vpc=ec2.Vpc(stack, "Vpc"),
        access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "logs"),
        replication_bucket=_replicas(stack),
    )
    _job(stack, environment=environment)


def _definition(stack: Stack) -> HybridJobDefinition:
    return HybridJobDefinition(
        stack, "Definition", image=ContainerImage.base(), device=Device.AMAZON_SV1
    )


def _state_machine(app: App) -> None:
    stack = _stack(app)
    run = _definition(stack).run_job_task(stack, "Run")
    sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(run))


def _devices_of_runs(app: App) -> None:
    stack = _stack(app)
    for name, isolated in (("Shared", False), ("Alone", True)):
        definition = HybridJobDefinition(
            stack, name, image=ContainerImage.base(), device=LOCAL, isolated=isolated
        )
        run = definition.run_job_task(
            stack,
            f"Run{name}",
            device=sfn.JsonPath.string_at("$.device"),
            allowed_devices=[LOCAL, Device.AMAZON_SV1, Device.IONQ_FORTE_1],
        )
        body = sfn.DefinitionBody.from_chainable(run)
        sfn.StateMachine(stack, f"Machine{name}", definition_body=body)


def _schedule(app: App) -> None:
    definition = _definition(_stack(app))
    definition.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))


def _rules_and_alarms(app: App) -> None:
    job = _job(_stack(app), wait_for_completion=WaitForCompletion())
    job.on_completed("Completed")
    job.alarm_on_failure("Failed")


def _copied_checkpoints(app: App) -> None:
    stack = _stack(app)
    older = s3.Bucket.from_bucket_name(stack, "Older", "amazon-braket-older")
    _job(stack, copy_checkpoints_from=CheckpointSource.from_bucket(older, "kept"))


def _two_consumers(app: App) -> None:
    shared = HybridJobEnvironment(_stack(app, "Shared"), "Environment")
    for name in ("One", "Two"):
        consumer = _stack(app, name)
        job = _job(consumer, environment=shared, device=Device.AMAZON_DM1)
        job.alarm_on_failure("Failed")
        _job(consumer, "Isolated", environment=shared, isolated=True)


def _in_region(region: str) -> Callable[[App], None]:
    def declare(app: App) -> None:
        _job(_stack(app, region=region))

    return declare


def _example_job(app: App) -> None:
    HybridJobStack(app, "HybridJobStack")


def _example_sweep(app: App) -> None:
    ManyJobsStack(app, "ManyJobsStack")


def _example_reader(app: App) -> None:
    job = HybridJobStack(app, "HybridJobStack").job
    ResultsReaderStack(app, "ResultsReaderStack", job=job)


def _example_nightly(app: App) -> None:
    NightlyStack(app, "NightlyStack")


def _example_every_argument(app: App) -> None:
    reservation = "arn:aws:braket:us-east-1:111122223333:reservation/a1b2c3d4"
    ScanStack(
        app, "ScanStack", env=_ENV, data_bucket="amazon-braket-data", reservation_arn=reservation
    )


def _example_verify(app: App) -> None:
    VerifyStack(app, "CdkBraketVerify")


VARIATIONS: Final[dict[str, Callable[[App], None]]] = {
    "managed device": _plain,
    "embedded simulator": _embedded,
    "QPU": _qpu,
    "own bucket": _own_bucket,
    "own key": _own_key,
    "key of the output": _output_key,
    "alias": _alias,
    "imported alias": _imported_alias,
    "key of another stack": _key_of_another_stack,
    "nested stack": _nested,
    "isolated": _isolated,
    "isolated on an own bucket": _isolated_on_own_bucket,
    "own role": _own_role,
    "own prefix": _own_prefix,
    "imported environment": _imported_environment,
    "VPC": _vpc,
    "replication": _replication,
    "hardened": _hardened,
    "state machine": _state_machine,
    "devices of runs": _devices_of_runs,
    "schedule": _schedule,
    "rules and alarms": _rules_and_alarms,
    "copied checkpoints": _copied_checkpoints,
    "two consumer stacks": _two_consumers,
    **{f"region {region}": _in_region(region) for region in REGIONS if region != REGION},
    "example job": _example_job,
    "example sweep": _example_sweep,
    "example reader": _example_reader,
    "example nightly": _example_nightly,
    "example every argument": _example_every_argument,
    "example verify on AWS": _example_verify,
}


@cache
def policies_of(variation: str) -> Policies:
    """The policies of a variation, which is synthesized once in a session."""
    # Where the templates of nested stacks are is in their metadata.
    app = App(context={"aws:cdk:enable-asset-metadata": True})
    VARIATIONS[variation](app)
    return Policies(Deployment(app))


@cache
def calls_of(variation: str) -> tuple[Call, ...]:
    """The ledger of a variation."""
    return tuple(calls(policies_of(variation).deployment))
