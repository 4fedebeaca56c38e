"""Many jobs on one environment: the optimizer from several starting points."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import (
    AlgorithmScript,
    Device,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
)

_EXAMPLE: Final = Path(__file__).resolve().parents[1] / "examples" / "h2_vqe"


class ManyJobsStack(Stack):
    """A hybrid job for each starting point, all with the same buckets, key, role and handler."""

    def __init__(
        self, scope: Construct, id: str, *, seeds: Sequence[int] = (1, 2, 3), iterations: int = 20
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            seeds: Of the optimizer's random numbers: one job for each.
            iterations: Steps of the optimizer.
        """
        super().__init__(scope, id, description="Jobs that share an environment (cdk-braket)")
        environment = HybridJobEnvironment(self, "Environment")
        for seed in seeds:
            job = HybridJob(
                self,
                f"Seed{seed}",
                environment=environment,
                algorithm=AlgorithmScript.from_asset(
                    _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
                ),
                input_data={
                    "hamiltonian": InputChannel.from_asset(
                        _EXAMPLE / "data" / "h2_hamiltonian.json", content_type="application/json"
                    )
                },
                device=Device.local("braket/default"),
                hyperparameters={"shots": 0, "iterations": iterations, "seed": seed},
                max_runtime=Duration.minutes(15),
            )
            CfnOutput(self, f"JobArn{seed}", value=job.job_arn)
            CfnOutput(self, f"ResultsS3Uri{seed}", value=job.results_s3_uri)
