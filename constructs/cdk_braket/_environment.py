"""What hybrid jobs stand on: buckets, key and execution role."""

import string
from typing import Final

from aws_cdk import Arn, ArnComponents, ArnFormat, Aws, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from . import _s3
from ._lambda.hybrid_job_handler.beyond_model import REACHABLE_PREFIX
from ._lambda.hybrid_job_handler.contract import JOB_LOG_GROUP
from ._request import JOBS
from ._sources import INPUTS, SCRIPTS

RECORDS: Final = ".cdk-braket/jobs"
"""Where the handler keeps its records in the inputs bucket. The job's role cannot reach it."""

# Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs-metrics.html
_METRICS_NAMESPACE: Final = "/aws/braket"
_DIGITS: Final = string.digits + string.ascii_lowercase
_STACK_UUID: Final = 2  # arn:…:stack/<name>/<uuid>, cut at the slashes


def bucket_name(purpose: str, address: str, stack_uuid: str) -> str:
    """Return the name of a bucket of ours.

    Braket reaches it by its prefix. The stack's own id is in it: a bucket that was retained must
    not be in the way when the stack is deployed again.

    Args:
        purpose: A word.
        address: The address of the bucket's construct, in hex.
        stack_uuid: The stack's id.
    """
    return f"{REACHABLE_PREFIX}{purpose}-{_short(address)}-{stack_uuid}"


def _short(address: str) -> str:
    """Four characters of an address: all the room that a name has beside the stack's id.

    In base 36, so that even the forty environments that a stack has room for rarely meet.
    """
    rest = int(address, 16)
    digits = ""
    for _ in range(4):
        rest, digit = divmod(rest, len(_DIGITS))
        digits += _DIGITS[digit]
    return digits


class JobEnvironment(Construct):
    """The buckets, the key and the role that jobs share.

    Attributes:
        key: Encrypts the inputs and the results.
        inputs: Scripts and inputs; jobs only read it.
        results: Results and checkpoints.
        access_logs: Who reached the other two.
        role: What jobs run as.
        removal_policy: What happens to all this when it leaves the stack.
    """

    def __init__(self, scope: Construct, id: str, *, removal_policy: RemovalPolicy) -> None:
        super().__init__(scope, id)
        self.removal_policy = removal_policy
        self.key = kms.Key(
            self,
            "Key",
            description=f"Inputs and results of the hybrid jobs of {scope.node.path}",
            enable_key_rotation=True,
            removal_policy=removal_policy,
        )
        self.access_logs = self._access_log_bucket()
        self.inputs = self._data_bucket("InputsBucket", "inputs")
        self.results = self._data_bucket("ResultsBucket", "results")
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("braket.amazonaws.com"),
            description=f"Execution role of the hybrid jobs of {scope.node.path}",
        )
        for statement in self.job_statements():
            self.role.add_to_policy(statement)

    @property
    def records_uri(self) -> str:
        """Where the handler keeps its records."""
        return f"s3://{self.inputs.bucket_name}/{RECORDS}"

    def job_statements(self) -> list[iam.PolicyStatement]:
        """What every job of this environment needs, whatever its device and image."""
        sources = [f"{SCRIPTS}/*", f"{INPUTS}/*"]
        return [
            _s3.objects_statement(["s3:GetObject"], self.inputs.bucket_arn, sources),
            _s3.list_statement(self.inputs.bucket_arn, sources),
            _s3.objects_statement(
                ["s3:GetObject", "s3:PutObject"], self.results.bucket_arn, [f"{JOBS}/*"]
            ),
            _s3.list_statement(self.results.bucket_arn, [f"{JOBS}/*"]),
            _s3.key_statement(self.key, ["kms:Decrypt", "kms:GenerateDataKey"]),
            *log_statements(Stack.of(self)),
        ]

    def _access_log_bucket(self) -> s3.Bucket:
        # No key of ours: log delivery would need to use it, and the log says nothing of the data.
        return s3.Bucket(
            self,
            "AccessLogsBucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            removal_policy=self.removal_policy,
            auto_delete_objects=self._deletes_objects,
        )

    def _data_bucket(self, id: str, purpose: str) -> s3.Bucket:
        stack_uuid = Fn.select(_STACK_UUID, Fn.split("/", Aws.STACK_ID))
        return s3.Bucket(
            self,
            id,
            bucket_name=bucket_name(purpose, self.node.addr, stack_uuid),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{purpose}/",
            removal_policy=self.removal_policy,
            auto_delete_objects=self._deletes_objects,
        )

    @property
    def _deletes_objects(self) -> bool:
        return self.removal_policy is RemovalPolicy.DESTROY


def log_statements(stack: Stack) -> list[iam.PolicyStatement]:
    """What it takes to write a job's logs and metrics."""
    log_group = stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=JOB_LOG_GROUP,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return [
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            # Streams begin with the job's name and an id that the service makes up.
            resources=[f"{log_group}:*"],
        ),
        # PutMetricData knows no resource, only the namespace. Source:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": _METRICS_NAMESPACE}},
        ),
    ]


def device_statements(stack: Stack, device_arn: str) -> list[iam.PolicyStatement]:
    """What it takes to run tasks on a managed device."""
    tasks = Arn.format(
        ArnComponents(service="braket", region="*", resource="quantum-task", resource_name="*"),
        stack,
    )
    return [
        iam.PolicyStatement(actions=["braket:GetDevice"], resources=[device_arn]),
        # A task's id is made up by the service. CreateQuantumTask is checked on the device, and,
        # as the published reference does not say so for every version of it, on the task.
        iam.PolicyStatement(actions=["braket:CreateQuantumTask"], resources=[device_arn, tasks]),
        iam.PolicyStatement(
            actions=["braket:CancelQuantumTask", "braket:GetQuantumTask"], resources=[tasks]
        ),
    ]
