"""A variational quantum eigensolver for the hydrogen molecule, as a stack."""

from pathlib import Path
from typing import Final

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob, InputChannel

_EXAMPLE: Final = Path(__file__).resolve().parents[1] / "examples" / "h2_vqe"


class HybridJobStack(Stack):
    """One hybrid job, with all resources that it uses.

    Attributes:
        job: The job, for other stacks.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        shots: int = 0,
        iterations: int = 40,
        seed: int = 7,
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            shots: Measurements of each circuit; 0 computes expectation values exactly.
            iterations: Steps of the optimizer.
            seed: Of the optimizer's random numbers.
        """
        super().__init__(scope, id, description="A hybrid job: the ground state of H2 (cdk-braket)")
        job = HybridJob(
            self,
            "Vqe",
            algorithm=AlgorithmScript.from_asset(
                _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
            ),
            input_data={
                "hamiltonian": InputChannel.from_asset(
                    _EXAMPLE / "data" / "h2_hamiltonian.json", content_type="application/json"
                )
            },
            device=Device.local("braket/default"),
            hyperparameters={"shots": shots, "iterations": iterations, "seed": seed},
            max_runtime=Duration.minutes(15),
        )
        self.job = job
        self._output("JobArn", job.job_arn, "The job")
        self._output("JobName", job.job_name, "Its name in the console")
        self._output("ResultsS3Uri", job.results_s3_uri, "Where its results are once it completed")
        self._output("CheckpointS3Uri", job.checkpoint_s3_uri, "Where its checkpoints are")
        self._output("LogGroupName", job.log_group_name, "Where it logs")
        self._output(
            "LogStreamPrefix",
            job.log_stream_prefix,
            "The prefix of its log streams",
        )

    def _output(self, id: str, value: str, description: str) -> None:
        CfnOutput(self, id, value=value, description=description)
