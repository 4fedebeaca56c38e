"""The CreateJob request of a job's properties, member by member."""

from pathlib import Path

import pytest
from aws_cdk import CfnParameter, Duration, Size, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    InstanceConfig,
    InstanceType,
    OutputData,
)
from cdk_braket._lambda.braket_jobs.api import model_rules
from tests.create_job import filled, members
from tests.synth.support import (
    LOCAL,
    image_job,
    new_stack,
    request_of,
    script,
    tags_of,
)
from tests.types import sample

LONGEST = model_rules.bounds(model_rules.shape_of("CreateJobRequest", "jobName")).maximum or 0


def test_the_least_job_has_the_required_members_and_the_sdks_defaults() -> None:
    stack = new_stack()
    image_job(stack)
    request = request_of(stack)
    assert set(request) == {
        "algorithmSpecification",
        "checkpointConfig",
        "deviceConfig",
        "instanceConfig",
        "jobName",
        "outputDataConfig",
        "roleArn",
    }
    assert request["jobName"] == "Stack-Job-RUNID0000000"
    assert request["instanceConfig"] == {
        "instanceType": "ml.m5.large",
        "volumeSizeInGb": 30,
        "instanceCount": 1,
    }


def test_results_and_checkpoints_of_each_run_have_another_place() -> None:
    stack = new_stack()
    image_job(stack)
    request = request_of(stack)
    output, checkpoint = request["outputDataConfig"], request["checkpointConfig"]
    assert isinstance(output, dict)
    assert isinstance(checkpoint, dict)
    assert output["s3Path"].endswith("/jobs/Stack-Job/RUNID0000000/data")
    assert checkpoint["s3Uri"].endswith("/jobs/Stack-Job/RUNID0000000/checkpoints")
    assert "Key" in output["kmsKeyId"]
    assert checkpoint["localPath"] == "/opt/jobs/checkpoints"


def test_a_script_runs_in_the_base_image_as_with_the_sdk(tmp_path: Path) -> None:
    stack = new_stack()
    HybridJob(stack, "Job", algorithm=script(tmp_path), device=LOCAL)
    algorithm = request_of(stack)["algorithmSpecification"]
    assert isinstance(algorithm, dict)
    assert algorithm["containerImage"]["uri"].endswith("/amazon-braket-base-jobs:latest")
    assert algorithm["scriptModeConfig"]["entryPoint"] == "algo:main"
    assert algorithm["scriptModeConfig"]["compressionType"] == "GZIP"
    assert "/scripts/" in algorithm["scriptModeConfig"]["s3Uri"]
    assert algorithm["scriptModeConfig"]["s3Uri"].endswith("/source.tar.gz")


def test_an_image_alone_has_no_script() -> None:
    stack = new_stack()
    image_job(stack)
    assert request_of(stack)["algorithmSpecification"] == {
        "containerImage": {
            "uri": "292282985366.dkr.ecr.us-east-1.amazonaws.com/amazon-braket-base-jobs:latest"
        }
    }


def test_every_argument_reaches_the_request() -> None:
    stack = new_stack()
    sample.declare_first(stack)
    request = dict(request_of(stack))
    assert request.pop("roleArn") == "arn:aws:iam::111122223333:role/mine"
    assert request == sample.REQUEST
    assert tags_of(stack) == sample.TAGS


def test_every_member_of_the_request_is_in_the_test_above() -> None:
    offered = {**sample.REQUEST, "roleArn": "", "tags": sample.TAGS}
    derived = {("clientToken",)}
    assert filled(offered) | derived == set(members())


def test_tokens_pass_through_text_and_numbers() -> None:
    stack = new_stack()
    shots = CfnParameter(stack, "Shots", type="Number")
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=Device.from_arn(Token.as_string({"Ref": "Device"})),
        hyperparameters={"shots": shots.value_as_number, "name": shots.value_as_string},
        instance=InstanceConfig(
            instance_type=InstanceType.of(Token.as_string({"Ref": "Type"})),
            volume_size=Size.gibibytes(shots.value_as_number),
            instance_count=Token.as_number({"Ref": "Count"}),
        ),
        max_runtime=Duration.seconds(shots.value_as_number),
        job_name=Token.as_string({"Ref": "Name"}),
    )
    raw = str(request_of(stack))
    assert "e+289" not in raw
    assert "Token[" not in raw
    assert raw.count("{'Ref': 'Shots'}") == 4
    for name in ("Device", "Type", "Count", "Name"):
        assert f"{{'Ref': '{name}'}}" in raw


@pytest.mark.parametrize(
    ("id", "label"),
    [
        ("Vqe", "Stack-Vqe"),
        ("a_b.c d", "Stack-a-b-c-d"),
        ("Ünïcode", "Stack-n-code"),
        ("x" * 80, "x" * (LONGEST - len("-RUNID0000000"))),
    ],
)
def test_the_default_name_is_the_end_of_the_constructs_path(id: str, label: str) -> None:
    stack = new_stack()
    image_job(stack, id)
    assert request_of(stack)["jobName"] == f"{label}-RUNID0000000"


def test_a_given_name_is_a_label_and_stays_as_it_is() -> None:
    stack = new_stack()
    HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL, job_name="nightly")
    request = request_of(stack)
    assert request["jobName"] == "nightly"
    assert "/jobs/nightly/RUNID0000000/data" in str(request["outputDataConfig"])


def test_results_in_a_bucket_of_the_users_use_that_buckets_key() -> None:
    stack = new_stack()
    plain = s3.Bucket.from_bucket_name(stack, "Plain", "amazon-braket-plain")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/theirs")
    keyed = s3.Bucket.from_bucket_attributes(
        stack, "Keyed", bucket_name="amazon-braket-keyed", encryption_key=key
    )
    for bucket, expected in ((plain, None), (keyed, key.key_arn)):
        inner = new_stack()
        HybridJob(
            inner,
            "Job",
            image=ContainerImage.base(),
            device=LOCAL,
            output_data=OutputData(bucket=bucket),
        )
        output = request_of(inner)["outputDataConfig"]
        assert isinstance(output, dict)
        assert output.get("kmsKeyId") == expected
