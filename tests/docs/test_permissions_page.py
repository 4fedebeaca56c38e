"""docs/reference/permissions.md has every statement of every policy, and no others."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, cast

import pytest
from aws_cdk import Stack

from tests import permissions
from tests.synth.every_permission import every_permission
from tests.synth.support import ACCOUNT, Json, many, policies, resources, text

Found = tuple[str, str, frozenset[str]]

_SECTIONS: Final = {
    "EnvironmentRole": "The execution role",
    "IsolatedRole": "The role of an isolated job",
    "EnvironmentHandlerRole": "The handler's role",
    "BraketHybridJobHandlerGoOn": "The handler's role",
    "IsolatedHandlerPolicy": "The handler's role",
    "EnvironmentReplicationRole": "Others",
    "DashboardRole": "Others",
    "SchedulerRole": "Others",
    "MachineRole": "Others",
    "SweepRole": "The role of a sweep",
}
# What a template refers to, in the page's words.
_REFERENCES: Final = {
    "EnvironmentInputsBucket": "inputs",
    "EnvironmentResultsBucket": "results",
    "EnvironmentAccessLogsBucket": "access logs",
    "EnvironmentKey": "key",
    "EnvironmentRole": "role",
    "IsolatedRole": "role",
    "EnvironmentHandlerFunction": "handler",
    "EnvironmentHandlerLogs": "handler's log",
    "EnvironmentHandlerDeadLetters": "dead letters",
    "DashboardLogs": "dashboard's log",
    "JobB9D00F9F": "job",
}
# The name of a sweep's state machine.
_SWEEP: Final = r"Stack-Sweep-[0-9a-f]{8}-<\{'Fn::Select': .*'AWS::StackId'\}\]\}\]\}>"
_REWRITTEN: Final = (
    (r"^arn:(?:aws|<[^>]+>):s3:::<\{'Ref': '(\w+)'\}>", r"<\1>"),
    (r"^<\{'Fn::GetAtt': \['(\w+)', '\w+'\]\}>", r"<\1>"),
    (r"<\{'Fn::Select': .*'AWS::StackId'\}\]\}\]\}>/[0-9a-f]{8}/", "STACK/JOB/"),
    (rf"^arn:(?:aws|<[^>]+>):(\w+):(?:[^:]*):(?:{ACCOUNT}|292282985366)?:", r"\1:"),
    (r"/[0-9a-f]{32}/", "/HASH/"),
    (r"/Stack-Sweep-[0-9a-f]{8}/", "/SWEEP/"),
    (rf"^states:stateMachine:{_SWEEP}", "sweep"),
    (rf"^states:execution:{_SWEEP}", "sweep's executions"),
)


@cache
def _stack() -> Stack:
    return every_permission()


def _named(resource: str) -> str:
    for pattern, replacement in _REWRITTEN:
        resource = re.sub(pattern, replacement, resource)
    for logical_id, name in _REFERENCES.items():
        resource = re.sub(rf"^<{logical_id}[0-9A-F]*>", name, resource)
    return resource


def _condition_keys(statement: Json) -> frozenset[str]:
    condition = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition", {}))
    return frozenset(key for keys in condition.values() for key in keys)


def _statements(properties: object, name: str) -> list[Json]:
    document = cast("Json", cast("Json", properties)[name])
    return cast("list[Json]", document["Statement"])


def _in_templates() -> Iterator[tuple[str, Found]]:
    for name, policy in policies(_stack()).items():
        [section] = {said for part, said in _SECTIONS.items() if name.startswith(part)}
        for statement in _statements(policy["Properties"], "PolicyDocument"):
            assert statement["Effect"] == "Allow"
            for action in many(statement["Action"]):
                for resource in many(statement["Resource"]):
                    named = _named(text(resource))
                    yield section, (str(action), named, _condition_keys(statement))


def _on_page() -> Iterator[tuple[str, Found]]:
    for line in permissions.lines():
        for action in line.actions:
            for resource in line.resources:
                yield line.section, (action, resource, line.conditions)


@pytest.mark.parametrize("section", sorted(set(_SECTIONS.values())))
def test_the_page_has_each_permission_of_the_roles_and_no_other(section: str) -> None:
    in_templates = {found for where, found in _in_templates() if where == section}
    on_page = [found for where, found in _on_page() if where == section]
    assert set(on_page) == in_templates
    assert len(on_page) == len(set(on_page))


def test_each_line_names_its_evidence() -> None:
    for line in permissions.lines():
        removal = re.sub(r"^\[(\w+)\]\((?:\.\./)+tests/deploy/\w+\.py\)$", r"\1", line.evidence)
        assert removal in {"removal", "template"}, line


def test_each_wildcard_has_a_reason() -> None:
    for line in permissions.lines():
        if any("*" in resource for resource in line.resources):
            assert line.purpose not in {"", "the same", "as above"}, line


def test_an_action_without_resources_has_a_source() -> None:
    """In the line, or in the line of another role with the same action."""
    unlimited = [line for line in permissions.lines() if line.resources == {"*"}]
    sourced = {a for line in unlimited if "https://" in line.purpose for a in line.actions}
    assert {action for line in unlimited for action in line.actions} == sourced


def _resource_policies() -> Iterator[tuple[str, str, str, frozenset[str], frozenset[str]]]:
    for kind, document in (
        ("AWS::S3::BucketPolicy", "PolicyDocument"),
        ("AWS::KMS::Key", "KeyPolicy"),
        ("AWS::SQS::QueuePolicy", "PolicyDocument"),
    ):
        for name, resource in resources(_stack(), kind).items():
            holder = _named(f"<{re.sub(r'(Policy)?[0-9A-F]{8}$', '', name)}>")
            for statement in _statements(resource["Properties"], document):
                actions = frozenset(str(action) for action in many(statement["Action"]))
                who = _principal(cast("Json | str", statement["Principal"]))
                yield holder, str(statement["Effect"]), who, actions, _condition_keys(statement)


def _principal(principal: Json | str) -> str:
    if isinstance(principal, str):
        return "any principal"
    if "Service" in principal:
        return str(principal["Service"])
    named = text(principal["AWS"])
    if named == "*":
        return "any principal"
    assert named.endswith(f":{ACCOUNT}:root"), named
    return "the account"


def test_the_page_has_each_statement_of_resource_policies_and_no_other() -> None:
    assert set(permissions.resource_policies()) == set(_resource_policies())


def test_roles_trust_one_service_each() -> None:
    trusted = {}
    for name, role in resources(_stack(), "AWS::IAM::Role").items():
        [statement] = _statements(role["Properties"], "AssumeRolePolicyDocument")
        trusted[re.sub(r"Role.*$", "", name)] = cast("Json", statement["Principal"])["Service"]
    assert trusted == {
        "Environment": "braket.amazonaws.com",
        "Isolated": "braket.amazonaws.com",
        "EnvironmentHandler": "lambda.amazonaws.com",
        "Dashboard": "lambda.amazonaws.com",
        "EnvironmentReplication": "s3.amazonaws.com",
        "Scheduler": "scheduler.amazonaws.com",
        "Machine": "states.amazonaws.com",
        "Sweep": "states.amazonaws.com",
    }


def test_the_handler_is_invoked_by_rules_of_its_account_and_region() -> None:
    [permission] = resources(_stack(), "AWS::Lambda::Permission").values()
    properties = cast("Json", permission["Properties"])
    assert properties["Principal"] == "events.amazonaws.com"
    assert properties["SourceAccount"] == ACCOUNT
    assert text(properties["SourceArn"]).endswith(f":events:us-east-1:{ACCOUNT}:rule/*")
