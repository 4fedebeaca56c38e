"""The Braket SDK finds its defaults in the local AWS: image, role and bucket."""

import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsSession
from braket.jobs.image_uris import Framework, retrieve_image
from braket.jobs.local import LocalQuantumJob

from cdk_braket_local.braket import images
from cdk_braket_local.control.instance import LocalAws

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

HERE = f"py{sys.version_info.major}{sys.version_info.minor}"


def _run(local_aws: LocalAws, folder: Path, script: str) -> str:
    """Run a user's script with nothing but the variables of the local AWS; return its output."""
    (folder / "client.py").write_text(script, encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **local_aws.environment}
    done = subprocess.run(
        [sys.executable, "client.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _session(local_aws: LocalAws, region: str) -> AwsSession:
    settings = local_aws.client_settings
    return AwsSession(
        boto3.Session(
            aws_access_key_id=settings["aws_access_key_id"],
            aws_secret_access_key=settings["aws_secret_access_key"],
            region_name=region,
        )
    )


@pytest.fixture(autouse=True)
def _environment(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("region", AwsDevice.REGIONS)
def test_the_tag_of_each_image_names_the_python_of_its_jobs(
    local_aws: LocalAws, region: str
) -> None:
    session = _session(local_aws, region)
    for framework in Framework:
        assert HERE in session.get_full_image_tag(retrieve_image(framework, region)).split("-")


def test_the_regions_with_images_are_those_of_the_sdk() -> None:
    assert set(images.REGIONS) == set(AwsDevice.REGIONS)
    repositories = {retrieve_image(each, "us-east-1").split("/")[1] for each in Framework}
    assert repositories == {f"{image.repository}:latest" for image in images.IMAGES}


def test_other_images_of_the_registry_are_not_found(local_aws: LocalAws) -> None:
    ecr = boto3.client("ecr", **local_aws.client_settings)
    ids = [{"imageTag": "latest"}, {"imageTag": "of-yesterday"}]
    found = ecr.batch_get_image(
        registryId=images.REGISTRY,
        repositoryName="amazon-braket-base-jobs",
        imageIds=ids,  # type: ignore[arg-type]
    )
    assert [each["imageId"]["imageTag"] for each in found["images"]] == ["latest"]
    assert [each["failureCode"] for each in found["failures"]] == ["ImageNotFound"]
    with pytest.raises(ClientError, match="does not exist in the registry"):
        ecr.batch_get_image(
            registryId=images.REGISTRY, repositoryName="other", imageIds=[{"imageTag": "latest"}]
        )
    # The caller's own registry is another.
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ecr.batch_get_image(
            repositoryName="amazon-braket-base-jobs", imageIds=[{"imageTag": "latest"}]
        )


def test_the_default_role_and_the_default_buckets_are_found(local_aws: LocalAws) -> None:
    session = _session(local_aws, "eu-north-1")
    role = session.get_default_jobs_role()
    assert role == "arn:aws:iam::000000000000:role/service-role/AmazonBraketJobsExecutionRole"
    assert session.default_bucket() == "amazon-braket-eu-north-1-000000000000"
    location = session.s3_client.get_bucket_location(Bucket=session.default_bucket())
    assert location["LocationConstraint"] == "eu-north-1"


ALGORITHM = """
from braket.circuits import Circuit
from braket.devices import LocalSimulator
from braket.jobs import save_job_result

def main():
    counts = LocalSimulator().run(Circuit().x(0), shots=7).result().measurement_counts
    save_job_result(dict(counts))
"""

CREATE = """
from braket.aws import AwsQuantumJob

job = AwsQuantumJob.create(
    "local:braket/braket_sv", source_module="algorithm.py", entry_point="algorithm:main"
)
print(job.result(), job.state(), job.name.rpartition("-")[0])
"""


def test_a_job_is_created_with_defaults_alone(local_aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "algorithm.py").write_text(ALGORITHM)
    said = _run(local_aws, tmp_path, CREATE)
    assert said == "{'1': 7} COMPLETED braket-job-default\n"


DECORATED = """
from braket.jobs import hybrid_job

class Offset:
    value = 40

@hybrid_job(device=None)
def add(a, b=1):
    return {"sum": a + b + Offset.value}

if __name__ == "__main__":
    print(add(1).result(), add(1, b=3).result())
"""


# Above, the SDK creates a job of a script.
@pytest.mark.long
def test_a_decorated_function_is_a_job(local_aws: LocalAws, tmp_path: Path) -> None:
    assert _run(local_aws, tmp_path, DECORATED) == "{'sum': 42} {'sum': 44}\n"


STEPS = """
import time
from braket.jobs import load_job_checkpoint, save_job_checkpoint, save_job_result

def save():
    save_job_checkpoint({"step": 3})

def load(name: str):
    save_job_result(load_job_checkpoint(name))

def wait():
    while True:
        time.sleep(0.1)
"""

CALLS = """
import time
from pathlib import Path
from braket.aws import AwsQuantumJob

def create(function, **options):
    return AwsQuantumJob.create(
        "local:braket/braket_sv",
        source_module="steps.py",
        entry_point=f"steps:{function}",
        **options,
    )

first = create("save")
first.result(poll_interval_seconds=1)
names = {"name": first.name}
second = create("load", copy_checkpoints_from_job=first.arn, hyperparameters=names)
print(second.result(poll_interval_seconds=1))
second.download_result(extract_to="downloaded")
print(sorted(path.name for path in Path("downloaded", second.name).iterdir()))
print(second.metadata()["hyperParameters"] == names)
third = create("wait")
while third.state() != "RUNNING":
    time.sleep(0.1)
print(third.queue_position().queue_position)
third.cancel()
while third.state() not in AwsQuantumJob.TERMINAL_STATES:
    time.sleep(0.1)
print(third.state())
"""


def test_jobs_copy_checkpoints_and_are_cancelled_by_the_sdk(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    said = _run(local_aws, tmp_path, CALLS)
    assert said.splitlines() == ["{'step': 3}", "['results.json']", "True", "None", "CANCELLED"]


def test_the_sdks_local_mode_gets_no_token_for_docker(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Docker without images, which would otherwise log in at the registry on AWS.
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = images ] || touch {tmp_path}/called\n')
    docker.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    Path("algorithm.py").write_text("print('here')")
    with pytest.raises(ClientError, match="has no container images") as refusal:
        LocalQuantumJob.create(
            "local:braket/braket_sv",
            source_module="algorithm.py",
            aws_session=_session(local_aws, "us-east-1"),
        )
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
    assert not (tmp_path / "called").exists()


def test_other_tokens_are_those_of_the_callers_registry(local_aws: LocalAws) -> None:
    ecr = boto3.client("ecr", **local_aws.client_settings)
    assert ecr.get_authorization_token()["authorizationData"]


LOCAL_MODE = """
from braket.jobs.local import LocalQuantumJob

try:
    LocalQuantumJob.create("local:braket/braket_sv", source_module="algorithm.py")
except Exception as error:
    print(type(error).__name__, error)
"""


# The test of its token has the same refusal.
@pytest.mark.long
def test_a_job_in_the_sdks_local_mode_needs_docker(local_aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "algorithm.py").write_text("print('here')")
    said = _run(local_aws, tmp_path, LOCAL_MODE)
    assert said == "FileNotFoundError [Errno 2] No such file or directory: 'docker'\n"
