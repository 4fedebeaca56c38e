"""Keys let Amazon Braket's service-linked role write results of quantum tasks."""

import json
from collections.abc import Callable
from typing import cast

import pytest
from aws_cdk import App, Environment, NestedStack, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    HybridJobEnvironment,
    OutputData,
)
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    new_stack,
    resources,
    template_of,
    text,
)

_ROLES = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/braket.amazonaws.com/*"
_WARNING = "task results|key policy that lets Amazon Braket write"


def _statements(stack: Stack) -> list[Json]:
    """The statements for Braket in the policies of a stack's keys."""
    keys = resources(stack, "AWS::KMS::Key").values()
    documents = [cast("Json", cast("Json", key["Properties"])["KeyPolicy"]) for key in keys]
    return [
        statement
        for document in documents
        for statement in cast("list[Json]", document["Statement"])
        if statement.get("Sid") == "AmazonBraketTaskResults"
    ]


def _job(stack: Stack, **arguments: object) -> HybridJob:
    given = {"image": ContainerImage.base(), "device": Device.AMAZON_SV1} | arguments
    return HybridJob(stack, "Job", **given)  # type: ignore[arg-type]  # one way for all


def _assert_right(statement: Json, region: str = REGION, account: str = ACCOUNT) -> None:
    assert statement["Principal"] == "*"
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    condition = cast("dict[str, dict[str, object]]", statement["Condition"])
    assert condition["StringEquals"] == {
        "kms:CallerAccount": account,
        "kms:ViaService": f"s3.{region}.amazonaws.com",
    }
    arn = text(condition["ArnLike"]["aws:PrincipalArn"])
    assert arn.replace("<{'Ref': 'AWS::Partition'}>", "aws") == _ROLES


def test_a_new_key_lets_the_service_linked_role_use_it_by_s3_alone() -> None:
    stack = new_stack()
    _job(stack)
    [statement] = _statements(stack)
    _assert_right(statement)


def _own_key(stack: Stack) -> dict[str, object]:
    return {"environment": HybridJobEnvironment(stack, "E", encryption_key=kms.Key(stack, "Mine"))}


def _own_alias(stack: Stack) -> dict[str, object]:
    alias = kms.Key(stack, "Mine").add_alias("mine")
    return {"environment": HybridJobEnvironment(stack, "E", encryption_key=alias)}


def _own_results(stack: Stack) -> dict[str, object]:
    bucket = s3.Bucket(
        stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=kms.Key(stack, "Key")
    )
    return {"environment": HybridJobEnvironment(stack, "E", results_bucket=bucket)}


def _output(stack: Stack) -> dict[str, object]:
    bucket = s3.Bucket(
        stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=kms.Key(stack, "Key")
    )
    shared = HybridJobEnvironment(stack, "E", encryption=s3.BucketEncryption.S3_MANAGED)
    return {"environment": shared, "output_data": OutputData(bucket=bucket)}


@pytest.mark.parametrize("given", [_own_key, _own_alias, _own_results, _output])
def test_a_key_of_the_app_gets_the_statement(given: Callable[[Stack], dict[str, object]]) -> None:
    stack = new_stack()
    _job(stack, **given(stack))
    assert _statements(stack)
    for statement in _statements(stack):
        _assert_right(statement)
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp(_WARNING))


def _imported_key(stack: Stack) -> kms.IKey:
    return kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mine")


def _imported(stack: Stack) -> dict[str, object]:
    return {"environment": HybridJobEnvironment(stack, "E", encryption_key=_imported_key(stack))}


def _imported_alias(stack: Stack) -> dict[str, object]:
    alias = kms.Alias.from_alias_name(stack, "Alias", "alias/mine")
    return {"environment": HybridJobEnvironment(stack, "E", encryption_key=alias)}


def _imported_bucket(stack: Stack) -> dict[str, object]:
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=_imported_key(stack)
    )
    return {"output_data": OutputData(bucket=bucket)}


def _bucket_without_known_key(stack: Stack) -> dict[str, object]:
    bucket = s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine")
    return {"environment": HybridJobEnvironment(stack, "E", results_bucket=bucket)}


_NOT_OURS = [_imported, _imported_alias, _imported_bucket, _bucket_without_known_key]


@pytest.mark.parametrize("given", _NOT_OURS)
def test_a_warning_has_the_statement_for_a_key_that_the_app_cannot_change(
    given: Callable[[Stack], dict[str, object]],
) -> None:
    stack = new_stack()
    _job(stack, **given(stack))
    warnings = Annotations.from_stack(stack).find_warning(
        "/Stack/Job", Match.string_like_regexp("key policy that lets Amazon Braket write")
    )
    [warning] = [str(each.entry.data) for each in warnings]
    start = warning.index("{", warning.index("Add the statement"))
    statement, _ = json.JSONDecoder().raw_decode(warning[start:])
    _assert_right(statement)


@pytest.mark.parametrize("given", _NOT_OURS)
def test_a_job_on_an_embedded_simulator_is_not_warned_of(
    given: Callable[[Stack], dict[str, object]],
) -> None:
    stack = new_stack()
    _job(stack, device=LOCAL, **given(stack))
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp(_WARNING))


def test_the_statements_can_be_added_to_a_key_from_code() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "E", encryption=s3.BucketEncryption.S3_MANAGED)
    key = kms.Key(stack, "Key")
    for statement in environment.key_policy_statements():
        key.add_to_resource_policy(statement)
    [added] = _statements(stack)
    _assert_right(added)


def _pseudo(stack: Stack) -> list[str]:
    """Names of the renderer's own in a stack's keys."""
    keys = json.dumps([each["Properties"] for each in resources(stack, "AWS::KMS::Key").values()])
    return [name for name in ("AWS::StackName", "AWS::StackId") if name in keys]


def test_the_policy_of_a_key_of_another_stack_names_this_stacks_log_group() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    keys, jobs = Stack(app, "Keys", env=env), Stack(app, "Jobs", env=env)
    HybridJobEnvironment(jobs, "Environment", encryption_key=kms.Key(keys, "Key"))
    assert "log-group:Jobs-*" in text_of(keys)
    assert _pseudo(keys) == []


def text_of(stack: Stack) -> str:
    """The JSON of a stack's template."""
    return json.dumps(template_of(stack))


def test_a_key_of_the_parent_names_the_groups_of_a_nested_stack() -> None:
    stack = new_stack()
    nested = NestedStack(stack, "Nested")
    HybridJobEnvironment(nested, "Environment", encryption_key=kms.Key(stack, "Key"))
    assert "log-group:Stack-*" in text_of(stack)


def test_a_grant_in_another_stack_names_the_folder_of_an_isolated_job() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    jobs, readers = Stack(app, "Jobs", env=env), Stack(app, "Readers", env=env)
    job = _job(jobs, device=LOCAL, isolated=True)
    job.grant_read_results(iam.User(readers, "Reader"))
    assert "AWS::StackId" not in text_of(readers)
