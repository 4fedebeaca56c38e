"""A user's own project: the wheel with its extra `local`, `npm install aws-cdk`, and no more."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from cdk_braket_local.following import session
from tests.packaging.test_wheel import build, copy_sources
from tests.packaging.users import UsersEnvironment, with_dependencies

# test_getting_started.py deploys from a project of a user; tests/emulator/
# test_ministack_function_needs.py refuses stacks that need the SDK.
pytestmark = pytest.mark.long

ENDPOINT: Final = "AWS_ENDPOINT_URL"
AWS_CLI: Final = Path("/opt/awscli/aws")
NPM_INSTALL: Final = "npm install --save-dev @aws-sdk/client-s3"

APP = """
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam, aws_s3, aws_s3_deployment, custom_resources
from cdk_braket import AlgorithmScript, Device, HybridJob

app = cdk.App()

HybridJob(
    cdk.Stack(app, "Job"),
    "Job",
    algorithm=AlgorithmScript.from_asset(
        str(Path(__file__).parent / "algorithm.py"), entry_point="algorithm:main"
    ),
    device=Device.local("braket/default"),
    removal_policy=cdk.RemovalPolicy.DESTROY,
)

aws_s3.Bucket(
    cdk.Stack(app, "EmptiedBucket"),
    "Bucket",
    auto_delete_objects=True,
    removal_policy=cdk.RemovalPolicy.DESTROY,
)

deployed = cdk.Stack(app, "DeployedFiles")
aws_s3_deployment.BucketDeployment(
    deployed,
    "Files",
    sources=[aws_s3_deployment.Source.data("file", "content")],
    destination_bucket=aws_s3.Bucket(deployed, "Bucket"),
)

custom_resources.AwsCustomResource(
    cdk.Stack(app, "Call"),
    "Call",
    on_create=custom_resources.AwsSdkCall(
        service="S3",
        action="listBuckets",
        physical_resource_id=custom_resources.PhysicalResourceId.of("buckets"),
    ),
    policy=custom_resources.AwsCustomResourcePolicy.from_statements(
        [aws_iam.PolicyStatement(actions=["s3:ListAllMyBuckets"], resources=["*"])]
    ),
    install_latest_aws_sdk=False,
)

app.synth()
"""
ALGORITHM = """
from braket.jobs import save_job_result

def main():
    save_job_result({"energy": -1.1})
"""


class Project(UsersEnvironment):
    """A user's project."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        super().__init__(folder, wheel, {"local"}, home=folder)
        self.npm_install(folder, "aws-cdk")
        (folder / "app.py").write_text(APP)
        (folder / "algorithm.py").write_text(ALGORITHM)
        (folder / "cdk.json").write_text('{"app": "python app.py"}')

    def run(self, *command: str) -> str:
        """Run a command that must work; return its output."""
        done = self.try_(*command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI as in the README, against the running local AWS."""
        script = 'eval "$(cdk-braket-local env)" && cdk "$@"'
        return self.try_("sh", "-c", script, "sh", *arguments)

    def deploy(self, stack: str) -> subprocess.CompletedProcess[str]:
        """Deploy a stack of the app, which was synthesized before."""
        return self.cdk("deploy", "--app=cdk.out", "--require-approval=never", stack)

    def settings(self) -> Mapping[str, str]:
        """The variables that lead to the local AWS."""
        lines = self.run("sh", "-c", 'eval "$(cdk-braket-local env)" && env').splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith("AWS_"))

    def stacks(self) -> set[str]:
        """The names of all stacks but the bootstrap's."""
        settings = self.settings()
        client = session(settings).client("cloudformation", endpoint_url=settings[ENDPOINT])
        return {stack["StackName"] for stack in client.describe_stacks()["Stacks"]} - {"CDKToolkit"}

    def buckets(self) -> list[str]:
        """The names of all buckets."""
        settings = self.settings()
        client = session(settings).client("s3", endpoint_url=settings[ENDPOINT])
        return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    wheel = build(sources, tmp_path_factory.mktemp("wheel"))
    made = Project(tmp_path_factory.mktemp("users") / "project", wheel)
    try:
        made.run("cdk-braket-local", "up")
        made.run("cdk", "synth", "--quiet", "--output=cdk.out")
        yield made
    finally:
        made.run("cdk-braket-local", "down")


@pytest.mark.parametrize("stack", ["Job", "EmptiedBucket", "Call"])
def test_a_stack_that_needs_the_aws_sdk_is_refused_before_it_is_created(
    project: Project, stack: str
) -> None:
    done = project.deploy(stack)
    assert done.returncode != 0
    assert NPM_INSTALL in done.stdout, done.stdout
    assert project.stacks() == set()


def test_a_bucket_deployment_works_or_is_refused_with_the_commands_that_help(
    project: Project,
) -> None:
    done = project.deploy("DeployedFiles")
    if os.access(AWS_CLI, os.X_OK):
        assert done.returncode == 0, done.stdout
        assert project.cdk("destroy", "--app=cdk.out", "--force", "DeployedFiles").returncode == 0
    else:
        assert done.returncode != 0
        assert f'sudo ln -s "$(command -v aws)" {AWS_CLI}' in done.stdout, done.stdout
    assert project.stacks() == set()


@pytest.fixture(scope="module")
def with_client_s3(project: Project) -> Project:
    """The project after the command that the refusal names."""
    project.npm_install(project.folder, *with_dependencies("@aws-sdk/client-s3"))
    return project


@pytest.mark.parametrize("stack", ["Job", "EmptiedBucket", "Call"])
def test_with_the_aws_sdk_it_is_deployed_and_destroyed(with_client_s3: Project, stack: str) -> None:
    done = with_client_s3.deploy(stack)
    assert done.returncode == 0, done.stdout
    assert with_client_s3.stacks() == {stack}
    done = with_client_s3.cdk("destroy", "--app=cdk.out", "--force", stack)
    assert done.returncode == 0, done.stdout
    assert with_client_s3.stacks() == set()
    # Buckets with results or logs included: that is what DESTROY means.
    assert [name for name in with_client_s3.buckets() if not name.startswith("cdk-")] == []
