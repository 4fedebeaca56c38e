"""A stack with QAOA as a hybrid job."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, ContainerImage, Device, HybridJob

HERE = Path(__file__).parent


class JobStack(Stack):
    """One hybrid job that uses PennyLane."""

    def __init__(
        self, scope: Construct, id: str, *, nodes: int = 6, layers: int = 2, steps: int = 20
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            nodes: The nodes of the graph, an even number of at least 4: a qubit for each.
            layers: The layers of the circuit.
            steps: The steps of the optimizer.
        """
        super().__init__(scope, id)
        job = HybridJob(
            self,
            "MaxCut",
            algorithm=AlgorithmScript.from_asset(
                HERE / "algorithm", entry_point="algorithm.maxcut:main"
            ),
            # Has the Braket SDK and PennyLane. The job installs algorithm/requirements.txt.
            image=ContainerImage.base(),
            hyperparameters={"nodes": nodes, "layers": layers, "steps": steps, "seed": 7},
            # PennyLane's own simulator computes the gradient in one run.
            device=Device.local("pennylane/lightning.qubit"),
            max_runtime=Duration.minutes(30),
        )
        CfnOutput(self, "JobArn", value=job.job_arn)
