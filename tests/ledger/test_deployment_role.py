"""The role that deploys: an administrator, or one with the policy that we publish."""

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.ledger import deployment_calls
from tests.ledger.calls import Call
from tests.ledger.deployment_calls import (
    DEPLOYMENT_ROLE,
    UNUSED,
    actions_named,
    actions_of,
    schema_actions,
)
from tests.ledger.evaluator import decide, describe
from tests.ledger.requests import ADMINISTRATOR, simulation
from tests.ledger.variations import VARIATIONS, policies_of
from tests.synth.support import ACCOUNT, REGION

_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"
_POLICY: Final[dict[str, Any]] = json.loads(
    (_PAGE / "deployment-policy.json").read_text(encoding="utf-8")
)
# Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_LONGEST_POLICY: Final = 6_144

# S3's names of API operations, for which IAM has other actions.
_UNKNOWN_TO_IAM: Final = {
    "s3:DeleteBucketCors",
    "s3:DeleteBucketEncryption",
    "s3:DeleteBucketLifecycle",
    "s3:DeleteBucketReplication",
    "s3:PutBucketReplication",
    "s3:REST.PUT.OBJECT",
}


@cache
def _calls(variation: str) -> list[Call]:
    seen: dict[tuple[str, str, str], Call] = {}
    for call in deployment_calls.deployment_calls(policies_of(variation).deployment):
        seen.setdefault((call.action, call.resource, str(call.context)), call)
    return list(seen.values())


def _denied(variation: str, document: dict[str, Any]) -> list[Call]:
    policies, ledger = policies_of(variation), _calls(variation)
    decisions = decide([simulation(policies, call, identity=(document,)) for call in ledger])
    assert ledger
    return [call for call, decision in zip(ledger, decisions, strict=True) if decision != "Allowed"]


@pytest.mark.parametrize("document", [ADMINISTRATOR, _POLICY], ids=["administrator", "published"])
def test_the_role_may_deploy_every_variation(document: dict[str, Any]) -> None:
    """Policies of keys and buckets must not lock the deployment out."""
    denied = {variation: _denied(variation, document) for variation in VARIATIONS}
    assert {name: calls for name, calls in denied.items() if calls} == {}


def test_without_each_statement_of_the_published_policy_a_call_is_denied() -> None:
    """One call of each action is decided: the others differ in the resource's name alone."""
    policies = policies_of("managed device")
    example = {call.action: call for variation in VARIATIONS for call in _calls(variation)}
    statements = _POLICY["Statement"]
    for statement in statements:
        less = {**_POLICY, "Statement": [each for each in statements if each is not statement]}
        named = [example[action] for action in _many(statement["Action"])]
        decisions = decide([simulation(policies, call, identity=(less,)) for call in named])
        assert set(decisions) == {"ImplicitlyDenied"}, statement


def test_the_published_policy_has_no_action_that_no_deployment_needs() -> None:
    needed = {call.action for variation in VARIATIONS for call in _calls(variation)}
    listed = {action for s in _POLICY["Statement"] for action in _many(s["Action"])}
    assert listed == needed


def test_the_published_policy_fits_in_a_managed_policy() -> None:
    assert len(json.dumps(_POLICY, separators=(",", ":"))) <= _LONGEST_POLICY


def test_the_published_policy_denies_calls_of_no_deployment() -> None:
    policies = policies_of("managed device")
    role = f"arn:aws:iam::{ACCOUNT}:role/Admin"
    jobs = f"arn:aws:braket:{REGION}:{ACCOUNT}:job/7b2c3d4e-0000-4000-8000-000000000000"
    results = "arn:aws:s3:::amazon-braket-results-others/jobs/a"
    passed = {"iam:PassedToService": "braket.amazonaws.com"}
    machines = {"iam:PassedToService": "ec2.amazonaws.com"}
    users = f"arn:aws:iam::{ACCOUNT}:user/a"
    for action, resource, context in (
        ("iam:PassRole", role, passed),
        ("iam:PassRole", role, machines),
        ("iam:CreateUser", users, {}),
        ("braket:CreateJob", jobs, {}),
        ("s3:GetObject", results, {}),
        ("s3:PutObject", results, {}),
        ("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a", {}),
    ):
        call = Call(DEPLOYMENT_ROLE, action, resource, "", context, allowed=False)
        [decision] = decide([simulation(policies, call, identity=(_POLICY,))])
        assert decision != "Allowed", call


def _kinds() -> set[str]:
    return {
        each.kind
        for variation in VARIATIONS
        for each in policies_of(variation).deployment.resources()
        if deployment_calls.is_ours(each.kind)
    }


def test_each_action_of_the_schemas_is_called_or_unused() -> None:
    called = {call.action for variation in VARIATIONS for call in _calls(variation)}
    assert len(_kinds()) > 10
    assert {a for kind in _kinds() for a in actions_of(kind)} - called == set()
    # Each exception is for something that a schema has.
    stale = {
        (pattern, name)
        for pattern, names in UNUSED.items()
        for name in names
        if not any(
            fnmatchcase(kind, pattern) and fnmatchcase(action, name)
            for kind in _kinds()
            for action in schema_actions(kind)
        )
    }
    assert stale == set()


def test_names_of_schemas_that_iam_does_not_know_are_few() -> None:
    """They are left out: a change of the schemas or of the reference must not hide a real one."""
    named = {action for kind in _kinds() for action in actions_named(kind)}
    unknown = {action for action, found in describe(named).items() if found is None}
    assert unknown == _UNKNOWN_TO_IAM


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
