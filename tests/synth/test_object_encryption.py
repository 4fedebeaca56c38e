"""The handler knows the encryption of the buckets that it writes to, as far as it is known."""

import pytest
from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import ContainerImage, HybridJob, HybridJobEnvironment, IHybridJobEnvironment
from cdk_braket._lambda.braket_jobs.handler.properties import Encryption, read_encryption
from tests.synth.support import LOCAL, as_sent, job_properties, new_stack


def _read(stack: Stack) -> dict[str, Encryption]:
    """The variable that the handler reads; absent if no encryption is known."""
    found = job_properties(stack).get("Encryption")
    return {} if found is None else dict(read_encryption(as_sent({"Encryption": found})))


def _job(stack: Stack, environment: IHybridJobEnvironment) -> None:
    image = ContainerImage.base()
    HybridJob(stack, "Job", environment=environment, image=image, device=LOCAL)


def _stack(environment_of: "dict[str, object]", stack: Stack | None = None) -> Stack:
    stack = stack or new_stack()
    environment = HybridJobEnvironment(stack, "Environment", **environment_of)  # type: ignore[arg-type]
    _job(stack, environment)
    return stack


def test_a_bucket_with_a_key_is_written_with_that_key() -> None:
    [(bucket, encryption)] = _read(_stack({})).items()
    assert "InputsBucket" in bucket
    assert encryption.algorithm == "aws:kms"
    assert "EnvironmentKey" in encryption.key


def test_a_bucket_with_s3s_keys_is_written_with_those() -> None:
    [encryption] = _read(_stack({"encryption": s3.BucketEncryption.S3_MANAGED})).values()
    assert encryption == Encryption("AES256")


@pytest.mark.parametrize("has_key", [True, False])
def test_a_bucket_of_the_users_is_written_with_its_key_if_that_is_known(has_key: bool) -> None:
    stack = new_stack()
    key = kms.Key(stack, "Mine") if has_key else None
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "Theirs", bucket_name="amazon-braket-theirs", encryption_key=key
    )
    found = _read(_stack({"inputs_bucket": bucket}, stack))
    assert list(found) == (["amazon-braket-theirs"] if has_key else [])


def test_an_imported_environments_encryption_is_left_to_the_handler() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Environment",
        inputs_bucket_name="amazon-braket-inputs-1",
        results_bucket_name="amazon-braket-results-1",
        role_arn="arn:aws:iam::123456789012:role/jobs",
        handler_function_arn="arn:aws:lambda:us-east-1:123456789012:function:handler",
        encryption_key_arn="arn:aws:kms:us-east-1:123456789012:key/1",
    )
    _job(stack, environment)
    assert _read(stack) == {}
    assert "Assets" not in job_properties(stack)
