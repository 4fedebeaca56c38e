"""Limits of AWS that only a deployment would meet are counted at synth."""

import re
from typing import cast

import pytest
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    ContainerImage,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
)
from tests import length
from tests.ledger.deployment import Deployment
from tests.synth.support import ACCOUNT, LOCAL, REGION, Json, new_stack, resources


def _job(stack: Stack, id: str, environment: HybridJobEnvironment, **more: object) -> HybridJob:
    return HybridJob(
        stack,
        id,
        environment=environment,
        image=ContainerImage.base(),
        device=LOCAL,
        **more,  # type: ignore[arg-type]  # one way for all
    )


def _on_own_buckets(stack: Stack, environment: HybridJobEnvironment, jobs: int) -> None:
    for number in range(jobs):
        bucket = s3.Bucket.from_bucket_name(stack, f"B{number}", f"amazon-braket-{number:03}")
        _job(stack, f"Job{number}", environment, output_data=OutputData(bucket=bucket))


def _refusal(stack: Stack) -> str:
    with pytest.raises(RuntimeError, match="Validation failed") as failure:
        _synthesize(stack)
    return str(failure.value)


def _synthesize(stack: Stack) -> None:
    cast("App", stack.node.root).synth()


def _policies(role: iam.IRole) -> int:
    return len([each for each in role.node.children if isinstance(each, iam.ManagedPolicy)])


def _fill(environment: HybridJobEnvironment) -> int:
    """Grant more than ten policies have room for; return how many there are."""
    objects = [f"arn:aws:s3:::amazon-braket-mine/{'x' * 150}-{number}" for number in range(30)]
    for number in range(12):
        environment.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=objects,
                conditions={"StringEquals": {"s3:VersionId": f"v{number}"}},
            )
        )
    return _policies(environment.role)


# test_managed_policy_roles.py fills policies.
@pytest.mark.long
def test_the_policies_of_120_jobs_with_one_bucket_each_fit() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    _on_own_buckets(stack, environment, 120)
    assert _policies(environment.role) <= 10
    _synthesize(stack)


def test_more_managed_policies_than_a_role_accepts_are_refused_with_their_number() -> None:
    stack = new_stack()
    count = _fill(HybridJobEnvironment(stack, "Environment"))
    assert count > 10
    text = _refusal(stack)
    assert f"[Stack/Environment/Role] has {count} managed policies" in text
    assert "attaches 10 to a role" in text


def test_a_raised_quota_of_managed_policies_is_read_from_the_context() -> None:
    stack = new_stack(context={"cdk-braket:managed-policies-per-role": 20})
    assert 10 < _fill(HybridJobEnvironment(stack, "Environment")) <= 20
    _synthesize(stack)


def test_managed_policies_of_the_users_count_too() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(10):
        arn = f"arn:aws:iam::{ACCOUNT}:policy/p{number}"
        environment.role.add_managed_policy(
            iam.ManagedPolicy.from_managed_policy_arn(stack, f"P{number}", arn)
        )
    assert "has 11 managed policies" in _refusal(stack)


@pytest.mark.parametrize("jobs", length.first(1, [40, 30]))
def test_inline_policies_of_isolated_jobs_are_counted(jobs: int) -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    for number in range(jobs):
        _job(stack, f"Job{number}", environment, isolated=True)
    if jobs == 30:
        _synthesize(stack)
        return
    text = _refusal(stack)
    assert f"BraketHybridJobHandler/Role] has {jobs} inline policies" in text
    fit = int(re.findall(r"(\d+) of them fit", text)[0])
    assert 30 <= fit < jobs


def test_policies_of_other_stacks_on_a_role_count_too() -> None:
    app = App()
    env = Environment(account=ACCOUNT, region=REGION)
    shared = HybridJobEnvironment(Stack(app, "Shared", env=env), "Environment")
    for name in ("One", "Two"):
        consumer = Stack(app, name, env=env)
        for number in range(20):
            _job(consumer, f"Job{number}", shared, isolated=True)
    text = _refusal(Stack.of(shared))
    # Besides those of the jobs, one of each stack has what the handler needs for its jobs.
    assert re.search(r"BraketHybridJobHandler/Role\] has 4[0-9] inline policies", text)


@pytest.mark.parametrize("id", ["Moleküle", "分子"])
def test_descriptions_are_latin_1(id: str) -> None:
    stack = new_stack()
    _job(stack, id, HybridJobEnvironment(stack, f"{id}Environment"), isolated=True)
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for resource in resources(stack, kind).values():
            description = str(cast("Json", resource["Properties"])["Description"])
            description.encode("latin-1")
            assert (id in description) <= (id == "Moleküle")


# Below, rules fill the same policy of a function.
@pytest.mark.long
def test_60_alarms_on_one_handler_share_its_permission() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    job = _job(stack, "Job", environment)
    for number in range(60):
        job.alarm_on_failure(f"Alarm{number}")
    _synthesize(stack)
    assert len(resources(stack, "AWS::Lambda::Permission")) == 1
    assert len(resources(stack, "AWS::Events::Rule")) == 60


def test_permissions_of_rules_that_fill_a_functions_policy_are_refused() -> None:
    stack = new_stack()
    function = HybridJobEnvironment(stack, "Environment").handler_function
    for number in range(60):
        rule = events.Rule(stack, f"R{number}", event_pattern=events.EventPattern(source=["a"]))
        rule.add_target(targets.LambdaFunction(function))
    assert re.search(r"is one of 60 permissions .* 20,480 bytes: 44 fit", _refusal(stack))


# Above, a quota of policies is read from the context alike.
@pytest.mark.long
def test_more_rules_than_a_bus_has_are_refused_unless_the_quota_is_higher() -> None:
    for context, is_refused in ((None, True), ({"cdk-braket:rules-per-event-bus": 400}, False)):
        stack = new_stack(context=context)
        HybridJobEnvironment(stack, "Environment")
        for number in range(301):
            events.CfnRule(stack, f"R{number}", event_pattern={"source": ["a"]})
        if is_refused:
            assert re.search(r"is one of 301 rules on the default .* 300 fit", _refusal(stack))
        else:
            _synthesize(stack)


def test_more_than_five_targets_of_a_rule_are_refused() -> None:
    stack = new_stack()
    rule = _job(stack, "Job", HybridJobEnvironment(stack, "Environment")).on_failed("Failed")
    for number in range(6):
        rule.add_target(targets.SqsQueue(sqs.Queue(stack, f"Q{number}")))
    assert "has 6 targets: 5 fit" in _refusal(stack)


def test_a_definition_of_a_state_machine_that_is_too_long_is_refused() -> None:
    """The length is limited, and the number of states is not."""
    for characters, is_refused in ((1_000, False), (1_048_576, True)):
        stack = new_stack()
        definition = HybridJobDefinition(
            stack, "Definition", image=ContainerImage.base(), device=LOCAL
        )
        filler = sfn.Pass(stack, "Filler", comment="x" * characters)
        body = sfn.DefinitionBody.from_chainable(filler.next(definition.run_job_task(stack, "Run")))
        sfn.StateMachine(stack, "Machine", definition_body=body)
        if not is_refused:
            _synthesize(stack)
            continue
        size = re.search(
            r"Stack/Machine\] has a definition of up to ([\d,]+) bytes: 1,048,576 fit",
            _refusal(stack),
        )
        assert size is not None
        assert 1_048_576 < int(size[1].replace(",", "")) < 1_100_000


def test_key_and_bucket_policies_that_are_too_long_are_refused() -> None:
    stack = new_stack()
    environment = HybridJobEnvironment(stack, "Environment")
    key = cast("kms.Key", environment.encryption_key)
    bucket = cast("s3.Bucket", environment.results_bucket)
    for number in range(60):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{'x' * 500}{number}"
        condition = {"ArnLike": {"aws:PrincipalArn": arn}}
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.StarPrincipal()],
                actions=["kms:Decrypt"],
                resources=["*"],
                conditions=condition,
            )
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.StarPrincipal()],
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects("*")],
                conditions=condition,
            )
        )
    text = _refusal(stack)
    assert re.search(r"Environment/Key\] has 6\d statements .* which has 32,768: \d+ of them", text)
    assert re.search(r"Policy\] has 6\d statements .* which has 20,480: \d+ of them", text)


def _role_policy_names(app: App) -> list[tuple[str, str]]:
    """The role and name of each inline policy of an app, as CloudFormation creates them."""
    return [
        (str(role), str(policy.properties["PolicyName"]))
        for policy in Deployment(app).resources("AWS::IAM::Policy")
        for role in policy.properties["Roles"]
    ]


def test_no_two_stacks_give_a_role_policies_of_the_same_name() -> None:
    names: list[tuple[str, str]] = []
    for consumers in (("One", "Two", "Three"), ("Four",)):  # the second app is deployed apart
        app = App()
        env = Environment(account=ACCOUNT, region=REGION)
        shared = HybridJobEnvironment(Stack(app, "Shared", env=env), "Environment")
        for name in consumers:
            stack = Stack(app, name, env=env)
            uri = CfnParameter(stack, "Uri", default="s3://amazon-braket-a/b").value_as_string
            bucket = s3.Bucket.from_bucket_name(stack, "Mine", "amazon-braket-mine")
            _job(stack, "Isolated", shared, isolated=True)
            _job(
                stack,
                "Job",
                shared,
                input_data={"late": InputChannel.from_s3_uri(uri)},
                output_data=OutputData(bucket=bucket),
            )
        names += _role_policy_names(app)
    assert len(names) >= 4 * 4
    assert len(set(names)) == len(names)
    assert all(len(name) <= 128 for _, name in names)
