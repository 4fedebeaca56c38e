"""An environment for jobs of the same stack, of another stack and of another app."""

from pathlib import Path

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack

from cdk_braket import (
    AlgorithmScript,
    Device,
    HybridJob,
    HybridJobEnvironment,
    IHybridJobEnvironment,
)

PARAMETER = "/cdk-braket/tests/sharing"


def job(stack: Stack, id: str, environment: IHybridJobEnvironment, text: str) -> None:
    """Declare a job that prints a string and puts it into its results."""
    declared = HybridJob(
        stack,
        id,
        environment=environment,
        algorithm=AlgorithmScript.from_asset(
            str(Path(__file__).parent / "saying.py"), entry_point="saying:main"
        ),
        device=Device.local("braket/default"),
        hyperparameters={"text": text, "note": "planted-canary-03fd"},
    )
    CfnOutput(stack, f"{id}Arn", value=declared.job_arn)


def declare(app: App) -> None:
    """Declare the stacks of one of the two apps."""
    if app.node.get_context("app") == "other":
        stack = Stack(app, "SharingOther")
        taken = HybridJobEnvironment.from_parameter_name(stack, "Environment", PARAMETER)
        job(stack, "Elsewhere", taken, app.node.get_context("text"))
        return
    shared, consumer = Stack(app, "SharingOwner"), Stack(app, "SharingConsumer")
    environment = HybridJobEnvironment(shared, "Environment", removal_policy=RemovalPolicy.DESTROY)
    environment.publish(PARAMETER)
    for number in (1, 2):
        job(shared, f"Own{number}", environment, f"own {number}")
    job(consumer, "Across", environment, "across")


app = App()
declare(app)
app.synth()
