"""A job that waits for a given time, so that a test can find it while it runs."""

from pathlib import Path

from aws_cdk import App, CfnOutput, CfnResource, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_braket import AlgorithmScript, Device, HybridJob, WaitForCompletion

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
    urllib.request.urlopen(request, timeout=60).read()
"""


def _wait(app: App) -> WaitForCompletion | None:
    seconds = app.node.try_get_context("wait")
    return WaitForCompletion(timeout=Duration.seconds(int(seconds))) if seconds else None


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


def hurry(stack: Stack) -> None:
    """Have an invocation of the handler end so soon that a wait takes several."""
    handler = stack.node.find_child("BraketHybridJobHandler")
    function = handler.node.find_child("Function").node.default_child
    assert isinstance(function, CfnResource)
    # Long enough for a slow machine, and shorter than the jobs that a deployment waits for.
    function.add_property_override("Timeout", 30)
    if stack.node.try_get_context("alone"):
        [go_on] = [each for each in stack.node.children if "GoOn" in each.node.id]
        policy = go_on.node.default_child
        assert isinstance(policy, CfnResource)
        policy.add_property_override("PolicyDocument.Statement.0.Action", "lambda:GetFunction")


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
        hyperparameters={
            "seconds": app.node.get_context("seconds"),
            "note": "planted-canary-7c31",
        },
        wait_for_completion=_wait(app),
        removal_policy=RemovalPolicy[app.node.try_get_context("removal_policy") or "RETAIN"],
    )
    CfnOutput(stack, "JobArn", value=job.job_arn)
    CfnOutput(stack, "ResultsS3Uri", value=job.results_s3_uri)
    if app.node.try_get_context("wait"):
        CfnOutput(stack, "JobStatus", value=job.job_status)
        hurry(stack)
    if app.node.try_get_context("refused"):
        fail_after(job)
    return stack


app = App()
declare(app)
app.synth()
