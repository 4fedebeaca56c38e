"""Each call in the life of a job is decided by an evaluator of policies that is not ours."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from tests.ledger.arns import is_of_type
from tests.ledger.evaluator import Simulation, decide, describe
from tests.ledger.policies import Attached, Held, Policies
from tests.ledger.requests import simulation
from tests.ledger.variations import VARIATIONS, calls_of, policies_of


@pytest.mark.parametrize("variation", VARIATIONS)
def test_each_call_is_decided_as_it_has_to_be(variation: str) -> None:
    policies, ledger = policies_of(variation), calls_of(variation)
    decisions = decide([simulation(policies, call) for call in ledger])
    wrong = [
        (decision, call)
        for decision, call in zip(decisions, ledger, strict=True)
        if (decision == "Allowed") != call.allowed
    ]
    assert wrong == []
    assert any(call.allowed for call in ledger)
    assert any(not call.allowed for call in ledger)


# --- Without a statement, a call is decided otherwise. ---

# (holder, effect, actions, condition keys): a statement, whichever stack it is in.
Kind = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def _kind(holder: str, statement: dict[str, Any]) -> Kind:
    actions, keys = sorted(_actions(statement)), sorted(_condition_keys(statement))
    return holder, str(statement["Effect"]), tuple(actions), tuple(keys)


def _holder(policies: Policies, attached: Attached) -> str:
    """The service that assumes a role."""
    [trust, *_] = policies.trust(policies.roles[attached.role])["Statement"]
    return str(trust["Principal"].get("Service"))


def _resource_holder(held: Held) -> str:
    principal = held.statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, dict) else principal
    # The region of a service's principal is no other kind.
    name = re.sub(r"\.[a-z]+-[a-z]+-\d\.", ".", str(service))
    return f"{held.kind} {name}"


def _has(statement: dict[str, Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), each.lower()) for each in _actions(statement))


# Roles whose statements are CDK's, and grants of CDK to an example's own role.
_OF_CDK: Final = ("Vpc", "LogRetention", "CustomVpcRestrict", "CdkBraketVerify/Checked")
_OF_USERS: Final = ("ssm:",)


def _identity_statements(policies: Policies) -> Iterator[tuple[Attached, int, dict[str, Any]]]:
    for attached in policies.attached:
        if any(part in attached.path for part in _OF_CDK):
            continue
        for index, statement in enumerate(attached.document["Statement"]):
            if not all(action.startswith(_OF_USERS) for action in _actions(statement)):
                yield attached, index, statement


def _without_identity(variation: str) -> Iterator[tuple[Kind, Simulation, bool]]:
    """Calls without one of the statements of their role."""
    policies = policies_of(variation)
    for attached, index, statement in _identity_statements(policies):
        kind = _kind(_holder(policies, attached), statement)
        less = policies.without(attached, index)
        for call in calls_of(variation):
            if call.allowed and call.who == attached.role and _has(statement, call.action):
                yield kind, simulation(policies, call, identity=less), call.allowed


def _without_resource(variation: str) -> Iterator[tuple[Kind, Simulation, bool]]:
    """Calls without one of the statements of their resource's policy."""
    policies = policies_of(variation)
    for held in policies.held():
        kind = _kind(_resource_holder(held), held.statement)
        is_allowing = held.statement["Effect"] == "Allow"
        for call in calls_of(variation):
            if (
                call.allowed == is_allowing
                and _has(held.statement, call.action)
                and policies.decides_on(held, call.resource)
            ):
                yield kind, simulation(policies, call, without=held), call.allowed


def _needed(shorter: list[tuple[Kind, Simulation, bool]]) -> set[Kind]:
    """The kinds of statement without which one of the calls is decided otherwise."""
    decisions = decide([request for _, request, _ in shorter])
    return {
        kind
        for (kind, _, is_allowed), decision in zip(shorter, decisions, strict=True)
        if (decision == "Allowed") != is_allowed
    }


def test_without_each_statement_of_a_role_a_call_is_denied() -> None:
    """In one of the variations: a role that several jobs share has more than one of them needs."""
    every = {
        _kind(_holder(policies_of(variation), attached), statement)
        for variation in VARIATIONS
        for attached, _, statement in _identity_statements(policies_of(variation))
    }
    needed = _needed([each for variation in VARIATIONS for each in _without_identity(variation)])
    assert sorted(every - needed) == []


def test_without_each_statement_of_a_resource_a_call_is_decided_otherwise() -> None:
    """Of keys, buckets, queues, functions and trust policies: denied, or for a Deny allowed."""
    every = {
        _kind(_resource_holder(held), held.statement)
        for variation in VARIATIONS
        for held in policies_of(variation).held()
    }
    kinds = {"Bucket", "Function", "Key", "Queue", "Role"}
    assert {holder.split()[0].rpartition(":")[2] for holder, *_ in every} == kinds
    needed = _needed([each for variation in VARIATIONS for each in _without_resource(variation)])
    assert sorted(every - needed) == []


# --- The service authorization reference has each action, resource type and condition key. ---


def _actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def _resources(statement: dict[str, Any]) -> list[str]:
    resource = statement.get("Resource", "*")
    return [resource] if isinstance(resource, str) else list(resource)


def _condition_keys(statement: dict[str, Any]) -> list[str]:
    return [key for keys in statement.get("Condition", {}).values() for key in keys]


def _statements() -> list[dict[str, Any]]:
    """The statements of all variations, of roles and of resources."""
    every = [policies_of(variation) for variation in VARIATIONS]
    return [
        *(each for policies in every for _, _, each in _identity_statements(policies)),
        *(held.statement for policies in every for held in policies.held()),
    ]


def _named_actions(statement: dict[str, Any]) -> list[str]:
    return [action for action in _actions(statement) if "*" not in action]


def test_each_action_is_in_the_service_authorization_reference() -> None:
    actions = {action for each in _statements() for action in _named_actions(each)}
    assert {action for action, found in describe(actions).items() if found is None} == set()
    assert len(actions) > 50


# Condition keys that the reference does not list for an action, with the source that does.
_DOCUMENTED_ELSEWHERE: Final = {
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    ("events:PutEvents", "events:detail-type"),
    ("events:PutEvents", "events:source"),
}


def test_each_condition_key_is_in_the_service_authorization_reference() -> None:
    pairs = {
        (action, key)
        for statement in _statements()
        for action in _named_actions(statement)
        for key in _condition_keys(statement)
        if not key.startswith("aws:")
    }
    known = describe({action for action, _ in pairs})
    undocumented = {
        (action, key)
        for action, key in pairs
        if not any(_is(key, pattern) for pattern in known[action]["conditionKeys"])
    }
    assert undocumented - _DOCUMENTED_ELSEWHERE == set()


def _is(key: str, pattern: str) -> bool:
    return key.lower().startswith(pattern.lower().partition("${")[0]) and (
        "${" in pattern or key.lower() == pattern.lower()
    )


# Actions on `*`, though the reference has resource types for them, with the reason.
_ON_EVERYTHING: Final = {
    "braket:CreateJob": "the job's ARN is made up by the service, and the device's may be unknown",
    "cloudwatch:PutMetricData": "its type is a dataset, and a job's metrics are in none",
}


def test_each_resource_is_of_a_type_that_the_reference_has_for_the_action() -> None:
    pairs = {
        (action, resource)
        for statement in _statements()
        # The resource of a resource's policy is the resource itself, however it is written.
        if "Principal" not in statement
        for action in _named_actions(statement)
        for resource in _resources(statement)
    }
    known = describe({action for action, _ in pairs})
    wrong = {
        (action, resource)
        for action, resource in pairs
        if not _is_of_type(action, resource, known[action]["resources"])
    }
    assert wrong == set()
    on_everything = {action for action, resource in pairs if resource == "*"}
    assert _ON_EVERYTHING.keys() <= on_everything


def _is_of_type(action: str, resource: str, patterns: list[str]) -> bool:
    if resource == "*":
        return not patterns or action in _ON_EVERYTHING
    return any(is_of_type(resource, each) for each in patterns)


def test_resource_types_are_distinguished() -> None:
    group = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/braket/jobs"
    groups = "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}"
    streams = f"{groups}:log-stream:${{LogStreamName}}"
    assert is_of_type(f"{group}:*", groups)
    assert is_of_type(f"{group}:*", streams)
    assert not is_of_type(group, streams)
    objects = "arn:${Partition}:s3:::${BucketName}/${ObjectName}"
    assert is_of_type("arn:aws:s3:::bucket/a*", objects)
    assert not is_of_type("arn:aws:s3:::bucket", objects)
