"""A stack with a hybrid job on a quantum device, with a spending limit and a reservation."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Environment, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob, SpendingLimit

ALGORITHM = Path(__file__).parent / "algorithm.py"
QPU = Device.IONQ_FORTE_1


class JobStack(Stack):
    """One job: on the embedded simulator, or on the quantum device with a limit."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        on_qpu: bool = False,
        reservation_arn: str | None = None,
        shots: int = 100,
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            on_qpu: Whether the job uses the quantum device, which is billed by task and shot.
            reservation_arn: The ARN of your reservation of the device. Default: none; tasks wait
                in the queue of the device.
            shots: The measurements of each circuit.
        """
        # A job must be in the region of its device.
        super().__init__(scope, id, env=Environment(region=QPU.region))
        limit = SpendingLimit(self, "Limit", device=QPU, spending_limit="25.00") if on_qpu else None
        job = HybridJob(
            self,
            "Bell",
            algorithm=AlgorithmScript.from_asset(ALGORITHM, entry_point="algorithm:main"),
            device=QPU if on_qpu else Device.local("braket/default"),
            hyperparameters={"shots": shots, "repetitions": 5},
            # The instance is billed while the job waits for the device.
            max_runtime=Duration.hours(1) if on_qpu else Duration.minutes(10),
            spending_limit=limit,
            reservation_arn=reservation_arn if on_qpu else None,
        )
        CfnOutput(self, "JobArn", value=job.job_arn)
