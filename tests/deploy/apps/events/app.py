"""Two jobs that fail: one on demand, one before anybody could listen."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs

from cdk_braket import (
    AlgorithmScript,
    Device,
    HybridJob,
    HybridJobDashboard,
    HybridJobEnvironment,
    WaitForCompletion,
)

_FORWARDER = """
import json, os
import boto3

def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""

app = App()
stack = Stack(app, "Events")
environment = HybridJobEnvironment(stack, "Environment", removal_policy=RemovalPolicy.DESTROY)
key = kms.Key(stack, "Key", removal_policy=RemovalPolicy.DESTROY)
topic = sns.Topic(stack, "Topic", master_key=key)


def queue(id: str) -> sqs.Queue:
    """A queue whose URL is an output."""
    made = sqs.Queue(stack, id, encryption_master_key=key, enforce_ssl=True)
    CfnOutput(stack, f"{id}Url", value=made.queue_url)
    return made


queues = {kind: queue(kind) for kind in ("Sqs", "Sns", "Lambda", "Others")}
topic.add_subscription(subscriptions.SqsSubscription(queues["Sns"]))
forwarder = lambda_.Function(
    stack,
    "Forwarder",
    runtime=lambda_.Runtime.PYTHON_3_14,
    handler="index.handler",
    code=lambda_.Code.from_inline(_FORWARDER),
    environment={"QUEUE": queues["Lambda"].queue_url},
)
queues["Lambda"].grant_send_messages(forwarder)

jobs = []
for name, wait in {
    "Told": None,
    "Early": WaitForCompletion(timeout=Duration.minutes(30), fail_stack=False),
}.items():
    job = HybridJob(
        stack,
        name,
        environment=environment,
        algorithm=AlgorithmScript.from_asset(
            str(Path(__file__).parent / "failing.py"), entry_point="failing:main"
        ),
        device=Device.local("braket/default"),
        hyperparameters={"waits": wait is None, "note": "planted-canary-b7e2"},
        wait_for_completion=wait,
    )
    rule = job.on_failed("Failed", target=targets.SqsQueue(queues["Sqs"]))
    rule.add_target(targets.LambdaFunction(forwarder))
    job.notify(topic)
    jobs.append(job)
    job.on_completed("Completed", target=targets.SqsQueue(queues["Others"]))
    job.on_cancelled("Cancelled", target=targets.SqsQueue(queues["Others"]))
    CfnOutput(stack, f"{name}JobArn", value=job.job_arn)
    CfnOutput(stack, f"{name}JobName", value=job.job_name)
    CfnOutput(stack, f"{name}Results", value=job.results_s3_uri)
alarm = jobs[1].alarm_on_failure("Alarm")
CfnOutput(stack, "AlarmName", value=alarm.alarm_name)
CfnOutput(stack, "HandlerFunction", value=environment.handler_function.function_name)
board = HybridJobDashboard(stack, "Board", jobs=jobs[:1], algorithm_metrics=["energy"])
CfnOutput(stack, "BoardName", value=board.dashboard.dashboard_name)
CfnOutput(stack, "BoardFunction", value=board.status_function.function_name)
app.synth()
