"""Sweeps: one with many points, one that fails, one that its deployment starts."""

from pathlib import Path
from typing import cast

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam

from cdk_braket import AlgorithmScript, Device, HybridJobDefinition, HybridJobSweep

app = App()
stack = Stack(app, "Sweeps")
definition = HybridJobDefinition(
    stack,
    "Point",
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parent / "point.py"), entry_point="point:main"
    ),
    device=Device.local("braket/default"),
    hyperparameters={"note": "planted-canary-91d2"},
    tags={"purpose": "tests"},
    max_runtime=Duration.minutes(30),
    removal_policy=RemovalPolicy.DESTROY,
)
number = int(app.node.try_get_context("points") or 10)
many = HybridJobSweep(
    stack,
    "Many",
    definition=definition,
    parameters=(
        {"theta": index / 10, "does": "fail" if index == 1 else "finish"} for index in range(number)
    ),
    max_concurrency=int(app.node.try_get_context("slots") or 3),
    tolerated_failure_percentage=50,
    poll_interval=Duration.seconds(30),
)
failing = HybridJobSweep(
    stack,
    "Failing",
    definition=definition,
    parameters=[
        {"theta": 1, "does": "wait"},
        {"theta": 2, "does": "fail"},
        {"theta": 3, "does": "wait"},
    ],
    max_concurrency=2,
    # So that points are polled while they wait.
    poll_interval=Duration.seconds(1),
)
deployed = HybridJobSweep(
    stack,
    "Deployed",
    definition=definition,
    parameters=[{"theta": 7, "does": "finish"}, {"theta": 8, "does": "wait"}],
    start_on_deploy=True,
)
for name, sweep in {"Many": many, "Failing": failing, "Deployed": deployed}.items():
    CfnOutput(stack, f"{name}Arn", value=sweep.state_machine.state_machine_arn)
role = deployed.node.find_child("Role")
CfnOutput(stack, "DeployedRole", value=cast("iam.Role", role).role_name)
CfnOutput(stack, "DeployedExecution", value=deployed.execution_arn)
CfnOutput(stack, "Results", value=many.results_bucket.bucket_name)
app.synth()
