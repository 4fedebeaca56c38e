"""Importing: jobs by their ARN, and the package's names one by one."""

import subprocess
import sys

import pytest

import cdk_braket
from cdk_braket import HybridJob, IHybridJob, ValidationError
from tests.synth.support import image_job, new_stack

_ARN = "arn:aws:braket:eu-west-2:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"


def test_a_job_by_its_arn_tells_what_the_arn_tells() -> None:
    job = HybridJob.from_hybrid_job_arn(new_stack(), "Job", _ARN)
    assert job.job_arn == _ARN
    assert job.job_id == "8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"
    assert job.log_group_name == "/aws/braket/jobs"


@pytest.mark.parametrize(
    "attribute", ["job_name", "results_s3_uri", "checkpoint_s3_uri", "log_stream_prefix"]
)
def test_what_an_arn_does_not_tell_is_an_error(attribute: str) -> None:
    job = HybridJob.from_hybrid_job_arn(new_stack(), "Job", _ARN)
    with pytest.raises(ValidationError, match=f"{attribute}: cannot be told from a job's ARN"):
        getattr(job, attribute)


def test_what_is_no_jobs_arn_is_refused() -> None:
    with pytest.raises(ValidationError, match="job_arn='my-job'"):
        HybridJob.from_hybrid_job_arn(new_stack(), "Job", "my-job")


def test_a_job_of_a_token_can_be_imported() -> None:
    stack = new_stack()
    other = image_job(stack)
    job: IHybridJob = HybridJob.from_hybrid_job_arn(stack, "Other", other.job_arn)
    assert "Fn::Split" in str(stack.resolve(job.job_id))


def test_every_public_name_is_there_and_no_other() -> None:
    for name in cdk_braket.__all__:
        assert getattr(cdk_braket, name).__name__ == name
        assert name in dir(cdk_braket)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(cdk_braket, "Nothing")  # noqa: B009 - a type checker would object to the plain form


@pytest.mark.parametrize(
    "module",
    [
        "cdk_braket",
        "cdk_braket._lambda.hybrid_job_handler.rules",
        "cdk_braket._packaging",
        "cdk_braket._preflight",
    ],
)
def test_what_needs_no_construct_starts_no_jsii(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('jsii', 'aws_cdk')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_constructs_import_no_boto3() -> None:
    code = "import sys; from cdk_braket import HybridJob; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
