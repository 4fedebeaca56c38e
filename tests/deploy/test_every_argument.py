"""The example with every argument, deployed: Braket received the declared request."""

import ast
import io
import json
import math
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsQuantumJob

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket_local.control.instance import LocalAws
from examples.every_argument.fill_bucket import OBJECTS
from tests import public_api
from tests.create_job import filled, members
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient

EXAMPLE: Final = ROOT / "examples/every_argument"
DATA: Final = "amazon-braket-every-argument"
_HASH: Final = 8  # CDK ends a logical id with so many letters and digits
# The first two exclude `removal_policy` and `role`; tests/deploy/test_environments.py deploys them.
# A limit is of QPUs alone, and the example runs on none: tests/synth/test_costs.py has it.
_WITHOUT: Final = {"environment", "isolated", "spending_limit"}
_ANSWERED_ELSEWHERE: Final = {"clientToken", "tags"}


@dataclass(frozen=True)
class Deployed:
    """The deployed example.

    Attributes:
        aws: The local AWS.
        job: The response of GetJob after the job ended.
        outputs: The stack's.
        resource: Stack id and logical id of the custom resource.
        role_arn: The stack's role.
        key_arn: The stack's key.
        script_uri: Where the script was copied to.
        angles_uri: Where the local channel was copied to.
    """

    aws: LocalAws
    job: Mapping[str, Any]
    outputs: Mapping[str, str]
    resource: tuple[str, str]
    role_arn: str
    key_arn: str
    script_uri: str
    angles_uri: str

    @property
    def token(self) -> str:
        """The client token, as the job's tag has it."""
        return str(self.job["tags"][contract.TOKEN_TAG])

    @property
    def reservation_arn(self) -> str:
        return reservation_arn(self.aws)

    def client(self) -> "BraketClient":
        return boto3.client("braket", **self.aws.client_settings)


def reservation_arn(aws: LocalAws) -> str:
    """A reservation of the device."""
    return f"arn:aws:braket:{aws.region}:{aws.account}:reservation/r"


@pytest.fixture(scope="module")
def deployed(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    aws = bootstrapped_aws
    s3 = boto3.client("s3", **aws.client_settings)
    s3.create_bucket(Bucket=DATA)
    for key, text in OBJECTS.items():
        s3.put_object(Bucket=DATA, Key=key, Body=text.encode())
    app = CdkApp(EXAMPLE, tmp_path_factory.mktemp("every"), environments.of_command(aws))
    context = {"data_bucket": DATA, "reservation_arn": reservation_arn(aws)}
    (outputs,) = app.deploy(**context).values()
    yield _look(aws, outputs)
    app.delete_stacks()


def _look(aws: LocalAws, outputs: Mapping[str, str]) -> Deployed:
    job = _finished(aws, outputs["JobArn"])
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    resources = {
        (each["ResourceType"], each["LogicalResourceId"][:-_HASH]): each
        for each in cloudformation.describe_stack_resources(StackName="ScanStack")["StackResources"]
    }
    job_resource = resources["Custom::BraketHybridJob", "Scan"]
    role = resources["AWS::IAM::Role", "ScanRole"]["PhysicalResourceId"]
    key = resources["AWS::KMS::Key", "Key"]["PhysicalResourceId"]
    inputs = resources["AWS::S3::Bucket", "ScanEnvironmentInputsBucket"]["PhysicalResourceId"]
    script, angles = _copied(aws, inputs)
    return Deployed(
        aws=aws,
        job=job,
        outputs=outputs,
        resource=(job_resource["StackId"], job_resource["LogicalResourceId"]),
        role_arn=f"arn:aws:iam::{aws.account}:role/{role}",
        key_arn=f"arn:aws:kms:{aws.region}:{aws.account}:key/{key}",
        script_uri=f"s3://{inputs}/{script}",
        angles_uri=f"s3://{inputs}/{angles.removesuffix('angles.json')}",
    )


def _finished(aws: LocalAws, arn: str) -> Mapping[str, Any]:
    braket = boto3.client("braket", **aws.client_settings)
    deadline = time.monotonic() + PATIENCE
    while (job := braket.get_job(jobArn=arn))["status"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, f"still {job['status']}"
        time.sleep(0.5)
    return job


def _copied(aws: LocalAws, inputs: str) -> tuple[str, str]:
    """The keys of the script and of the local channel's file."""
    found = boto3.client("s3", **aws.client_settings).list_objects_v2(Bucket=inputs)["Contents"]
    keys = [each["Key"] for each in found]
    [script] = [key for key in keys if key.startswith("scripts/")]
    [angles] = [key for key in keys if key.startswith("inputs/")]
    return script, angles


def requested(deployed: Deployed, run_id: str, token: str) -> dict[str, Any]:
    """Return the request that the example declares, written out from its stack."""
    kept = f"s3://amazon-braket-scan-{deployed.aws.account}-{deployed.aws.region}"
    registry = f"292282985366.dkr.ecr.{deployed.aws.region}.amazonaws.com"
    return {
        "clientToken": token,
        "jobName": "scan",
        "roleArn": deployed.role_arn,
        "algorithmSpecification": {
            "scriptModeConfig": {
                "entryPoint": "scan:main",
                "s3Uri": deployed.script_uri,
                "compressionType": "GZIP",
            },
            "containerImage": {"uri": f"{registry}/amazon-braket-pytorch-jobs:latest"},
        },
        "deviceConfig": {"device": "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"},
        "instanceConfig": {
            "instanceType": "ml.p3.16xlarge",
            "volumeSizeInGb": 100,
            "instanceCount": 2,
        },
        "hyperParameters": {
            "label": "first light",
            "shots": "100",
            "shift": "0.25",
            "rehearsal": "True",
            "sagemaker_distributed_dataparallel_enabled": "true",
            "sagemaker_instance_type": "ml.p3.16xlarge",
        },
        "inputDataConfig": [
            _channel("angles", deployed.angles_uri, contentType="application/json"),
            _channel("weights", f"s3://{DATA}/weights/"),
            _channel("notes", f"s3://{DATA}/notes/", contentType="text/plain"),
        ],
        "outputDataConfig": {
            "s3Path": f"{kept}/scans/{run_id}/data",
            "kmsKeyId": deployed.key_arn,
        },
        "checkpointConfig": {
            "s3Uri": f"{kept}/scans/{run_id}/checkpoints",
            "localPath": "/opt/braket/checkpoints",
        },
        "stoppingCondition": {"maxRuntimeInSeconds": 3600},
        "associations": [{"arn": deployed.reservation_arn, "type": "RESERVATION_TIME_WINDOW_ARN"}],
        "tags": {"team": "chemistry", "stage": "rehearsal", contract.TOKEN_TAG: token},
    }


def _channel(name: str, uri: str, **more: str) -> dict[str, Any]:
    return {"channelName": name, "dataSource": {"s3DataSource": {"s3Uri": uri}}, **more}


def _requested(deployed: Deployed) -> dict[str, Any]:
    return requested(deployed, contract.run_id(deployed.token), deployed.token)


def test_the_example_uses_every_argument() -> None:
    tree = ast.parse((EXAMPLE / "app.py").read_text(encoding="utf-8"))
    [job] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "HybridJob"
    ]
    assert {keyword.arg for keyword in job.keywords} == set(public_api.arguments()) - _WITHOUT


def test_the_request_has_every_member_of_create_job(deployed: Deployed) -> None:
    assert filled(_requested(deployed)) == set(members())


@pytest.mark.parametrize("member", sorted({path[0] for path in members()} - _ANSWERED_ELSEWHERE))
def test_braket_received_a_member_as_declared(deployed: Deployed, member: str) -> None:
    assert deployed.job[member] == _requested(deployed)[member]


def test_the_tags_of_the_job_and_of_the_stack_reached_braket(deployed: Deployed) -> None:
    assert deployed.job["tags"] == _requested(deployed)["tags"]


def test_the_client_token_is_derived_from_the_definition(deployed: Deployed) -> None:
    request = requested(deployed, contract.RUN_ID_PLACEHOLDER, "")
    definition = {name: request[name] for name in request if name not in _ANSWERED_ELSEWHERE}
    digest = contract.definition_digest(
        {"request": definition, "from": f"s3://{DATA}/earlier/checkpoints", "rerun": "1"}
    )
    assert deployed.token == contract.client_token(*deployed.resource, digest, 1)


def test_the_whole_request_is_the_one_that_braket_remembers(deployed: Deployed) -> None:
    braket, asked = deployed.client(), _requested(deployed)
    assert braket.create_job(**asked)["jobArn"] == deployed.job["jobArn"]
    with pytest.raises(ClientError, match="clientToken was used for another request"):
        braket.create_job(**{**asked, "tags": {}})


def test_the_job_ran_with_its_arguments(deployed: Deployed) -> None:
    assert deployed.job["status"] == "COMPLETED", deployed.job.get("failureReason")
    results = _results(deployed)
    assert results["label"] == "first light"
    assert results["notes"] == ["a.txt", "deeper"]
    assert results["earlier"] == 2, "the earlier scan's checkpoint was copied"
    assert results["0.5"] == 0.25, "what was measured earlier is not measured again"
    assert results["3.0"] == pytest.approx(math.cos(3.25), abs=0.5)


def test_the_braket_sdk_reads_the_job_by_its_arn(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployed.aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    job = AwsQuantumJob(deployed.outputs["JobArn"])
    assert (job.name, job.state()) == ("scan", "COMPLETED")
    assert job.result()["label"] == "first light"


def _results(deployed: Deployed) -> dict[str, Any]:
    bucket, _, key = deployed.outputs["ResultsS3Uri"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", **deployed.aws.client_settings)
    body = io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    with tarfile.open(fileobj=body) as archive:
        member = archive.extractfile("results.json")
        assert member is not None
        data: dict[str, Any] = json.load(member)["dataDictionary"]
    return data


# tests/packaging runs the commands of the pages, and the tests above deploy it.
@pytest.mark.long
def test_the_command_of_its_page_deploys_it(tmp_path: Path) -> None:
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    [command] = [
        block
        for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
        if "cdk-braket-local" in block
    ]
    shutil.copytree(EXAMPLE, tmp_path / "examples" / EXAMPLE.name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    done = subprocess.run(
        ["sh", "-e", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^COMPLETED after \d+ s; results: s3://", done.stderr, re.MULTILINE)
