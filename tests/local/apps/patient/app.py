"""A job that waits for as long as it is told to, so that a test can meet it while it runs."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Stack

from cdk_braket import AlgorithmScript, Device, HybridJob

app = App()
stack = Stack(app, app.node.get_context("stack_name"))
job = HybridJob(
    stack,
    "Job",
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parent / "patient.py"), entry_point="patient:main"
    ),
    device=Device.local("braket/default"),
    hyperparameters={"seconds": app.node.get_context("seconds")},
)
CfnOutput(stack, "JobArn", value=job.job_arn)
CfnOutput(stack, "ResultsS3Uri", value=job.results_s3_uri)
app.synth()
