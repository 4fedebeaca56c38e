"""The same jobs, declared with this library and in the ways that users would otherwise choose."""

import atexit
import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aws_cdk import App, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import custom_resources as cr
from constructs import Construct

from benchmarks.figures import OURS
from cdk_braket import AlgorithmScript, Device, HybridJob, HybridJobEnvironment
from cdk_braket.assets.packaging import package_source

SECONDS: Final = "0"
# Amazon Braket reads scripts from buckets of this prefix only, so not from CDK's bucket of assets.
# The peers have no part that copies a script, and read one that is there.
SCRIPTS: Final = "amazon-braket-bench-scripts"
ARCHIVE: Final = "source.tar.gz"

_SCRIPT: Final = '''"""A job that ends at once."""


def main(seconds: int, number: int) -> None:
    """Do nothing."""
'''

# A handler as its author would write it; benchmarks never run it on AWS.
_BARE_HANDLER: Final = """
import json, urllib.request
import boto3

def handler(event, context):
    braket = boto3.client("braket")
    held = event.get("PhysicalResourceId", "")
    if event["RequestType"] == "Delete":
        try:
            braket.cancel_job(jobArn=held)
        except braket.exceptions.ConflictException:
            pass  # it has ended
    else:
        held = braket.create_job(**json.loads(event["ResourceProperties"]["Request"]))["jobArn"]
    body = {k: event[k] for k in ("StackId", "RequestId", "LogicalResourceId")}
    body |= {"Status": "SUCCESS", "PhysicalResourceId": held, "Data": {"JobArn": held}}
    data = json.dumps(body).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], data=data, method="PUT"))
"""


class Resources:
    """The buckets, key and role of jobs without this library."""

    def __init__(self, scope: Construct) -> None:
        self.key = kms.Key(scope, "Key", enable_key_rotation=True)
        self.buckets = [self._bucket(scope, name) for name in ("Inputs", "Results")]
        self.role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
        for bucket in self.buckets:
            bucket.grant_read_write(self.role)
        scripts = s3.Bucket.from_bucket_name(scope, "Scripts", SCRIPTS)
        scripts.grant_read(self.role)
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                resources=["*"],
            )
        )

    def _bucket(self, scope: Construct, name: str) -> s3.Bucket:
        return s3.Bucket(
            scope,
            name,
            bucket_name=f"amazon-braket-bench-{Stack.of(scope).stack_name.lower()}-{name.lower()}",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def request(self, number: int) -> dict[str, Any]:
        """Return the arguments of CreateJob for a job."""
        results = self.buckets[1].bucket_name
        return {
            "clientToken": f"bench-{number}",
            "jobName": f"bench-{number}",
            "roleArn": self.role.role_arn,
            "algorithmSpecification": {
                "scriptModeConfig": {
                    "entryPoint": "algo:main",
                    "s3Uri": f"s3://{SCRIPTS}/{ARCHIVE}",
                    "compressionType": "GZIP",
                }
            },
            "deviceConfig": {"device": "local:braket/default"},
            "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
            "checkpointConfig": {"s3Uri": f"s3://{results}/jobs/{number}/checkpoints"},
            "outputDataConfig": {"s3Path": f"s3://{results}/jobs/{number}/data"},
            "hyperParameters": {"seconds": SECONDS, "number": str(number)},
        }


def ours(scope: Stack, jobs: int) -> None:
    """Declare jobs with this library, on one environment."""
    environment = HybridJobEnvironment(scope, "Environment", removal_policy=RemovalPolicy.DESTROY)
    algorithm = AlgorithmScript.from_asset(_folder() / "algo.py", entry_point="algo:main")
    for number in range(jobs):
        HybridJob(
            scope,
            f"Job{number}",
            environment=environment,
            algorithm=algorithm,
            device=Device.local("braket/default"),
            hyperparameters={"seconds": SECONDS, "number": str(number)},
        )


def bare(scope: Stack, jobs: int) -> None:
    """Declare jobs with a custom resource and a handler written by hand."""
    resources = Resources(scope)
    function = _function(scope, resources, "Handler")
    for number in range(jobs):
        CustomResource(
            scope,
            f"Job{number}",
            service_token=function.function_arn,
            properties={"Request": scope.to_json_string(resources.request(number))},
        )


def aws_custom_resource(scope: Stack, jobs: int) -> None:
    """Declare jobs with AwsCustomResource."""
    resources = Resources(scope)
    policy = cr.AwsCustomResourcePolicy.from_statements(_statements(resources))
    for number in range(jobs):
        cr.AwsCustomResource(
            scope,
            f"Job{number}",
            on_create=_call("CreateJob", resources.request(number)),
            on_update=_call("CreateJob", resources.request(number)),
            on_delete=cr.AwsSdkCall(
                service="Braket",
                action="CancelJob",
                parameters={"jobArn": cr.PhysicalResourceIdReference()},
                ignore_error_codes_matching="ConflictException",
            ),
            policy=policy,
            install_latest_aws_sdk=False,
        )


def provider_framework(scope: Stack, jobs: int) -> None:
    """Declare jobs with the Provider framework and `is_complete`."""
    resources = Resources(scope)
    provider = cr.Provider(
        scope,
        "Provider",
        on_event_handler=_function(scope, resources, "OnEvent"),
        is_complete_handler=_function(scope, resources, "IsComplete"),
    )
    for number in range(jobs):
        CustomResource(
            scope,
            f"Job{number}",
            service_token=provider.service_token,
            properties={"Request": scope.to_json_string(resources.request(number))},
        )


PEERS: Final[Mapping[str, Callable[[Stack, int], None]]] = {
    "by hand": bare,
    "AwsCustomResource": aws_custom_resource,
    "Provider framework": provider_framework,
}
CONTENDERS: Final[Mapping[str, Callable[[Stack, int], None]]] = {OURS: ours, **PEERS}


def template(declare: Callable[[Stack, int], None], jobs: int) -> dict[str, Any]:
    """Return the template of a stack of jobs."""
    with tempfile.TemporaryDirectory() as directory:
        app = App(outdir=directory)
        declare(Stack(app, "Stack"), jobs)
        assembly = app.synth()
        text = Path(assembly.get_stack_by_name("Stack").template_full_path).read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _call(action: str, parameters: Mapping[str, Any]) -> cr.AwsSdkCall:
    return cr.AwsSdkCall(
        service="Braket",
        action=action,
        parameters=parameters,
        physical_resource_id=cr.PhysicalResourceId.from_response("jobArn"),
    )


def _statements(resources: Resources) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(actions=["braket:CreateJob", "braket:CancelJob"], resources=["*"]),
        iam.PolicyStatement(actions=["iam:PassRole"], resources=[resources.role.role_arn]),
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{SCRIPTS}/*"]),
    ]


def _function(scope: Construct, resources: Resources, name: str) -> lambda_.Function:
    return lambda_.Function(
        scope,
        name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline(_BARE_HANDLER),
        timeout=Duration.minutes(2),
        initial_policy=_statements(resources),
    )


@functools.cache
def _folder() -> Path:
    """A folder for the script, which lives as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="cdk-braket-bench-")
    atexit.register(folder.cleanup)
    (Path(folder.name) / "algo.py").write_text(_SCRIPT, encoding="utf-8")
    return Path(folder.name)


def archive() -> Path:
    """Return the packed script."""
    return package_source(_folder() / "algo.py", _folder() / "packed").archive
