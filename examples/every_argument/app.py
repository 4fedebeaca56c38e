"""A hybrid job with every argument that there is.

`cdk deploy -c data_bucket=amazon-braket-… -c reservation_arn=arn:…`
"""

import os
import sys
from pathlib import Path
from typing import Final

from aws_cdk import App, CfnOutput, Duration, Environment, RemovalPolicy, Size, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    Distribution,
    HybridJob,
    InputChannel,
    InstanceConfig,
    InstanceType,
    OnDelete,
    OutputData,
    PreflightCheck,
    WaitForCompletion,
)

_HERE: Final = Path(__file__).resolve().parent


class ScanStack(Stack):
    """One hybrid job, and resources that it shares with others: a bucket of data, a key, a role."""

    def __init__(
        self, scope: Construct, id: str, *, env: Environment, data_bucket: str, reservation_arn: str
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            env: Account and region.
            data_bucket: A bucket that is there already: the README lists its objects.
            reservation_arn: A reservation of the device.
        """
        super().__init__(scope, id, env=env)
        data = s3.Bucket.from_bucket_name(self, "Data", data_bucket)
        key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.DESTROY)
        kept = s3.Bucket(
            self,
            "Kept",
            # Braket reaches a bucket by the beginning of its name.
            bucket_name=f"amazon-braket-scan-{self.account}-{self.region}",
            encryption_key=key,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            # It has a fixed name: left behind, it would be in the way of the next deployment.
            removal_policy=RemovalPolicy.DESTROY,
            auto_delete_objects=True,
        )
        role = iam.Role(self, "ScanRole", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
        job = HybridJob(
            self,
            "Scan",
            device=Device.IONQ_FORTE_1,
            algorithm=AlgorithmScript.from_asset(_HERE / "scan.py", entry_point="scan:main"),
            image=ContainerImage.pytorch(),
            hyperparameters={
                "label": "first light",
                "shots": 100,
                "shift": 0.25,
                "rehearsal": True,
            },
            input_data={
                "angles": InputChannel.from_asset(
                    _HERE / "data" / "angles.json", content_type="application/json"
                ),
                "weights": InputChannel.from_bucket(data, "weights/"),
                "notes": InputChannel.from_s3_uri(
                    f"s3://{data_bucket}/notes/", content_type="text/plain"
                ),
            },
            output_data=OutputData(bucket=kept, prefix="scans", encryption_key=key),
            checkpoint=Checkpoint(
                local_path="/opt/braket/checkpoints", bucket=kept, prefix="scans"
            ),
            copy_checkpoints_from=CheckpointSource.from_bucket(data, "earlier/checkpoints"),
            instance=InstanceConfig(
                instance_type=InstanceType.P3_16XLARGE,
                volume_size=Size.gibibytes(100),
                instance_count=2,
            ),
            distribution=Distribution.DATA_PARALLEL,
            max_runtime=Duration.hours(1),
            job_name="scan",
            reservation_arn=reservation_arn,
            tags={"stage": "rehearsal"},
            role=role,
            removal_policy=RemovalPolicy.DESTROY,
            on_delete=OnDelete.RETAIN_JOB,
            rerun_trigger="1",
            wait_for_completion=WaitForCompletion(timeout=Duration.minutes(50)),
            # For scripts that read hyperparameters by ways that the check does not know.
            disabled_checks=[PreflightCheck.HYPERPARAMETERS],
        )
        Tags.of(self).add("team", "chemistry")
        CfnOutput(self, "JobArn", value=job.job_arn)
        CfnOutput(self, "JobStatus", value=job.job_status)
        CfnOutput(self, "ResultsS3Uri", value=job.results_s3_uri)
        CfnOutput(self, "CheckpointS3Uri", value=job.checkpoint_s3_uri)


def _context(app: App, name: str) -> str:
    value = app.node.try_get_context(name)
    if not isinstance(value, str):
        sys.exit(f"{name} is needed: cdk deploy -c {name}=…")
    return value


def main() -> None:
    """Create the cloud assembly."""
    app = App()
    ScanStack(
        app,
        "ScanStack",
        # A job runs in its device's region, and with the region known synth can see that it does.
        env=Environment(
            account=os.environ["CDK_DEFAULT_ACCOUNT"], region=Device.IONQ_FORTE_1.region
        ),
        data_bucket=_context(app, "data_bucket"),
        reservation_arn=_context(app, "reservation_arn"),
    )
    app.synth()


if __name__ == "__main__":
    main()
