"""The stack for the questions of `verify.py`: an environment, two more roles, a queue."""

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_braket import HybridJobEnvironment


class VerifyStack(Stack):
    """The resources that the questions need. It runs no job, and is destroyed after them."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        environment = HybridJobEnvironment(
            self, "Environment", removal_policy=RemovalPolicy.DESTROY
        )
        braket = "braket.amazonaws.com"
        conditions = {
            "StringEquals": {"aws:SourceAccount": self.account},
            "ArnLike": {"aws:SourceArn": f"arn:{self.partition}:braket:*:{self.account}:job/*"},
        }
        checked = iam.Role(
            self, "Checked", assumed_by=iam.ServicePrincipal(braket, conditions=conditions)
        )
        untrusted = iam.Role(
            self, "Untrusted", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")
        )
        environment.inputs_bucket.grant_read(checked)
        environment.results_bucket.grant_read_write(checked)
        group = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:/aws/braket/*"
        checked.add_to_policy(iam.PolicyStatement(actions=["logs:*"], resources=[group]))
        queue = sqs.Queue(self, "Events", enforce_ssl=True, removal_policy=RemovalPolicy.DESTROY)
        events.Rule(
            self,
            "JobEvents",
            event_pattern=events.EventPattern(
                source=["aws.braket"], detail_type=["Braket Job State Change"]
            ),
            targets=[targets.SqsQueue(queue)],
        )
        for name, value in {
            "RoleArn": environment.role.role_arn,
            "CheckedRoleArn": checked.role_arn,
            "UntrustedRoleArn": untrusted.role_arn,
            "Inputs": environment.inputs_bucket.bucket_name,
            "Results": environment.results_bucket.bucket_name,
            "QueueUrl": queue.queue_url,
        }.items():
            CfnOutput(self, name, value=value)


def main() -> None:
    """Create the cloud assembly."""
    app = App()
    VerifyStack(app, "CdkBraketVerify")
    app.synth()


if __name__ == "__main__":
    main()
