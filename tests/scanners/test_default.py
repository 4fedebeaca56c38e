"""What scanners find in the stacks of the examples; docs/scanners.md says why it remains."""

import re
from collections.abc import Callable, Mapping
from functools import cache

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from stacks.hybrid_job_stack import HybridJobStack
from stacks.sweep_stack import SweepStack
from tests.scanners import scan

STACKS: Mapping[str, Callable[[], Stack]] = {
    "job": lambda: HybridJobStack(App(), "Job"),
    "sweep": lambda: SweepStack(App(), "Sweep"),
}
# A rule of a pack, once for each resource.
MOST_OF_NAG = 18
MOST_OF_CHECKOV = 2
PAGE = (scan.ROOT / "docs" / "scanners.md").read_text(encoding="utf-8")


@cache
def found(name: str) -> scan.Findings:
    return scan.findings(STACKS[name]())


def documented(scanner: str) -> dict[str, int]:
    """How many resources the page says each rule of a scanner finds fault with."""
    rows = re.findall(rf"^\| {scanner} \| `([^`]+)` \| (\d+) \|", PAGE, re.MULTILINE)
    return {rule: int(count) for rule, count in rows}


def counted(findings: list[scan.Finding]) -> dict[str, int]:
    """On how many resources each rule finds fault."""
    resources: dict[str, set[str]] = {}
    for finding in findings:
        resources.setdefault(finding.rule, set()).add(finding.resource)
    return {rule: len(where) for rule, where in resources.items()}


@pytest.mark.parametrize("name", STACKS)
def test_what_remains_is_what_the_page_tells(name: str) -> None:
    assert counted(found(name).nag) == documented("cdk-nag")
    assert counted(found(name).checkov) == documented("checkov")


@pytest.mark.parametrize("name", STACKS)
def test_cfn_lint_finds_nothing(name: str) -> None:
    assert found(name).cfn_lint == []


@pytest.mark.xfail(reason="docs/scanners.md tells what it takes", strict=True)
@pytest.mark.parametrize("name", STACKS)
def test_cdk_nag_finds_no_more_than_in_a_stack_hardened_by_hand(name: str) -> None:
    assert len(found(name).nag_by_resource) <= MOST_OF_NAG


@pytest.mark.xfail(reason="docs/scanners.md tells what it takes", strict=True)
@pytest.mark.parametrize("name", STACKS)
def test_checkov_finds_no_more_than_in_a_stack_hardened_by_hand(name: str) -> None:
    assert len(found(name).checkov) <= MOST_OF_CHECKOV


def test_a_bucket_without_anything_is_found_by_all() -> None:
    stack = Stack(App(), "Naive")
    s3.CfnBucket(stack, "Bucket").add_property_override("BucketNam", "misspelt")
    result = scan.findings(stack)
    assert result.nag
    assert result.checkov
    assert result.cfn_lint


def test_the_handler_still_comes_after_its_policy_and_what_users_name() -> None:
    stack = HybridJobStack(App(), "Job")
    topic = CfnResource(stack, "Topic", type="AWS::SNS::Topic")
    stack.node.find_child("BraketHybridJobHandler").node.add_dependency(topic)
    resources = Template.from_stack(stack).find_resources("AWS::Lambda::Function")
    (after,) = (
        function["DependsOn"]
        for name, function in resources.items()
        if name.startswith("BraketHybridJobHandlerFunction")
    )
    assert [re.sub(r"[0-9A-F]{8}$", "", name) for name in after] == [
        "BraketHybridJobHandlerRoleDefaultPolicy",
        "Topic",
    ]
