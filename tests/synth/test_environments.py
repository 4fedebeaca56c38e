"""The resources of an environment, its permissions, and its separation from others."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from typing import cast

import jsii
import pytest
from aws_cdk import (
    App,
    Aspects,
    CfnResource,
    Environment,
    IAspect,
    RemovalPolicies,
    RemovalPolicy,
    Stack,
    Tags,
)
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import IConstruct

from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobEnvironment,
    InputChannel,
    ValidationError,
    WaitForCompletion,
)
from tests.synth.support import (
    ACCOUNT,
    LOCAL,
    REGION,
    Json,
    allowed,
    new_stack,
    only,
    policies,
    request_of,
    resources,
    statements,
    template_of,
    text,
)

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

Make = Callable[[Stack], HybridJobEnvironment]


def _bucket(stack: Stack, name: str) -> s3.IBucket:
    return s3.Bucket.from_bucket_name(stack, name, name)


def _replicas(stack: Stack) -> s3.IBucket:
    return s3.Bucket.from_bucket_attributes(
        stack,
        "Replicas",
        bucket_name="replicas",
        encryption_key=kms.Key.from_key_arn(stack, "ReplicasKey", KEY),
    )


def _hardened(stack: Stack, **options: object) -> HybridJobEnvironment:
    return HybridJobEnvironment.hardened(
        stack,
        "Environment",
        vpc=ec2.Vpc(stack, "Vpc"),
        access_logs_bucket=_bucket(stack, "logs"),
        replication_bucket=_replicas(stack),
        **options,  # type: ignore[arg-type]  # as a test gives them
    )


def _job(stack: Stack, environment: HybridJobEnvironment, *, isolated: bool = False) -> HybridJob:
    return HybridJob(
        stack,
        "Job",
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        isolated=isolated,
    )


def _properties(stack: Stack, type: str) -> dict[str, Json]:
    return {
        name: cast("Json", resource.get("Properties", {}))
        for name, resource in resources(stack, type).items()
    }


def _refused(**options: object) -> tuple[str, ...]:
    with pytest.raises(ValidationError) as caught:
        HybridJobEnvironment(new_stack(), "Environment", **options)  # type: ignore[arg-type]  # wrong
    return caught.value.problems


def test_a_job_may_depend_on_another_and_read_its_results() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for isolated in (False, True):
        prefix = "Isolated" if isolated else "Shared"
        first = HybridJob(
            stack,
            f"{prefix}First",
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            wait_for_completion=WaitForCompletion(),
        )
        second = HybridJob(
            stack,
            f"{prefix}Second",
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            input_data={"first": InputChannel.from_s3_uri(first.results_s3_uri)},
            isolated=isolated,
        )
        second.node.add_dependency(first)
    everything = cast("Mapping[str, Json]", template_of(stack)["Resources"])
    # A policy is named as its resource.
    needs = {
        name: (_named(resource) & set(everything)) - {name} for name, resource in everything.items()
    }
    # Raises an error where one comes after itself.
    order = list(TopologicalSorter(needs).static_order())
    assert len(order) == len(everything)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(inspect.signature(HybridJobEnvironment.__init__).parameters) - {"self", "scope", "id"}
    ),
)
def test_an_argument_of_another_type_is_reported_with_a_fix(name: str) -> None:
    [problem] = _refused(**{name: 3.5})
    assert problem.startswith(f"{name}: expected ")
    assert ", got float. Use " in problem


def test_contradicting_arguments_are_reported_at_once() -> None:
    stack = new_stack()
    problems = _refused(
        encryption=s3.BucketEncryption.S3_MANAGED,
        encryption_key=kms.Key.from_key_arn(stack, "Key", KEY),
        vpc_subnets=ec2.SubnetSelection(),
    )
    assert [problem.partition(":")[0] for problem in problems] == ["encryption_key", "vpc_subnets"]


def test_replicas_of_encrypted_objects_need_a_key() -> None:
    [problem] = _refused(replication_bucket=_bucket(new_stack(), "replicas"))
    assert problem.startswith("replication_bucket: ")
    assert "encryption_key=…" in problem


def _own_bucket(stack: Stack, **options: object) -> HybridJobEnvironment:
    return HybridJobEnvironment(
        stack,
        "Environment",
        results_bucket=s3.Bucket(stack, "Mine", **options),  # type: ignore[arg-type]  # a test's
    )


def _tagged(stack: Stack) -> HybridJobEnvironment:
    environment = _own_bucket(stack, abac_status=True)
    Tags.of(environment.results_bucket).add("AmazonBraket", "true")
    return environment


@pytest.mark.parametrize(
    "make", [lambda stack: _own_bucket(stack, bucket_name="amazon-braket-mine"), _tagged]
)
def test_a_bucket_that_braket_reaches_is_accepted(make: Make) -> None:
    stack = new_stack()
    environment = make(stack)
    _job(stack, environment)
    assert "Mine" in text(cast("Json", request_of(stack)["outputDataConfig"])["s3Path"])
    mine = [pair for pair in allowed(stack, "EnvironmentRole") if "Mine" in pair[1]]
    assert {action for action, _ in mine} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}


@pytest.mark.parametrize("options", [{}, {"bucket_name": "mine"}, {"abac_status": True}])
def test_an_unreachable_bucket_is_refused_with_both_fixes(
    options: dict[str, object],
) -> None:
    stack = new_stack()
    _own_bucket(stack, **options)
    with pytest.raises(RuntimeError) as caught:
        cast("App", stack.node.root).synth()
    assert "a name that begins with amazon-braket-" in str(caught.value)
    assert "abac_status=True" in str(caught.value)
    assert "Tags.of(bucket).add('AmazonBraket', 'true')" in str(caught.value)


def test_the_handler_may_read_the_tags_of_a_bucket_with_only_a_known_name() -> None:
    stack = new_stack()
    HybridJobEnvironment(
        stack,
        "Environment",
        inputs_bucket=_bucket(stack, "amazon-braket-mine"),
        results_bucket=_bucket(stack, "mine"),
    )
    looks = [
        resource
        for action, resource in allowed(stack, "Handler")
        if action == "s3:GetBucketTagging"
    ]
    assert [resource.rpartition(":")[2] for resource in looks] == ["mine"]


def test_nothing_is_attached_to_a_role_that_is_imported() -> None:
    stack = new_stack()
    role = iam.Role.from_role_name(stack, "Theirs", "theirs")
    job = _job(stack, HybridJobEnvironment(stack, "Environment", role=role))
    iam.ManagedPolicy(stack, "Policy", document=job.execution_policy, roles=[role])
    [policy] = _attached_to(stack, "theirs")
    assert "jobs/*" in text(policy["PolicyDocument"])


def _attached_to(stack: Stack, role: str) -> list[Json]:
    attached = [cast("Json", policy["Properties"]) for policy in policies(stack).values()]
    return [policy for policy in attached if policy["Roles"] == [role]]


def test_without_a_key_there_is_no_statement_of_keys() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(
        stack,
        "Environment",
        encryption=s3.BucketEncryption.S3_MANAGED,
        removal_policy=RemovalPolicy.DESTROY,
    )
    _job(stack, environment, isolated=True)
    assert environment.encryption_key is None
    assert "kms" not in json.dumps(template_of(stack)).lower()


def test_the_key_of_the_user_is_used_and_none_is_created() -> None:
    stack = new_stack()
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    _job(stack, HybridJobEnvironment(stack, "Environment", encryption_key=key))
    assert not resources(stack, "AWS::KMS::Key")
    assert cast("Json", request_of(stack)["outputDataConfig"])["kmsKeyId"] == KEY


def test_the_log_of_the_handler_has_a_retention_and_is_encrypted_only_for_this_stack() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment", log_retention=logs.RetentionDays.ONE_WEEK)
    group = only(stack, "AWS::Logs::LogGroup")
    assert group["RetentionInDays"] == 7
    assert "EnvironmentKey" in text(group["KmsKeyId"])
    document = cast("Json", only(stack, "AWS::KMS::Key")["KeyPolicy"])
    [statement] = [
        s
        for s in cast("list[Json]", document["Statement"])
        if "Condition" in s and "logs." in str(s["Principal"])
    ]
    assert statement["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}
    conditions = cast("dict[str, Json]", statement["Condition"])
    # CloudWatch Logs' documentation names no other key: a condition on one that is not sent denies.
    assert conditions.keys() == {"ArnLike"}
    assert text(conditions["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]).endswith(
        f":logs:{REGION}:{ACCOUNT}:log-group:Stack-*"
    )


@pytest.mark.parametrize("policies", [("DESTROY", "RETAIN"), ("RETAIN", "DESTROY")])
def test_a_log_that_is_kept_has_a_key_that_is_kept(policies: tuple[str, str]) -> None:
    stack = new_stack()
    for policy in policies:
        HybridJobEnvironment(stack, policy, removal_policy=RemovalPolicy[policy])
    assert "RETAIN" in text(only(stack, "AWS::Logs::LogGroup")["KmsKeyId"])


def test_every_statement_for_a_service_has_a_condition_on_its_source() -> None:
    stack = new_stack()
    _job(stack, _hardened(stack))
    HybridJobEnvironment(stack, "Default")
    found = 0
    for kind, name in (
        ("AWS::S3::BucketPolicy", "PolicyDocument"),
        ("AWS::KMS::Key", "KeyPolicy"),
        ("AWS::SQS::QueuePolicy", "PolicyDocument"),
    ):
        for properties in _properties(stack, kind).values():
            for statement in cast("list[Json]", cast("Json", properties[name])["Statement"]):
                if "Service" in cast("Json", statement["Principal"]):
                    found += 1
                    condition = cast("dict[str, Json]", statement["Condition"])
                    # By the account, or by an ARN that has it.
                    assert ACCOUNT in json.dumps(condition)
    assert found == 4  # both keys' for the logs, and both of the default's buckets


def test_conditions_of_the_trust_policy_are_optional() -> None:
    conditions = []
    for checks_caller in (False, True):
        stack = new_stack()
        HybridJobEnvironment(stack, "Environment", checks_caller=checks_caller)
        [role] = [p for n, p in _properties(stack, "AWS::IAM::Role").items() if "Environment" in n]
        document = cast("Json", role["AssumeRolePolicyDocument"])
        [statement] = cast("list[Json]", document["Statement"])
        conditions.append(text(statement.get("Condition")))
    assert conditions[0] == "<null>"
    assert "'aws:SourceAccount': '111122223333'" in conditions[1]
    assert ":braket:us-east-1:111122223333:*" in conditions[1]


def test_a_hardened_environment_has_the_required_controls() -> None:
    stack = new_stack()
    _job(stack, _hardened(stack))
    function = only(stack, "AWS::Lambda::Function")
    assert "SubnetIds" in cast("Json", function["VpcConfig"])
    assert function["ReservedConcurrentExecutions"] == 10
    buckets = _properties(stack, "AWS::S3::Bucket")
    assert len(buckets) == 2
    for bucket in buckets.values():
        assert cast("Json", bucket["LoggingConfiguration"])["DestinationBucketName"] == "logs"
        assert KEY in text(bucket["ReplicationConfiguration"])
    actions = {action for action, _ in allowed(stack, "ReplicationRole")}
    assert {"s3:ReplicateObject", "kms:Encrypt", "kms:Decrypt"} <= actions
    for role in _properties(stack, "AWS::IAM::Role").values():
        assert "RoleName" not in role
        assert "ManagedPolicyArns" not in role


def test_failed_invocations_of_the_handler_are_kept() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    _job(stack, environment)
    function = only(stack, "AWS::Lambda::Function")
    assert "DeadLetters" in text(cast("Json", function["DeadLetterConfig"])["TargetArn"])
    queue = only(stack, "AWS::SQS::Queue")
    assert "EnvironmentKey" in text(queue["KmsMasterKeyId"])
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    policy = cast("Json", only(stack, "AWS::SQS::QueuePolicy")["PolicyDocument"])
    [denied] = cast("list[Json]", policy["Statement"])
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (
        stack.resolve(environment.dead_letter_queue.queue_arn)
        == (cast("Json", function["DeadLetterConfig"])["TargetArn"])
    )


def test_without_a_key_dead_letters_have_the_queues_own() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment", encryption=s3.BucketEncryption.S3_MANAGED)
    queue = only(stack, "AWS::SQS::Queue")
    assert queue["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in queue


def test_dead_letters_can_go_to_a_queue_of_the_users_with_its_key() -> None:
    stack = new_stack()
    letters = sqs.Queue.from_queue_attributes(
        stack,
        "Letters",
        queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters",
        key_arn=KEY,
    )
    environment = HybridJobEnvironment(stack, "Environment", dead_letter_queue=letters)
    assert environment.dead_letter_queue is letters
    assert resources(stack, "AWS::SQS::Queue") == {}
    function = only(stack, "AWS::Lambda::Function")
    assert cast("Json", function["DeadLetterConfig"])["TargetArn"] == letters.queue_arn
    assert {
        ("sqs:SendMessage", letters.queue_arn),
        ("kms:Decrypt", KEY),
        ("kms:GenerateDataKey", KEY),
    } <= allowed(stack, "HandlerRole")


def test_calls_of_the_handler_are_traced() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment")
    assert only(stack, "AWS::Lambda::Function")["TracingConfig"] == {"Mode": "Active"}


def test_the_handler_in_a_vpc_writes_in_this_account_and_region_alone() -> None:
    stack = new_stack()
    HybridJobEnvironment(stack, "Environment", vpc=ec2.Vpc(stack, "Vpc"))
    network = {p for p in allowed(stack, "Handler") if p[0].startswith("ec2:")}
    everywhere = {action for action, resource in network if resource == "*"}
    assert everywhere == {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"}
    for action, resource in network:
        if action not in everywhere:
            assert re.search(
                rf":ec2:{REGION}:{ACCOUNT}:(network-interface|security-group|subnet)/\*$", resource
            )


def test_a_role_may_not_start_jobs_pass_roles_or_call_the_handler() -> None:
    stack = new_stack()
    job = _job(stack, HybridJobEnvironment(stack, "Environment"), isolated=True)
    assert job.role is not job.environment.role
    for part in ("EnvironmentRole", "JobRole"):
        found = {action.partition(":")[0] for action, _ in allowed(stack, part)}
        assert found <= {"s3", "kms", "logs", "cloudwatch", "ecr"}
        assert not {"iam", "lambda", "braket", "sts"} & found


def test_an_isolated_role_reaches_its_own_prefix_alone() -> None:
    stack = new_stack()
    job = _job(stack, HybridJobEnvironment(stack, "Environment"), isolated=True)
    objects = {
        resource
        for action, resource in allowed(stack, "JobRole")
        if action in {"s3:GetObject", "s3:PutObject"}
    }
    [own] = objects
    assert text(stack.resolve(f"{job.results_prefix}*")) in own
    assert own.endswith(job.results_prefix.rpartition("}")[2] + "*")


@pytest.mark.parametrize("isolated", [False, True])
def test_only_isolated_jobs_of_two_stacks_are_apart_in_one_bucket(isolated: bool) -> None:
    app, found = App(), []
    for stack_id, job_id in (("A", "B-C"), ("A-B", "C")):
        stack = Stack(app, stack_id)
        environment = HybridJobEnvironment(
            stack, "Environment", results_bucket=_bucket(stack, "amazon-braket-shared")
        )
        job = HybridJob(
            stack,
            job_id,
            environment=environment,
            image=ContainerImage.base(),
            device=LOCAL,
            isolated=isolated,
        )
        found.append(text(stack.resolve(job.results_prefix)))
    assert (found[0] != found[1]) is isolated


@jsii.implements(IAspect)
class _Bounded:
    def visit(self, node: IConstruct) -> None:
        if isinstance(node, CfnResource) and node.cfn_resource_type == "AWS::IAM::Role":
            node.add_property_override("PermissionsBoundary", BOUNDARY)


def _boundary_of_argument(stack: Stack) -> None:
    policy = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "boundary")
    _job(
        stack,
        HybridJobEnvironment(
            stack,
            "Environment",
            permissions_boundary=policy,
            vpc=ec2.Vpc.from_vpc_attributes(
                stack, "V", vpc_id="vpc-1", availability_zones=["a"], private_subnet_ids=["s"]
            ),
        ),
    )


def _boundary_of_aspect(stack: Stack) -> None:
    _job(stack, HybridJobEnvironment(stack, "E", removal_policy=RemovalPolicy.DESTROY))
    policy = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "boundary")
    iam.PermissionsBoundary.of(stack).apply(policy)


def _boundary_of_own_aspect(stack: Stack) -> None:
    _job(stack, HybridJobEnvironment(stack, "E", removal_policy=RemovalPolicy.DESTROY))
    Aspects.of(stack).add(_Bounded())


@pytest.mark.parametrize(
    "declare", [_boundary_of_argument, _boundary_of_aspect, _boundary_of_own_aspect]
)
def test_a_permissions_boundary_reaches_every_role(declare: Callable[[Stack], None]) -> None:
    stack = new_stack()
    declare(stack)
    roles = _properties(stack, "AWS::IAM::Role")
    assert len(roles) >= 2
    for name, role in roles.items():
        assert "policy/boundary" in text(role.get("PermissionsBoundary")), name


def test_tags_reach_everything_that_can_have_them() -> None:
    stack = new_stack()
    _job(stack, _hardened(stack, removal_policy=RemovalPolicy.DESTROY), isolated=True)
    Tags.of(stack).add("cost-centre", "quantum")
    taggable = {
        "AWS::S3::Bucket",
        "AWS::KMS::Key",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::SQS::Queue",
        "AWS::EC2::SecurityGroup",
        "Custom::BraketHybridJob",
    }
    # CDK makes the role and function that empty buckets, without a construct that has tags.
    found = cast("Mapping[str, Json]", template_of(stack)["Resources"])
    seen = set()
    for name, resource in found.items():
        if resource["Type"] in taggable and "CustomS3AutoDelete" not in name:
            seen.add(resource["Type"])
            properties = cast("Json", resource["Properties"])
            assert "cost-centre" in str(properties.get("Tags")), name
    assert seen == taggable


def test_a_removal_policy_of_the_stack_reaches_everything_that_holds_data() -> None:
    stack = new_stack()
    _job(stack, _hardened(stack))
    RemovalPolicies.of(stack).destroy()
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::SQS::Queue"):
        found = resources(stack, kind)
        assert found
        assert {resource["DeletionPolicy"] for resource in found.values()} == {"Delete"}


@pytest.mark.parametrize("region", ["eu-west-2", None])
def test_an_environment_is_for_any_account_and_region(region: str | None) -> None:
    env = None if region is None else Environment(account=ACCOUNT, region=region)
    stack = Stack(App(), "Stack", env=env)
    HybridJobEnvironment(stack, "Environment")
    assert "us-east-1" not in json.dumps(template_of(stack))
    assert statements(stack, "EnvironmentRole")


def _named(resource: object) -> set[str]:
    """All strings in a resource, and so the logical ids of its dependencies."""
    if isinstance(resource, Mapping):
        return set().union(*(_named(value) for value in resource.values()))
    if isinstance(resource, list):
        return set().union(*(_named(value) for value in resource))
    return {resource, *re.findall(r"\$\{(\w+)", resource)} if isinstance(resource, str) else set()
