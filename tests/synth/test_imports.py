"""Importing: jobs by their ARN, and the package's names one by one."""

import subprocess
import sys

import pytest
from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_kms as kms

import cdk_braket
from cdk_braket import CheckpointSource, ContainerImage, HybridJob, IHybridJob, ValidationError
from tests import public_api
from tests.synth.support import LOCAL, argument_of, image_job, job_properties, new_stack, text

_ARN = "arn:aws:braket:eu-west-2:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"


def test_a_job_imported_by_arn_has_the_attributes_of_the_arn() -> None:
    job = HybridJob.from_hybrid_job_arn(new_stack(), "Job", _ARN)
    assert job.job_arn == _ARN
    assert job.job_id == "8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"
    assert job.log_group_name == "/aws/braket/jobs"


@pytest.mark.parametrize(
    "attribute", ["job_name", "results_s3_uri", "checkpoint_s3_uri", "log_stream_prefix"]
)
def test_attributes_that_an_arn_does_not_contain_are_an_error(attribute: str) -> None:
    job = HybridJob.from_hybrid_job_arn(new_stack(), "Job", _ARN)
    with pytest.raises(ValidationError, match=f"{attribute}: cannot be derived from a job's ARN"):
        getattr(job, attribute)


def test_an_invalid_job_arn_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"job_arn: expected .*got 'my-job'"):
        HybridJob.from_hybrid_job_arn(new_stack(), "Job", "my-job")


def test_a_job_of_a_token_can_be_imported() -> None:
    stack = new_stack()
    other = image_job(stack)
    job: IHybridJob = HybridJob.from_hybrid_job_arn(stack, "Other", other.job_arn)
    assert "Fn::Split" in str(stack.resolve(job.job_id))


def _known(
    stack: Stack, results_s3_uri: str = "s3://amazon-braket-mine/jobs/vqe/data"
) -> IHybridJob:
    return HybridJob.from_hybrid_job_attributes(
        stack,
        "Known",
        job_arn=_ARN,
        job_name="vqe-1",
        results_s3_uri=results_s3_uri,
        checkpoint_s3_uri="s3://amazon-braket-mine/jobs/vqe/checkpoints",
        log_stream_prefix="vqe-1/",
        encryption_key=kms.Key.from_key_arn(
            stack, "Key", "arn:aws:kms:eu-west-2:111122223333:key/mine"
        ),
    )


def test_a_job_imported_by_attributes_has_them_all() -> None:
    job = _known(new_stack())
    assert job.job_arn == _ARN
    assert job.job_name == "vqe-1"
    assert job.results_bucket.bucket_name == "amazon-braket-mine"
    assert job.results_bucket is job.results_bucket
    assert job.results_prefix == "jobs/vqe/data"
    assert job.checkpoint_bucket.bucket_name == "amazon-braket-mine"
    assert job.checkpoint_prefix == "jobs/vqe/checkpoints"
    assert job.log_stream_prefix == "vqe-1/"
    key = job.results_bucket.encryption_key
    assert key is not None
    assert key.key_arn.endswith("key/mine")


def test_a_job_goes_on_from_the_checkpoints_of_one_that_is_imported() -> None:
    stack = new_stack()
    source = CheckpointSource.from_job(_known(stack))
    HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        copy_checkpoints_from=source,
    )
    uri = text(job_properties(stack)["CopyCheckpointsFrom"])
    assert uri == "s3://amazon-braket-mine/jobs/vqe/checkpoints"


def test_the_prefix_of_a_token_is_unknown() -> None:
    stack = new_stack()
    job = _known(stack, image_job(stack).results_s3_uri)
    assert "Fn::Split" in str(stack.resolve(job.results_bucket.bucket_name))
    with pytest.raises(ValidationError, match="results_prefix: cannot be derived from a token"):
        job.results_prefix  # noqa: B018 - asking is what is tested


def test_all_wrong_attributes_are_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        HybridJob.from_hybrid_job_attributes(
            new_stack(), "Job", job_arn="vqe", results_s3_uri="results", checkpoint_s3_uri="s3://"
        )
    assert [argument_of(problem) for problem in caught.value.problems] == [
        "job_arn",
        "results_s3_uri",
        "checkpoint_s3_uri",
    ]


def test_the_console_shows_the_job_in_its_region() -> None:
    stack = new_stack()
    deployed = text(stack.resolve(image_job(stack).console_url))
    assert deployed.startswith("https://us-east-1.console.aws.amazon.com/braket/home?region=us-")
    assert deployed.endswith("'JobArn']}>")
    known = text(stack.resolve(_known(stack).console_url))
    assert known == (
        f"https://eu-west-2.console.aws.amazon.com/braket/home?region=eu-west-2#/job/{_ARN}"
    )


def test_attributes_are_used_in_other_stacks() -> None:
    app = App()
    one, other = Stack(app, "One"), Stack(app, "Other")
    job = image_job(one)
    CfnOutput(other, "Results", value=job.results_s3_uri)
    CfnOutput(other, "Console", value=job.console_url)
    app.synth()
    assert [stack.stack_name for stack in other.dependencies] == ["One"]


def test_every_public_name_is_there_and_no_other() -> None:
    for name in public_api.NAMES:
        public = getattr(cdk_braket, name)
        assert not isinstance(public, type) or public.__name__ == name
        assert name in dir(cdk_braket)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(cdk_braket, "Nothing")  # noqa: B009 - a type checker would object to the plain form


@pytest.mark.parametrize(
    "module",
    [
        "cdk_braket",
        "cdk_braket._lambda.braket_jobs.api.model_rules",
        "cdk_braket.assets.packaging",
        "cdk_braket.validation.preflight",
    ],
)
def test_a_module_without_constructs_starts_no_jsii(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('jsii', 'aws_cdk')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_constructs_import_no_boto3() -> None:
    code = "import sys; from cdk_braket import HybridJob; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
