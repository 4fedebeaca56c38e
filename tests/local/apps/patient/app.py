"""A job that waits for as long as it is told to, so that a test can meet it while it runs."""

from pathlib import Path

from aws_cdk import App, CfnOutput, CustomResource, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob

_REFUSE = """
import json
import urllib.request

def handler(event, context):
    names = ("StackId", "RequestId", "LogicalResourceId")
    answer = {name: event[name] for name in names} | {
        "PhysicalResourceId": "refused",
        "Status": "SUCCESS" if event["RequestType"] == "Delete" else "FAILED",
        "Reason": "refused on purpose",
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT")
    urllib.request.urlopen(request, timeout=10).read()
"""


def fail_after(job: HybridJob) -> None:
    """Have the deployment fail once the job was started."""
    function = lambda_.Function(
        Stack.of(job),
        "Refuse",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline(_REFUSE),
    )
    refused = CustomResource(Stack.of(job), "Refused", service_token=function.function_arn)
    refused.node.add_dependency(job)


def declare(app: App) -> Construct:
    """Declare the stack."""
    stack = Stack(app, app.node.get_context("stack_name"))
    job = HybridJob(
        stack,
        "Job",
        algorithm=AlgorithmScript.from_asset(
            str(Path(__file__).parent / "patient.py"), entry_point="patient:main"
        ),
        device=Device.local("braket/default"),
        hyperparameters={"seconds": app.node.get_context("seconds")},
        removal_policy=RemovalPolicy[app.node.try_get_context("removal_policy") or "RETAIN"],
    )
    CfnOutput(stack, "JobArn", value=job.job_arn)
    CfnOutput(stack, "ResultsS3Uri", value=job.results_s3_uri)
    if app.node.try_get_context("refused"):
        fail_after(job)
    return stack


app = App()
declare(app)
app.synth()
