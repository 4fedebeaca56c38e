"""The CDK app: `npx cdk deploy`."""

from aws_cdk import App
from job_stack import JobStack

app = App()
JobStack(app, "PROJECT")
app.synth()
