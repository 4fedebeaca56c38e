"""KMS keys that are named by an alias, wherever a key can be given."""

from collections.abc import Callable
from typing import cast

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
)
from tests.synth.support import (
    LOCAL,
    Json,
    many,
    new_stack,
    only,
    policies,
    resources,
    template_of,
    text,
)

_ACCOUNT_KEYS = "arn:aws:kms:us-east-1:111122223333:key/*"
_IMPORTED = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/mine"}}
_ROLE = "arn:aws:iam::111122223333:role/jobs"
_FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:jobs"

_Declare = Callable[[Stack, kms.IKey], object]


def _bucket(stack: Stack, key: kms.IKey) -> s3.IBucket:
    return s3.Bucket.from_bucket_attributes(
        stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=key
    )


def _job(stack: Stack, **arguments: object) -> HybridJob:
    given: dict[str, object] = {"image": ContainerImage.base(), "device": LOCAL} | arguments
    return HybridJob(stack, "Job", **given)  # type: ignore[arg-type]  # one way for all


def _environment_job(stack: Stack, **arguments: object) -> HybridJob:
    environment = HybridJobEnvironment(stack, "Environment", **arguments)  # type: ignore[arg-type]
    return _job(stack, environment=environment)


def _grant(job: HybridJob) -> None:
    job.grant_read_results(iam.User(Stack.of(job), "Reader"))


def _replicas(stack: Stack, key: kms.IKey) -> s3.IBucket:
    return s3.Bucket.from_bucket_attributes(
        stack, "Copies", bucket_name="copies", encryption_key=key
    )


# All ways in which a key comes to the library.
_WAYS: dict[str, _Declare] = {
    "environment": lambda stack, key: _environment_job(stack, encryption_key=key),
    "inputs bucket": lambda stack, key: _environment_job(stack, inputs_bucket=_bucket(stack, key)),
    "results bucket": lambda stack, key: _environment_job(
        stack, results_bucket=_bucket(stack, key)
    ),
    "replication": lambda stack, key: _environment_job(
        stack, replication_bucket=_replicas(stack, key)
    ),
    "dead letters": lambda stack, key: _environment_job(
        stack, dead_letter_queue=sqs.Queue(stack, "Letters", encryption_master_key=key)
    ),
    "output key": lambda stack, key: _job(stack, output_data=OutputData(encryption_key=key)),
    "output bucket": lambda stack, key: _job(
        stack, output_data=OutputData(bucket=_bucket(stack, key))
    ),
    "checkpoint bucket": lambda stack, key: _job(
        stack, checkpoint=Checkpoint(bucket=_bucket(stack, key))
    ),
    "isolated": lambda stack, key: _job(
        stack, isolated=True, output_data=OutputData(bucket=_bucket(stack, key))
    ),
    "script": lambda stack, key: _job(
        stack,
        algorithm=AlgorithmScript.from_bucket(_bucket(stack, key), "a.py", entry_point="a"),
    ),
    "input": lambda stack, key: _job(
        stack, input_data={"a": InputChannel.from_bucket(_bucket(stack, key), "a")}
    ),
    "copied checkpoints": lambda stack, key: _job(
        stack, copy_checkpoints_from=CheckpointSource.from_bucket(_bucket(stack, key), "a")
    ),
    "definition": lambda stack, key: HybridJobDefinition(
        stack,
        "Job",
        image=ContainerImage.base(),
        device=LOCAL,
        output_data=OutputData(encryption_key=key),
    ),
    "grant": lambda stack, key: _grant(_job(stack, output_data=OutputData(encryption_key=key))),
    "grant on an input": lambda stack, key: _job(
        stack, input_data={"a": InputChannel.from_bucket(_bucket(stack, key), "a")}
    ).grant_write_input(iam.User(stack, "Writer")),
    "grant on an imported job": lambda stack, key: HybridJob.from_hybrid_job_attributes(
        stack,
        "Job",
        job_arn="arn:aws:braket:us-east-1:111122223333:job/8dd5a5ab-1c1a-4b6c-bd46-0d1f2c3e4f5a",
        results_s3_uri="s3://amazon-braket-mine/a",
        encryption_key=key,
    ).grant_read_results(iam.User(stack, "Reader")),
}


def _key_statements(stack: Stack) -> list[Json]:
    """All statements of roles and users with an action of KMS."""
    documents = [
        cast("Json", cast("Json", policy["Properties"])["PolicyDocument"])
        for policy in policies(stack).values()
    ]
    return [
        statement
        for document in documents
        for statement in cast("list[Json]", document["Statement"])
        if any(action.startswith("kms:") for action in many(statement["Action"]))
    ]


def _imported(stack: Stack) -> kms.IKey:
    return kms.Alias.from_alias_name(stack, "Alias", "alias/mine")


def _by_arn(stack: Stack) -> kms.IKey:
    arn = "arn:aws:kms:us-east-1:111122223333:alias/mine"
    return kms.Key.from_key_arn(stack, "Alias", arn)


@pytest.mark.parametrize("alias", [_imported, _by_arn])
@pytest.mark.parametrize("way", _WAYS)
def test_the_key_of_an_imported_alias_is_any_key_with_that_alias(
    way: str, alias: Callable[[Stack], kms.IKey]
) -> None:
    stack = new_stack()
    _WAYS[way](stack, alias(stack))
    found = _key_statements(stack)
    assert not any("alias/" in text(r) for s in found for r in many(s["Resource"]))
    of_alias = [s for s in found if s.get("Condition") == _IMPORTED]
    assert of_alias
    for statement in of_alias:
        resource = text(statement["Resource"]).replace("<{'Ref': 'AWS::Partition'}>", "aws")
        assert resource == _ACCOUNT_KEYS


def _added(stack: Stack) -> kms.IKey:
    return kms.Key(stack, "Target").add_alias("mine")


def _by_attributes(stack: Stack) -> kms.IKey:
    return kms.Alias.from_alias_attributes(
        stack, "Alias", alias_name="alias/mine", alias_target_key=kms.Key(stack, "Target")
    )


@pytest.mark.parametrize("alias", [_added, _by_attributes])
@pytest.mark.parametrize("way", _WAYS)
def test_an_alias_whose_key_is_known_stands_for_that_key(
    way: str, alias: Callable[[Stack], kms.IKey]
) -> None:
    stack = new_stack()
    _WAYS[way](stack, alias(stack))
    found = {text(r) for s in _key_statements(stack) for r in many(s["Resource"])}
    assert any("'Target" in resource for resource in found)
    assert not any("alias/" in resource or resource.endswith("key/*") for resource in found)


def test_an_alias_of_an_environment_encrypts_log_and_dead_letters_with_its_key() -> None:
    stack = new_stack()
    _WAYS["environment"](stack, _added(stack))
    [key] = resources(stack, "AWS::KMS::Key")
    assert only(stack, "AWS::Logs::LogGroup")["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert only(stack, "AWS::SQS::Queue")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}


def test_an_environment_of_another_app_may_name_its_key_by_an_alias() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Environment",
        inputs_bucket_name="amazon-braket-inputs-1",
        results_bucket_name="amazon-braket-results-1",
        role_arn=_ROLE,
        handler_function_arn=_FUNCTION,
        encryption_key_arn="arn:aws:kms:us-east-1:111122223333:alias/mine",
    )
    _job(stack, environment=environment, isolated=True)
    assert any(s.get("Condition") == _IMPORTED for s in _key_statements(stack))
    assert "alias/mine" in str(template_of(stack))
