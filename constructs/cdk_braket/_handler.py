"""The function behind the custom resources of hybrid jobs: one in each stack."""

from pathlib import Path
from typing import Final

from aws_cdk import ArnFormat, Duration, IgnoreMode, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from . import _s3
from ._environment import RECORDS, JobEnvironment
from ._lambda.hybrid_job_handler.beyond_model import SERVICE_LINKED_ROLE
from ._sources import INPUTS, SCRIPTS
from ._tokens import is_unknown

_ID: Final = "BraketHybridJobHandler"
_ASSET: Final = Path(__file__).parent / "_lambda"

# The function divides what it has by itself and answers before it ends; CloudFormation waits a
# little longer than that, and not its default of an hour, should the function never answer.
_TIMEOUT: Final = Duration.minutes(14)
_SERVICE_TIMEOUT_SECONDS: Final = 15 * 60

# Source:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html
_LONGEST_SERVICE_TIMEOUT_SECONDS: Final = 60 * 60
_ANSWER_SECONDS: Final = 5 * 60
LONGEST_WAIT: Final = _LONGEST_SERVICE_TIMEOUT_SECONDS - _ANSWER_SECONDS
"""Seconds for which a deployment can wait for a job."""


def service_timeout(waits_seconds: float) -> Duration:
    """Return how long CloudFormation waits for an answer.

    Args:
        waits_seconds: How long the deployment waits for the job; a token when it is not known.
    """
    if is_unknown(waits_seconds):
        return Duration.seconds(_LONGEST_SERVICE_TIMEOUT_SECONDS)
    return Duration.seconds(max(_SERVICE_TIMEOUT_SECONDS, waits_seconds + _ANSWER_SECONDS))


class JobHandler(Construct):
    """The function, its role and its logs."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._served: set[str] = set()
        self._goes_on: iam.Policy | None = None
        self._log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Starts, tags and cancels the hybrid jobs of this stack",
        )
        self._log_group.grant_write(self.role)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Starts, tags and cancels the hybrid jobs of this stack (cdk-braket)",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="hybrid_job_handler.index.handler",
            code=lambda_.Code.from_asset(
                str(_ASSET), exclude=["__pycache__", "*.pyc"], ignore_mode=IgnoreMode.GIT
            ),
            memory_size=256,
            timeout=_TIMEOUT,
            log_group=self._log_group,
            role=self.role,
        )
        for statement in _braket_statements(Stack.of(self)):
            self.role.add_to_policy(statement)

    @staticmethod
    def of(scope: Construct) -> "JobHandler":
        """Return the handler of the scope's stack, made on first use."""
        stack = Stack.of(scope)
        existing = stack.node.try_find_child(_ID)
        return existing if isinstance(existing, JobHandler) else JobHandler(stack, _ID)

    def serve(self, environment: JobEnvironment) -> None:
        """Allow what the jobs of an environment take. Its logs stay if its data does."""
        if environment.node.path in self._served:
            return
        self._served.add(environment.node.path)
        if environment.removal_policy is not RemovalPolicy.DESTROY:
            self._log_group.apply_removal_policy(environment.removal_policy)
        inputs = environment.inputs.bucket_arn
        for statement in (
            _s3.objects_statement(
                ["s3:GetObject", "s3:PutObject"], inputs, [f"{SCRIPTS}/*", f"{INPUTS}/*"]
            ),
            _s3.objects_statement(["s3:GetObject", "s3:PutObject"], inputs, [f"{RECORDS}/*"]),
            _look_statement(inputs),
            _s3.key_statement(environment.key, ["kms:Decrypt", "kms:GenerateDataKey"]),
        ):
            self.role.add_to_policy(statement)

    def read_assets(self, bucket_arn: str) -> None:
        """Allow to read a bootstrap bucket's assets.

        Their keys are content hashes, and can be so many that no policy could name them all.
        """
        self.role.add_to_policy(_s3.objects_statement(["s3:GetObject"], bucket_arn, ["*"]))

    def copy_objects(self, source: _s3.Location, target: _s3.Location) -> None:
        """Allow to copy objects from one place to another."""
        statements = [
            *source.read_statements(),
            _s3.objects_statement(
                ["s3:GetObject", "s3:PutObject"], target.bucket_arn, [f"{target.prefix}*"]
            ),
            _look_statement(target.bucket_arn),
        ]
        if target.key is not None:
            statements.append(_s3.key_statement(target.key, ["kms:Decrypt", "kms:GenerateDataKey"]))
        for statement in statements:
            self.role.add_to_policy(statement)

    def look_at(self, statements: list[iam.PolicyStatement]) -> None:
        """Allow to look at what a job needs, so that it is missed before the job is created."""
        for statement in statements:
            self.role.add_to_policy(statement)

    def go_on(self) -> iam.Policy:
        """Allow the function to have itself run again, to go on waiting for a job."""
        if self._goes_on is None:
            # A policy of its own: the role's comes before the function, and cannot name it.
            self._goes_on = iam.Policy(
                self,
                "GoOn",
                roles=[self.role],
                statements=[
                    iam.PolicyStatement(
                        actions=["lambda:InvokeFunction"], resources=[self.function.function_arn]
                    )
                ],
            )
        return self._goes_on

    def pass_role(self, role: iam.IRole) -> None:
        """Allow to start jobs as a role.

        Source of the two services:
        https://docs.aws.amazon.com/service-authorization/latest/reference/list_braket.html
        """
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[role.role_arn],
                conditions={
                    "StringEquals": {
                        "iam:PassedToService": ["braket.amazonaws.com", "sagemaker.amazonaws.com"]
                    }
                },
            )
        )


def device_look_statement(device_arn: str) -> iam.PolicyStatement:
    """What it takes to see whether a device is online."""
    return iam.PolicyStatement(actions=["braket:GetDevice"], resources=[device_arn])


def script_look_statements(script: _s3.Location) -> list[iam.PolicyStatement]:
    """What it takes to see whether a script of the user's is there."""
    return [
        _s3.objects_statement(["s3:GetObject"], script.bucket_arn, [script.prefix]),
        _look_statement(script.bucket_arn),
    ]


def tags_look_statement(bucket_arn: str) -> iam.PolicyStatement:
    """What it takes to see whether Braket reaches a bucket by its tags."""
    return iam.PolicyStatement(actions=["s3:GetBucketTagging"], resources=[bucket_arn])


def _look_statement(bucket_arn: str) -> iam.PolicyStatement:
    """What it takes to be told 404, not 403, of an object that is not there.

    A condition on the prefix would not do: such a request has none.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    return iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn])


def _braket_statements(stack: Stack) -> list[iam.PolicyStatement]:
    jobs = stack.format_arn(
        service="braket",
        resource="job",
        resource_name="*",
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    # Of a role that is not there, the path is not known either.
    service_linked_roles = [
        stack.format_arn(service="iam", region="", resource="role", resource_name=name)
        for name in (
            f"aws-service-role/braket.amazonaws.com/{SERVICE_LINKED_ROLE}",
            SERVICE_LINKED_ROLE,
        )
    ]
    return [
        # To tell an account in which Amazon Braket is not enabled.
        iam.PolicyStatement(actions=["iam:GetRole"], resources=service_linked_roles),
        # Neither has a resource before there is a job. Source:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbraket.html
        iam.PolicyStatement(actions=["braket:CreateJob", "braket:SearchJobs"], resources=["*"]),
        # A job's ARN is made up by the service, so that the stack's own cannot be told apart.
        iam.PolicyStatement(
            actions=[
                "braket:CancelJob",
                "braket:GetJob",
                "braket:TagResource",
                "braket:UntagResource",
            ],
            resources=[jobs],
        ),
    ]
