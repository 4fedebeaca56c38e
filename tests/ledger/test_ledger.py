"""Each call in the life of a job is decided by an evaluator of policies that is not ours."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from aws_cdk import App, Duration, Environment, NestedStack, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    HybridJob,
    HybridJobDefinition,
    HybridJobEnvironment,
    InputChannel,
    OutputData,
    WaitForCompletion,
)
from tests.ledger.calls import SERVICE_LINKED_ROLE, Call, calls
from tests.ledger.deployment import Deployment
from tests.ledger.evaluator import Simulation, decide, describe
from tests.ledger.policies import Attached, Policies
from tests.synth.support import ACCOUNT, LOCAL, REGION

_EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "h2_vqe"
_REGIONS: Final = ("us-east-1", "us-west-1", "us-west-2", "eu-west-2", "eu-north-1")


def _stack(app: App, name: str = "Stack", region: str = REGION) -> Stack:
    return Stack(app, name, env=Environment(account=ACCOUNT, region=region))


def _job(scope: Stack, id: str = "Job", **arguments: object) -> HybridJob:
    given: dict[str, Any] = {"image": ContainerImage.base(), "device": Device.AMAZON_SV1}
    given |= arguments
    return HybridJob(scope, id, **given)


def _files() -> dict[str, Any]:
    """A script and an input of the app."""
    return {
        "image": None,
        "algorithm": AlgorithmScript.from_asset(
            _EXAMPLE / "algorithm", entry_point="algorithm.vqe:main"
        ),
        "input_data": {"hamiltonian": InputChannel.from_asset(_EXAMPLE / "data")},
        "hyperparameters": {"shots": 0},
    }


def _mine(stack: Stack, key: kms.IKey | None = None) -> s3.Bucket:
    return s3.Bucket(stack, "Mine", bucket_name="amazon-braket-mine", encryption_key=key)


def _plain(app: App) -> None:
    _job(_stack(app), **_files())


def _embedded(app: App) -> None:
    _job(_stack(app), device=LOCAL)


def _qpu(app: App) -> None:
    _job(_stack(app), device=Device.IONQ_FORTE_1, max_runtime=Duration.hours(1))


def _own_bucket(app: App) -> None:
    stack = _stack(app)
    bucket = _mine(stack, kms.Key(stack, "Key"))
    _job(
        stack,
        output_data=OutputData(bucket=bucket),
        checkpoint=Checkpoint(bucket=bucket, prefix="kept"),
    )


def _own_key(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", encryption_key=kms.Key(stack, "Key"))
    _job(stack, environment=environment)


def _output_key(app: App) -> None:
    stack = _stack(app)
    _job(stack, output_data=OutputData(encryption_key=kms.Key(stack, "Key")))


def _alias(app: App) -> None:
    stack = _stack(app)
    alias = kms.Key(stack, "Key").add_alias("mine")
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=alias))


def _imported_alias(app: App) -> None:
    stack = _stack(app)
    alias = kms.Alias.from_alias_name(stack, "Alias", "alias/mine")
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=alias))


def _key_of_another_stack(app: App) -> None:
    key = kms.Key(_stack(app, "Keys"), "Key")
    stack = _stack(app)
    _job(stack, environment=HybridJobEnvironment(stack, "Environment", encryption_key=key))


def _nested(app: App) -> None:
    _job(NestedStack(_stack(app), "Nested"))


def _isolated(app: App) -> None:
    stack = _stack(app)
    _job(stack, environment=HybridJobEnvironment(stack, "Environment"), isolated=True, **_files())


def _isolated_on_own_bucket(app: App) -> None:
    stack = _stack(app)
    _job(stack, isolated=True, output_data=OutputData(bucket=_mine(stack), prefix="out"))


def _own_role(app: App) -> None:
    stack = _stack(app)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("braket.amazonaws.com"))
    _job(stack, role=role)


def _own_prefix(app: App) -> None:
    _job(
        _stack(app),
        output_data=OutputData(prefix="mine"),
        checkpoint=Checkpoint(prefix="kept"),
    )


def _imported_environment(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment.from_hybrid_job_environment_attributes(
        stack,
        "Environment",
        inputs_bucket_name="amazon-braket-inputs-1",
        results_bucket_name="amazon-braket-results-1",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/jobs",
        handler_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:jobs",
        encryption_key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs",
    )
    _job(stack, environment=environment, isolated=True)


def _vpc(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", vpc=ec2.Vpc(stack, "Vpc"))
    _job(stack, environment=environment)


def _replicas(stack: Stack) -> s3.IBucket:
    return s3.Bucket.from_bucket_attributes(
        stack,
        "Copies",
        bucket_name="copies",
        encryption_key=kms.Key.from_key_arn(
            stack, "CopiesKey", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/copies"
        ),
    )


def _replication(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment(stack, "Environment", replication_bucket=_replicas(stack))
    _job(stack, environment=environment)


def _hardened(app: App) -> None:
    stack = _stack(app)
    environment = HybridJobEnvironment.hardened(
        stack,
        "Environment",
        vpc=ec2.Vpc(stack, "Vpc"),
        access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "logs"),
        replication_bucket=_replicas(stack),
    )
    _job(stack, environment=environment)


def _definition(stack: Stack) -> HybridJobDefinition:
    return HybridJobDefinition(
        stack, "Definition", image=ContainerImage.base(), device=Device.AMAZON_SV1
    )


def _state_machine(app: App) -> None:
    stack = _stack(app)
    run = _definition(stack).run_job_task(stack, "Run")
    sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(run))


def _schedule(app: App) -> None:
    definition = _definition(_stack(app))
    definition.schedule("Nightly", scheduler.ScheduleExpression.rate(Duration.days(1)))


def _rules_and_alarms(app: App) -> None:
    job = _job(_stack(app), wait_for_completion=WaitForCompletion())
    job.on_completed("Completed")
    job.alarm_on_failure("Failed")


def _copied_checkpoints(app: App) -> None:
    stack = _stack(app)
    older = s3.Bucket.from_bucket_name(stack, "Older", "amazon-braket-older")
    _job(stack, copy_checkpoints_from=CheckpointSource.from_bucket(older, "kept"))


def _two_consumers(app: App) -> None:
    shared = HybridJobEnvironment(_stack(app, "Shared"), "Environment")
    for name in ("One", "Two"):
        consumer = _stack(app, name)
        job = _job(consumer, environment=shared, device=Device.AMAZON_DM1)
        job.alarm_on_failure("Failed")
        _job(consumer, "Isolated", environment=shared, isolated=True)


def _in_region(region: str) -> Callable[[App], None]:
    def declare(app: App) -> None:
        _job(_stack(app, region=region))

    return declare


_VARIATIONS: Final[dict[str, Callable[[App], None]]] = {
    "managed device": _plain,
    "embedded simulator": _embedded,
    "QPU": _qpu,
    "own bucket": _own_bucket,
    "own key": _own_key,
    "key of the output": _output_key,
    "alias": _alias,
    "imported alias": _imported_alias,
    "key of another stack": _key_of_another_stack,
    "nested stack": _nested,
    "isolated": _isolated,
    "isolated on an own bucket": _isolated_on_own_bucket,
    "own role": _own_role,
    "own prefix": _own_prefix,
    "imported environment": _imported_environment,
    "VPC": _vpc,
    "replication": _replication,
    "hardened": _hardened,
    "state machine": _state_machine,
    "schedule": _schedule,
    "rules and alarms": _rules_and_alarms,
    "copied checkpoints": _copied_checkpoints,
    "two consumer stacks": _two_consumers,
    **{f"region {region}": _in_region(region) for region in _REGIONS[1:]},
}


@cache
def _policies(variation: str) -> Policies:
    # Where the templates of nested stacks are is in their metadata.
    app = App(context={"aws:cdk:enable-asset-metadata": True})
    _VARIATIONS[variation](app)
    return Policies(Deployment(app))


@cache
def _calls(variation: str) -> tuple[Call, ...]:
    return tuple(calls(_policies(variation).deployment))


# Of the policy of the service-linked role: S3 and logs, and nothing of KMS.
_OF_SERVICE_LINKED_ROLE: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*", "logs:*"], "Resource": "*"}],
}
_EVERYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def _simulation(
    policies: Policies, call: Call, identity: tuple[dict[str, Any], ...] | None = None
) -> Simulation:
    principal, documents = call.who, identity
    if call.who == "anybody":
        principal, documents = f"arn:aws:iam::{ACCOUNT}:role/Anybody", (_EVERYTHING,)
    elif call.who in policies.roles:
        principal = policies.roles[call.who].arn
        documents = policies.of_role(call.who) if identity is None else identity
    elif call.who == SERVICE_LINKED_ROLE:
        documents = (_OF_SERVICE_LINKED_ROLE,)
    resource_policy = policies.of_resource(call.resource)
    if call.action == "sts:AssumeRole":
        [role] = [each for each in policies.roles.values() if each.arn == call.resource]
        resource_policy = policies.trust(role)
    context = dict(call.context)
    if principal.startswith("arn:"):
        context["aws:PrincipalArn"] = principal
    if call.action.startswith("kms:") and resource_policy is None:
        # Of a key of another app only IAM's half is known.
        resource_policy = _DELEGATES
    return Simulation(
        principal, call.action, call.resource, ACCOUNT, context, documents or (), resource_policy
    )


_DELEGATES: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


@pytest.mark.parametrize("variation", _VARIATIONS)
def test_each_call_is_decided_as_it_has_to_be(variation: str) -> None:
    policies, ledger = _policies(variation), _calls(variation)
    decisions = decide([_simulation(policies, call) for call in ledger])
    wrong = [
        (decision, call)
        for decision, call in zip(decisions, ledger, strict=True)
        if (decision == "Allowed") != call.allowed
    ]
    assert wrong == []
    assert any(call.allowed for call in ledger)
    assert any(not call.allowed for call in ledger)


# (service that takes the role on, actions, condition keys): a statement, whichever stack it is in.
Kind = tuple[str, tuple[str, ...], tuple[str, ...]]


def _kind(policies: Policies, attached: Attached, statement: dict[str, Any]) -> Kind:
    [trust, *_] = policies.trust(policies.roles[attached.role])["Statement"]
    service = str(trust["Principal"].get("Service"))
    return service, tuple(sorted(_actions(statement))), tuple(sorted(_condition_keys(statement)))


def _shorter(variation: str) -> Iterator[tuple[Kind, Simulation]]:
    """Calls without one of the statements of their role."""
    policies = _policies(variation)
    allowed = [call for call in _calls(variation) if call.allowed]
    for attached in policies.attached:
        for index, statement in enumerate(attached.document["Statement"]):
            less = policies.without(attached, index)
            for call in allowed:
                if call.who == attached.role and call.action in _actions(statement):
                    yield _kind(policies, attached, statement), _simulation(policies, call, less)


def _actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


# Statements of CDK's own, for what the ledger has no call of.
_OF_CDK: Final = ("Vpc", "CustomS3AutoDelete", "LogRetention", "CustomVpcRestrict")


def test_without_each_statement_of_a_role_a_call_is_denied() -> None:
    """In one of the variations: a role that several jobs share has more than one of them needs."""
    shorter = [each for variation in _VARIATIONS for each in _shorter(variation)]
    decisions = decide([simulation for _, simulation in shorter])
    needed = {
        kind
        for (kind, _), decision in zip(shorter, decisions, strict=True)
        if decision != "Allowed"
    }
    every = {
        _kind(_policies(variation), attached, statement)
        for variation in _VARIATIONS
        for attached in _policies(variation).attached
        for statement in attached.document["Statement"]
        if not any(part in attached.path for part in _OF_CDK)
    }
    assert sorted(every - needed) == []


def _statements(policies: Policies) -> Iterator[dict[str, Any]]:
    for attached in policies.attached:
        if not any(part in attached.path for part in _OF_CDK):
            yield from attached.document["Statement"]
    for resource in policies.deployment.resources("AWS::KMS::Key"):
        yield from resource.properties["KeyPolicy"]["Statement"]
    for resource in policies.deployment.resources("AWS::S3::BucketPolicy"):
        yield from resource.properties["PolicyDocument"]["Statement"]


# Condition keys that the reference does not list for an action, with the source that does.
_DOCUMENTED_ELSEWHERE: Final = {
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    ("events:PutEvents", "events:detail-type"),
    ("events:PutEvents", "events:source"),
}


@pytest.mark.parametrize("variation", _VARIATIONS)
def test_each_action_and_condition_is_in_the_service_authorization_reference(
    variation: str,
) -> None:
    statements = [s for s in _statements(_policies(variation)) if "Condition" in s or "*" not in s]
    pairs = {
        (action, key)
        for statement in statements
        for action in _actions(statement)
        if "*" not in action
        for key in [None, *_condition_keys(statement)]
    }
    known = describe(sorted({action for action, _ in pairs}))
    unknown = {action for action, found in known.items() if found is None}
    assert unknown == set()
    undocumented = {
        (action, key)
        for action, key in pairs
        if key is not None
        and not key.startswith("aws:")
        and not any(_is(key, pattern) for pattern in known[action]["conditionKeys"])
    }
    assert undocumented - _DOCUMENTED_ELSEWHERE == set()


def _condition_keys(statement: dict[str, Any]) -> list[str]:
    return [key for keys in statement.get("Condition", {}).values() for key in keys]


def _is(key: str, pattern: str) -> bool:
    return key.lower().startswith(pattern.lower().partition("${")[0]) and (
        "${" in pattern or key.lower() == pattern.lower()
    )
