"""Grants: the requested actions, on the job's resources, and no more."""

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
    ValidationError,
)
from tests.synth.support import LOCAL, allowed, image_job, new_stack, statements, text

_ARN = "arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a"
_JOB = "<{'Fn::GetAtt': ['JobB9D00F9F', 'JobArn']}>"
_LOGS = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/braket/jobs"


def _user(stack: Stack) -> iam.User:
    return iam.User(stack, "Somebody")


def _granted(stack: Stack) -> set[tuple[str, str]]:
    return allowed(stack, "Somebody")


def test_results_are_read_below_the_jobs_prefix_with_their_key() -> None:
    stack = new_stack()
    image_job(stack).grant_read_results(_user(stack)).assert_success()
    [(_, objects)] = [pair for pair in _granted(stack) if pair[0] == "s3:GetObject"]
    assert objects.endswith("/jobs/Stack-Job/*")
    assert "ResultsBucket" in objects
    actions = {action for action, _ in _granted(stack)}
    assert actions == {"s3:GetObject", "s3:ListBucket", "kms:Decrypt"}
    [listing] = [s for s in statements(stack, "Somebody") if s["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["jobs/Stack-Job/*"]}}


def test_results_in_a_bucket_of_the_users_are_read_with_that_ones_key() -> None:
    stack = new_stack()
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111122223333:key/mine")
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "Bucket", bucket_name="amazon-braket-mine", encryption_key=key
    )
    job = HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        output_data=OutputData(bucket=bucket, prefix="vqe"),
    )
    job.grant_read_results(_user(stack))
    pairs = {(action, text(resource)) for action, resource in _granted(stack)}
    assert ("kms:Decrypt", key.key_arn) in pairs
    assert {resource.rpartition(":")[2] for action, resource in pairs if "Object" in action} == {
        "amazon-braket-mine/vqe/*"
    }


def test_a_job_is_cancelled_by_its_arn() -> None:
    stack = new_stack()
    image_job(stack).grant_cancel(_user(stack))
    assert _granted(stack) == {("braket:CancelJob", _JOB), ("braket:GetJob", _JOB)}


def test_a_job_and_its_own_log_streams_are_read() -> None:
    stack = new_stack()
    image_job(stack).grant_read(_user(stack))
    prefix = "<{'Fn::GetAtt': ['JobB9D00F9F', 'LogStreamPrefix']}>"
    group = _LOGS.replace("arn:aws:", "arn:<{'Ref': 'AWS::Partition'}>:")
    assert _granted(stack) == {
        ("braket:GetJob", _JOB),
        ("logs:DescribeLogStreams", f"{group}:*"),
        ("logs:GetLogEvents", f"{group}:log-stream:{prefix}*"),
    }


def test_an_imported_job_is_granted_by_its_attributes() -> None:
    stack = new_stack()
    job = HybridJob.from_hybrid_job_attributes(
        stack,
        "Known",
        job_arn=_ARN,
        results_s3_uri="s3://amazon-braket-mine/jobs/vqe/data",
        log_stream_prefix="vqe-1/",
    )
    user = _user(stack)
    for grant in (job.grant_read_results, job.grant_cancel, job.grant_read):
        grant(user).assert_success()
    pairs = _granted(stack)
    assert ("braket:CancelJob", _ARN) in pairs
    assert any(resource.endswith("mine/jobs/vqe/data*") for _, resource in pairs)
    assert any(resource.endswith(":log-stream:vqe-1/*") for _, resource in pairs)


def test_attributes_of_an_imported_job_are_escaped_in_policies() -> None:
    stack = new_stack()
    job = HybridJob.from_hybrid_job_attributes(
        stack,
        "Known",
        job_arn=_ARN,
        results_s3_uri="s3://amazon-braket-mine/a*",
        log_stream_prefix="b?",
    )
    user = _user(stack)
    job.grant_read_results(user)
    job.grant_read(user)
    resources = {resource for _, resource in _granted(stack)}
    assert any(resource.endswith("mine/a${*}*") for resource in resources)
    assert any(resource.endswith(":log-stream:b${?}*") for resource in resources)
    assert job.results_prefix == "a*"


@pytest.mark.parametrize("uri", ["s3://*/a", "s3://a/b", "nowhere"])
def test_an_imported_jobs_results_are_in_a_bucket_that_s3_can_have(uri: str) -> None:
    with pytest.raises(ValidationError, match=r"results_s3_uri: expected s3://bucket/prefix"):
        HybridJob.from_hybrid_job_attributes(new_stack(), "Known", job_arn=_ARN, results_s3_uri=uri)


def test_unknown_attributes_of_an_imported_job_cannot_be_granted() -> None:
    stack = new_stack()
    job = HybridJob.from_hybrid_job_arn(stack, "Known", _ARN)
    user = _user(stack)
    with pytest.raises(ValidationError, match="results_s3_uri: cannot be derived"):
        job.grant_read_results(user)
    with pytest.raises(ValidationError, match="log_stream_prefix: cannot be derived"):
        job.grant_read(user)


def _reading(stack: Stack, *channels: str) -> HybridJob:
    bucket = s3.Bucket.from_bucket_name(stack, "Data", "amazon-braket-data")
    return HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        input_data={name: InputChannel.from_bucket(bucket, f"{name}/") for name in channels},
    )


@pytest.mark.parametrize(("channels", "asked"), [(["a"], None), (["a"], "a"), (["a", "b"], "a")])
def test_input_is_written_and_not_read(channels: list[str], asked: str | None) -> None:
    stack = new_stack()
    _reading(stack, *channels).grant_write_input(_user(stack), asked)
    [(action, objects)] = _granted(stack)
    assert action == "s3:PutObject"
    assert objects.endswith(":amazon-braket-data/a/*")


@pytest.mark.parametrize(
    ("channels", "asked", "there"),
    [([], None, "none"), (["a", "b"], None, "a, b"), (["a"], "c", "a")],
)
def test_a_missing_channel_is_reported(channels: list[str], asked: str | None, there: str) -> None:
    stack = new_stack()
    job = _reading(stack, *channels)
    with pytest.raises(ValidationError, match=rf"channel: .*got {asked!r}; there is {there}\."):
        job.grant_write_input(_user(stack), asked)


def test_the_grants_on_jobs_of_others_are_those_of_the_environment() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    environment.grant_read_jobs(_user(stack)).assert_success()
    pairs = _granted(stack)
    assert {action for action, resource in pairs if resource == "*"} == {"braket:SearchJobs"}
    assert {action for action, _ in pairs if action.startswith("braket:")} == {
        "braket:GetJob",
        "braket:SearchJobs",
    }
    [objects] = [resource for action, resource in pairs if action == "s3:GetObject"]
    assert objects.endswith("/jobs/*")
    [streams] = [resource for action, resource in pairs if action == "logs:GetLogEvents"]
    assert streams.endswith(":log-group:/aws/braket/jobs:log-stream:*")
    other = new_stack()
    HybridJobEnvironment(other, "Environment").grant_cancel_jobs(_user(other)).assert_success()
    assert sorted(action for action, _ in _granted(other)) == [
        "braket:CancelJob",
        "braket:GetJob",
        "braket:SearchJobs",
    ]


def test_the_grant_to_start_jobs_passes_the_role_to_braket_only() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    environment.grant_create_job(_user(stack)).assert_success()
    pairs = _granted(stack)
    assert ("braket:CreateJob", "*") in pairs
    assert {action for action, resource in pairs if resource == "*"} == {"braket:CreateJob"}
    [passing] = [s for s in statements(stack, "Somebody") if s["Action"] == "iam:PassRole"]
    assert text(passing["Resource"]) == text(stack.resolve(environment.role.role_arn))
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["braket.amazonaws.com", "sagemaker.amazonaws.com"]}
    }
    written = sorted(r.rpartition(">")[2] for a, r in pairs if a == "s3:PutObject")
    assert written == ["/inputs/*", "/scripts/*"]
