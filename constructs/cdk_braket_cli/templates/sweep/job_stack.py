"""A stack with a sweep: a hybrid job for each bond length."""

import csv
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from cdk_braket import (
    AlgorithmScript,
    Device,
    Grid,
    HybridJobDefinition,
    HybridJobSweep,
    InputChannel,
)

HERE = Path(__file__).parent
COEFFICIENTS = HERE / "data/coefficients.csv"


def bond_lengths() -> list[float]:
    """Return the bond lengths of the table, in angstrom."""
    with COEFFICIENTS.open(encoding="utf-8", newline="") as rows:
        return [float(row["bond_length"]) for row in csv.DictReader(rows)]


class JobStack(Stack):
    """A sweep over the bond lengths, which the deployment starts."""

    def __init__(self, scope: Construct, id: str, *, max_concurrency: int = 4) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The name of the stack.
            max_concurrency: The most jobs that run at once.
        """
        super().__init__(scope, id)
        definition = HybridJobDefinition(
            self,
            "Energy",
            algorithm=AlgorithmScript.from_asset(
                HERE / "algorithm.py", entry_point="algorithm:main"
            ),
            input_data={"coefficients": InputChannel.from_asset(COEFFICIENTS)},
            device=Device.local("braket/default"),
            max_runtime=Duration.minutes(10),
        )
        sweep = HybridJobSweep(
            self,
            "Curve",
            definition=definition,
            parameters=Grid(bond_length=bond_lengths()),
            max_concurrency=max_concurrency,
            start_on_deploy=True,
        )
        CfnOutput(self, "StateMachineArn", value=sweep.state_machine.state_machine_arn)
