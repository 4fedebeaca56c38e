"""A sweep: the dissociation curve of hydrogen, some seeds at each bond length."""

from pathlib import Path
from typing import Final

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, Grid, HybridJobDefinition, HybridJobSweep

_EXAMPLE: Final = Path(__file__).resolve().parents[1] / "examples" / "h2_curve"
_SHORTEST, _LONGEST = 0.3, 2.65  # Ångström


class SweepStack(Stack):
    """A job for each bond length and seed, at most eight at once. The deployment starts them."""

    def __init__(
        self, scope: Construct, id: str, *, bond_lengths: int = 40, seeds: int = 3
    ) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            bond_lengths: How many bond lengths there are.
            seeds: How many jobs there are for each.
        """
        super().__init__(scope, id, description="The dissociation curve of hydrogen (cdk-braket)")
        definition = HybridJobDefinition(
            self,
            "Energy",
            algorithm=AlgorithmScript.from_asset(
                _EXAMPLE / "algorithm", entry_point="algorithm.curve:main"
            ),
            device=Device.local("braket/default"),
            max_runtime=Duration.minutes(15),
        )
        step = (_LONGEST - _SHORTEST) / max(bond_lengths - 1, 1)
        sweep = HybridJobSweep(
            self,
            "Curve",
            definition=definition,
            parameters=Grid(
                bond_length=[round(_SHORTEST + step * n, 4) for n in range(bond_lengths)],
                seed=range(1, seeds + 1),
            ),
            max_concurrency=8,
            tolerated_failure_percentage=10,
            start_on_deploy=True,
        )
        CfnOutput(self, "SweepExecutionArn", value=sweep.execution_arn)
        CfnOutput(self, "ResultsBucket", value=sweep.results_bucket.bucket_name)
