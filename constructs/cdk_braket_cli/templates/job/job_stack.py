"""A stack with one hybrid job."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob

ALGORITHM = Path(__file__).parent / "algorithm.py"


class JobStack(Stack):
    """One hybrid job, with all resources that it uses."""

    def __init__(self, scope: Construct, id: str, *, steps: int = 21, shots: int = 0) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            steps: The number of angles.
            shots: The measurements of each circuit; 0 computes exact values.
        """
        super().__init__(scope, id)
        job = HybridJob(
            self,
            "Scan",
            algorithm=AlgorithmScript.from_asset(ALGORITHM, entry_point="algorithm:main"),
            # A simulator in the job's container. Device.AMAZON_SV1 and quantum devices are billed.
            device=Device.local("braket/default"),
            hyperparameters={"steps": steps, "shots": shots},
            max_runtime=Duration.minutes(10),
        )
        CfnOutput(self, "JobArn", value=job.job_arn)
