"""The stack of a research team: a hybrid job in the environment of the platform team."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct
from platform_stack import PARAMETER

from cdk_braket import AlgorithmScript, ContainerImage, Device, HybridJob, HybridJobEnvironment

ALGORITHM = Path(__file__).parent / "algorithm.py"


class JobStack(Stack):
    """One hybrid job. Its buckets, key and role are those of the platform team."""

    def __init__(self, scope: Construct, id: str, *, qubits: int = 6, shots: int = 100) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            qubits: The size of the largest state.
            shots: The measurements of each circuit.
        """
        super().__init__(scope, id)
        job = HybridJob(
            self,
            "Ghz",
            environment=HybridJobEnvironment.from_parameter_name(self, "Environment", PARAMETER),
            algorithm=AlgorithmScript.from_asset(ALGORITHM, entry_point="algorithm:main"),
            image=ContainerImage.base(),
            device=Device.local("braket/default"),
            hyperparameters={"qubits": qubits, "shots": shots},
            max_runtime=Duration.minutes(10),
        )
        CfnOutput(self, "JobArn", value=job.job_arn)
