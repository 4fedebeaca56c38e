"""A stack with a variational quantum eigensolver as a hybrid job."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob, InputChannel

HERE = Path(__file__).parent


class JobStack(Stack):
    """One hybrid job with an input file, hyperparameters and checkpoints."""

    def __init__(
        self, scope: Construct, id: str, *, shots: int = 0, steps: int = 16, seed: int = 7
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            shots: The measurements of each circuit; 0 computes exact values.
            steps: How many times an angle is moved to its minimum.
            seed: The seed of the first angles.
        """
        super().__init__(scope, id)
        job = HybridJob(
            self,
            "Vqe",
            algorithm=AlgorithmScript.from_asset(
                HERE / "algorithm.py", entry_point="algorithm:main"
            ),
            input_data={"hamiltonian": InputChannel.from_asset(HERE / "data/hamiltonian.json")},
            hyperparameters={"shots": shots, "steps": steps, "seed": seed},
            device=Device.local("braket/default"),
            max_runtime=Duration.minutes(15),
        )
        CfnOutput(self, "JobArn", value=job.job_arn)
