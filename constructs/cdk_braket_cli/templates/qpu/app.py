"""The CDK app: `npx cdk deploy`; on the quantum device with `-c device=qpu`."""

from aws_cdk import App
from job_stack import JobStack

app = App()
JobStack(
    app,
    "PROJECT",
    on_qpu=app.node.try_get_context("device") == "qpu",
    reservation_arn=app.node.try_get_context("reservation"),
)
app.synth()
