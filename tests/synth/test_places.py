"""A job may write its results, checkpoints and tasks' results, at any location."""

import fnmatch
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from cdk_braket import (
    Checkpoint,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobEnvironment,
    IHybridJobEnvironment,
    OutputData,
)
from cdk_braket._lambda.braket_jobs.handler.properties import read_request
from tests import length
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    as_sent,
    many,
    new_stack,
    text,
)

_RUN: Final = "RUNID0000000"
_A_RUN: Final = "k3j9x0q2m7ab"
_PREFIXES: Final = (None, "mine", "", "a*b")
_RESULT_KEY_ACTIONS: Final = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
)


@dataclass(frozen=True)
class _Case:
    """The locations that a job writes."""

    bucket: bool
    prefix: str | None
    checkpoint_bucket: bool
    checkpoint_prefix: str | None
    key: bool
    job_name: str | None
    device: Device

    def arguments(self, bucket: s3.IBucket, key: kms.IKey) -> dict[str, object]:
        return {
            "job_name": self.job_name,
            "device": self.device,
            "output_data": OutputData(
                bucket=bucket if self.bucket else None,
                prefix=self.prefix,
                encryption_key=key if self.key else None,
            ),
            "checkpoint": Checkpoint(
                bucket=bucket if self.checkpoint_bucket else None, prefix=self.checkpoint_prefix
            ),
        }


def _cases() -> list[_Case]:
    every = itertools.product((False, True), _PREFIXES, (False, True), (None, "kept"))
    return [
        _Case(*places, key=key, job_name=name, device=device)
        for places, (key, name, device) in zip(
            every,
            itertools.cycle(
                itertools.product((False, True), (None, "named"), (LOCAL, Device.AMAZON_SV1))
            ),
            strict=False,
        )
    ]


def _environment(stack: Stack, kind: str) -> IHybridJobEnvironment:
    match kind:
        case "imported":
            return HybridJobEnvironment.from_hybrid_job_environment_attributes(
                stack,
                "Environment",
                inputs_bucket_name="amazon-braket-inputs-1",
                results_bucket_name="amazon-braket-results-1",
                role_arn=f"arn:aws:iam::{ACCOUNT}:role/jobs",
                handler_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:jobs",
                encryption_key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs",
            )
        case "own buckets":
            bucket = s3.Bucket.from_bucket_name(stack, "Both", "amazon-braket-both")
            return HybridJobEnvironment(
                stack, "Environment", inputs_bucket=bucket, results_bucket=bucket
            )
        case "S3's keys":
            return HybridJobEnvironment(
                stack, "Environment", encryption=s3.BucketEncryption.S3_MANAGED
            )
    return HybridJobEnvironment(stack, "Environment")


def _statements(stack: Stack, job: HybridJob) -> list[Json]:
    document = cast("Json", stack.resolve(job.execution_policy))
    return cast("list[Json]", document["Statement"])


def _allows(statements: list[Json], action: str, resource: str, prefix: str | None = None) -> bool:
    """Decide as IAM does, for allow statements without conditions except on the prefix."""
    return any(
        action in many(each["Action"])
        and any(_matches(text(pattern), resource) for pattern in many(each["Resource"]))
        and _in_condition(each, prefix)
        for each in statements
    )


def _matches(pattern: str, name: str) -> bool:
    """IAM's patterns: `*`, `?`, and `${*}`, `${?}`, `${$}` for the characters themselves."""
    escaped = re.sub(r"\$\{([*?$])\}|([\[\]])", lambda m: f"[{m[1] or m[2]}]", pattern)
    return fnmatch.fnmatchcase(name, escaped)


def _in_condition(statement: Json, prefix: str | None) -> bool:
    condition = cast("dict[str, dict[str, list[str]]]", statement.get("Condition", {}))
    if not condition:
        return True
    patterns = condition.get("StringLike", {}).get("s3:prefix")
    return (
        patterns is not None
        and prefix is not None
        and any(_matches(text(pattern), prefix) for pattern in patterns)
    )


def _requests(stack: Stack, job: HybridJob, case: _Case) -> Iterator[tuple[str, str, str | None]]:
    """Return the job's requests: an action, a resource, and the prefix of a listing."""
    request = read_request(as_sent(stack.resolve({"Request": _property(job, "Request")})))
    output = cast("Json", request["outputDataConfig"])
    checkpoint = cast("Json", request["checkpointConfig"])
    for uri in (str(output["s3Path"]), str(checkpoint["s3Uri"])):
        arn, key = _arn(uri.replace(_RUN, _A_RUN))
        for action in ("s3:GetObject", "s3:PutObject"):
            yield action, f"{arn}/{key}/file.tar.gz", None
        yield "s3:ListBucket", arn, f"{key}/"
    if "kmsKeyId" in output:
        for action in _RESULT_KEY_ACTIONS:
            yield action, str(output["kmsKeyId"]), None
    if not case.device.is_local:
        arn, _ = _arn(str(output["s3Path"]))
        name = str(request["jobName"]).replace(_RUN, _A_RUN)
        tasks = f"jobs/{name}/tasks"
        for action in ("s3:GetObject", "s3:PutObject"):
            yield action, f"{arn}/{tasks}/7b2/results.json", None
        yield "s3:ListBucket", arn, f"{tasks}/"
        # HeadBucket, before a task is created.
        yield "s3:ListBucket", arn, None


def _property(job: HybridJob, name: str) -> object:
    resource = job.node.default_child
    assert resource is not None
    return getattr(job, "_definition").properties()[name]  # noqa: B009


def _arn(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket.startswith("<"):
        return f"arn:<{{'Ref': 'AWS::Partition'}}>:s3:::{bucket}", key
    return bucket.replace("<{'Ref': ", "<{'Fn::GetAtt': [").replace("'}>", "', 'Arn']}>"), key


@pytest.mark.parametrize(
    "environment", length.first(2, ["own", "imported", "own buckets", "S3's keys"])
)
@pytest.mark.parametrize("role", length.first(2, ["shared", "isolated", "of the app"]))
def test_a_job_has_the_permissions_for_its_requests(environment: str, role: str) -> None:
    stack = new_stack()
    shared = _environment(stack, environment)
    bucket = s3.Bucket.from_bucket_attributes(
        stack,
        "Mine",
        bucket_name="amazon-braket-mine",
        encryption_key=kms.Key.from_key_arn(
            stack, "BucketKey", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/bucket"
        ),
    )
    key = kms.Key.from_key_arn(stack, "OutputKey", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/output")
    denied = []
    for number, case in enumerate(_cases()):
        arguments = case.arguments(bucket, key)
        if role == "isolated":
            arguments["isolated"] = True
        if role == "of the app":
            arguments["role"] = iam.Role(
                stack, f"Role{number}", assumed_by=iam.ServicePrincipal("braket.amazonaws.com")
            )
        job = HybridJob(
            stack,
            f"Job{number}",
            environment=shared,
            image=ContainerImage.base(),
            **arguments,  # type: ignore[arg-type]  # one way for all
        )
        statements = _statements(stack, job)
        denied += [
            (case, request)
            for request in _requests(stack, job, case)
            if not _allows(statements, *request)
        ]
        other = ("s3:PutObject", "arn:aws:s3:::amazon-braket-mine/other/file")
        if case.prefix != "" or not case.bucket:
            assert not _allows(statements, *other)
    assert denied == []


def test_an_isolated_job_reaches_only_the_task_results_of_its_name() -> None:
    stack = new_stack()
    job = HybridJob(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=Device.AMAZON_SV1,
        isolated=True,
        output_data=OutputData(
            bucket=s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine")
        ),
    )
    statements = _statements(stack, job)
    bucket = "arn:<{'Ref': 'AWS::Partition'}>:s3:::amazon-braket-mine"
    own = f"{bucket}/jobs/Stack-Job-{_A_RUN}/tasks/1/results.json"
    assert _allows(statements, "s3:GetObject", own)
    for name in (f"Stack-Job2-{_A_RUN}", f"Stack-Job-2-{_A_RUN}", "Stack-Job", f"Other-{_A_RUN}"):
        others = f"{bucket}/jobs/{name}/tasks/1/results.json"
        assert not _allows(statements, "s3:GetObject", others)


def test_a_job_on_an_embedded_simulator_lists_no_more_than_its_prefixes() -> None:
    stack = new_stack()
    job = HybridJob(stack, "Job", image=ContainerImage.base(), device=LOCAL)
    listing = [s for s in _statements(stack, job) if s["Action"] == "s3:ListBucket"]
    assert listing
    assert all("Condition" in statement for statement in listing)
