"""A stack that reads the results of another stack's job, and raises an alarm when the job fails."""

from typing import Final

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk_braket import IHybridJob

_READER: Final = """
import io, json, os, tarfile
import boto3

def handler(event, context):
    bucket, _, key = os.environ["RESULTS_S3_URI"].removeprefix("s3://").partition("/")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        results = json.load(archive.extractfile("results.json"))["dataDictionary"]
    boto3.client("ssm").put_parameter(
        Name=os.environ["PARAMETER"], Value=str(results["energy"]), Overwrite=True
    )
"""


class ResultsReaderStack(Stack):
    """Puts the energy that a job computed into a parameter, after the job completed."""

    def __init__(self, scope: Construct, id: str, *, job: IHybridJob) -> None:
        """Declare the stack.

        Args:
            scope: The app.
            id: The stack's name.
            job: The job, of any stack.
        """
        super().__init__(scope, id, description="Reads the results of a hybrid job (cdk-braket)")
        energy = ssm.StringParameter(
            self, "Energy", parameter_name=f"/{id}/energy", string_value="not known yet"
        )
        reader = lambda_.Function(
            self,
            "Reader",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(_READER),
            timeout=Duration.minutes(1),
            environment={
                "RESULTS_S3_URI": job.results_s3_uri,
                "PARAMETER": energy.parameter_name,
            },
        )
        job.grant_read_results(reader)
        energy.grant_write(reader)
        job.on_completed("Completed", target=targets.LambdaFunction(reader), cross_stack_scope=self)

        alarms = sns.Topic(self, "Alarms", enforce_ssl=True)
        alarm = job.alarm_on_failure("Failed", cross_stack_scope=self)
        alarm.add_alarm_action(actions.SnsAction(alarms))
        CfnOutput(self, "EnergyParameter", value=energy.parameter_name)
        CfnOutput(self, "AlarmsTopic", value=alarms.topic_arn)
        CfnOutput(self, "AlarmName", value=alarm.alarm_name)
