"""The scanned stacks: all examples, and environments with more options."""

import json
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import ContainerImage, Device, HybridJob, HybridJobEnvironment
from stacks.hybrid_job_stack import HybridJobStack
from stacks.many_jobs_stack import ManyJobsStack
from stacks.nightly_stack import NightlyStack
from stacks.results_reader_stack import ResultsReaderStack

ROOT: Final = Path(__file__).resolve().parents[3]
_ACCOUNT: Final = "111122223333"
_KEY: Final = f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
# As the CDK CLI would give it to the app.
_CONTEXT: Final = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]


def _app() -> App:
    return App(context=_CONTEXT)


def _job() -> Stack:
    return HybridJobStack(_app(), "Job")


def _reader() -> Stack:
    app = _app()
    return ResultsReaderStack(app, "Reader", job=HybridJobStack(app, "Job").job)


def _every_argument() -> Stack:
    example = runpy.run_path(str(ROOT / "examples" / "every_argument" / "app.py"))
    stack: Stack = example["ScanStack"](
        _app(),
        "Scan",
        env=Environment(account=_ACCOUNT, region=Device.IONQ_FORTE_1.region),
        data_bucket="amazon-braket-data",
        reservation_arn=f"arn:aws:braket:us-east-1:{_ACCOUNT}:reservation/r",
    )
    return stack


def _reserved() -> Stack:
    stack = Stack(_app(), "Reserved")
    environment = HybridJobEnvironment(stack, "Environment", reserved_concurrent_executions=10)
    _job_on(environment)
    return stack


def _hardened() -> Stack:
    """The resources of the user are not in the stack, and so not scanned."""
    stack = Stack(_app(), "Hardened")
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["us-east-1a", "us-east-1b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    )
    copies = s3.Bucket.from_bucket_attributes(
        stack,
        "Copies",
        bucket_name="bank-copies",
        encryption_key=kms.Key.from_key_arn(stack, "CopiesKey", _KEY),
    )
    environment = HybridJobEnvironment.hardened(
        stack,
        "Environment",
        vpc=vpc,
        access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "bank-logs"),
        replication_bucket=copies,
    )
    _job_on(environment)
    return stack


def _job_on(environment: HybridJobEnvironment) -> None:
    HybridJob(
        Stack.of(environment),
        "Vqe",
        environment=environment,
        image=ContainerImage.base(),
        device=Device.AMAZON_SV1,
    )


STACKS: Final[Mapping[str, Callable[[], Stack]]] = {
    "job": _job,
    "many jobs": lambda: ManyJobsStack(_app(), "ManyJobs"),
    "reader": _reader,
    "nightly": lambda: NightlyStack(_app(), "Nightly"),
    "every argument": _every_argument,
    "reserved": _reserved,
    "hardened": _hardened,
}
"""The functions that create them, each in a separate app."""
