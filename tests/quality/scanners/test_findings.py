"""Findings of scanners in the examples' stacks; docs/reference/scanners.md explains each."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from stacks.hybrid_job_stack import HybridJobStack
from tests import length
from tests.quality.scanners import scan
from tests.quality.scanners.stacks import STACKS

NAMES: Final = ("job", "many jobs", "reader", "nightly", "every argument", "reserved", "hardened")
# The stacks of a brief run: the others have the same resources, with fewer options.
BRIEF: Final = ("job", "every argument", "reserved", "hardened")
SCANNED: Final = NAMES if length.IS_LONG else BRIEF
NAIVE: Final = "naive"
# A stack of this kind that was hardened by hand, without and with what only its user has.
BY_HAND: Final = {"cdk-nag": 18, "checkov": 2, "cfn-lint": 0}
PAGE: Final = (scan.ROOT / "docs" / "reference" / "scanners.md").read_text(encoding="utf-8")


PARAMETERS: Final = length.first(len(BRIEF), sorted(NAMES, key=lambda name: name not in BRIEF))


@cache
def scanned() -> Mapping[str, Stack]:
    return {name: make() for name, make in STACKS.items() if name in SCANNED}


@cache
def found() -> Mapping[str, scan.Findings]:
    naive = Stack(App(), "Naive")
    s3.CfnBucket(naive, "Bucket").add_property_override("BucketNam", "misspelt")
    return scan.findings({**scanned(), NAIVE: naive})


def test_the_page_has_a_column_for_each_stack() -> None:
    assert tuple(STACKS) == NAMES


def documented(name: str) -> dict[str, int]:
    """Return the number of resources of a stack for each rule, according to the page."""
    column = NAMES.index(name)
    rows = re.findall(r"^\| `([A-Za-z0-9._-]+)` \|((?: *\d* \|){7})", PAGE, re.MULTILINE)
    counts = {rule: cells.split("|")[column].strip() for rule, cells in rows}
    return {rule: int(count) for rule, count in counts.items() if count}


def counted(findings: scan.Findings) -> dict[str, int]:
    """Return the number of resources for each rule."""
    resources: dict[str, set[str]] = {}
    for finding in [*findings.nag, *findings.checkov, *findings.cfn_lint]:
        resources.setdefault(finding.rule, set()).add(finding.resource)
    return {rule: len(where) for rule, where in resources.items()}


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_page_lists_the_remaining_findings(name: str) -> None:
    assert counted(found()[name]) == documented(name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_page_has_the_sums(name: str) -> None:
    [row] = re.findall(rf"^\| {name} \| (\d+) \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
    assert found()[name].by_resource == dict(zip(BY_HAND, map(int, row), strict=True))


def test_with_reserved_concurrency_the_findings_are_those_of_one_hardened_by_hand() -> None:
    sums = dict(found()["reserved"].by_resource)
    # The statement for Braket's service-linked role, without which its key serves no device.
    sums["checkov"] -= counted(found()["reserved"])["CKV_AWS_33"]
    assert {scanner: min(sums[scanner], most) for scanner, most in BY_HAND.items()} == sums


def test_all_that_the_default_has_beyond_that_is_the_concurrency() -> None:
    default, reserved = counted(found()["job"]), counted(found()["reserved"])
    beyond = {rule for rule in default if default[rule] > reserved.get(rule, 0)}
    assert beyond == {
        "CKV_AWS_115",
        "HIPAA.Security-LambdaConcurrency",
        "NIST.800.53.R5-LambdaConcurrency",
    }


def test_nothing_is_suppressed() -> None:
    suppressed = re.compile("cdk_nag|checkov|cfn-lint|Acknowledge", re.IGNORECASE)
    for stack in scanned().values():
        resources = Template.from_stack(stack).to_json()["Resources"]
        for resource in resources.values():
            assert not suppressed.search(str(resource.get("Metadata", "")))
    sources = [*scan.ROOT.glob("constructs/**/*.py"), *scan.ROOT.glob("stacks/*.py")]
    assert [path for path in sources if "cdk_nag" in path.read_text(encoding="utf-8")] == []


def test_a_bucket_without_anything_is_found_by_all() -> None:
    assert all(count > 0 for count in found()[NAIVE].by_resource.values())


def test_the_handler_still_depends_on_its_policy_and_on_user_dependencies() -> None:
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
        "BraketHybridJobHandlerRolePolicy",
        "Topic",
    ]
