"""A job whose construct has another id, and may keep its logical id."""

from pathlib import Path
from typing import cast

from aws_cdk import App, CfnOutput, CfnResource, Stack

from cdk_braket import AlgorithmScript, Device, HybridJob, HybridJobEnvironment

SCRIPT = Path(__file__).parents[1] / "patient/patient.py"

app = App()
stack = Stack(app, app.node.get_context("stack_name"))
job = HybridJob(
    stack,
    app.node.get_context("job_id"),
    algorithm=AlgorithmScript.from_asset(str(SCRIPT), entry_point="patient:main"),
    device=Device.local("braket/default"),
    environment=HybridJobEnvironment(stack, "Environment"),
    hyperparameters={"seconds": 1, "note": "planted-canary-4f17"},
    job_name=f"vqe-{stack.stack_name}",
)
if logical_id := app.node.try_get_context("logical_id"):
    cast("CfnResource", job.node.default_child).override_logical_id(logical_id)
CfnOutput(stack, "JobArn", value=job.job_arn)
CfnOutput(
    stack,
    "LogicalId",
    value=stack.get_logical_id(cast("CfnResource", job.node.default_child)),
)
app.synth()
