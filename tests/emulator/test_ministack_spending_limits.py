"""CloudFormation knows Braket's spending limits, and refuses the same values as the service."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack
from aws_cdk.assertions import Template

from cdk_braket import Device, SpendingLimit
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.stacks import Stack

QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
OTHER = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"


@pytest.fixture
def stack(local_aws: LocalAws, tmp_path: Path) -> Stack:
    return Stack(local_aws, tmp_path / "record")


def _limit(**properties: str) -> dict[str, Any]:
    return {"Type": "AWS::Braket::SpendingLimit", "Properties": properties}


def test_one_is_created_changed_replaced_and_deleted(stack: Stack) -> None:
    limit = _limit(DeviceArn=QPU, SpendingLimit="100")
    assert stack.create({"Limit": limit}) == "CREATE_COMPLETE"
    first = stack.physical_id("Limit")
    assert ":spending-limit/" in first
    assert stack.update({"Limit": _limit(DeviceArn=QPU, SpendingLimit="50")}) == "UPDATE_COMPLETE"
    assert stack.physical_id("Limit") == first
    assert stack.update({"Limit": _limit(DeviceArn=OTHER, SpendingLimit="50")}) == "UPDATE_COMPLETE"
    assert stack.physical_id("Limit") != first
    assert stack.delete() == "DELETE_COMPLETE"


def test_the_resource_of_the_construct_is_accepted(stack: Stack) -> None:
    declared = CdkStack(App(), "Limits")
    SpendingLimit(
        declared,
        "Limit",
        device=Device(QPU),
        spending_limit="250.00",
        start_at=datetime(2027, 1, 1, tzinfo=UTC),
        end_at=datetime(2027, 2, 1, tzinfo=UTC),
    )
    resources = Template.from_stack(declared).to_json()["Resources"]
    assert stack.create(resources) == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("properties", "member"),
    [
        ({"DeviceArn": QPU}, "spendingLimit"),
        ({"SpendingLimit": "100"}, "deviceArn"),
        ({"DeviceArn": QPU, "SpendingLimit": "much"}, "spendingLimit"),
    ],
)
def test_a_wrong_one_fails_the_stack(stack: Stack, properties: dict[str, str], member: str) -> None:
    assert stack.create({"Limit": _limit(**properties)}) == "ROLLBACK_COMPLETE"
    assert member in stack.reasons()


def test_a_wrong_change_is_rolled_back(stack: Stack) -> None:
    limit = _limit(DeviceArn=QPU, SpendingLimit="100")
    assert stack.create({"Limit": limit}) == "CREATE_COMPLETE"
    first = stack.physical_id("Limit")
    wrong = _limit(DeviceArn=QPU, SpendingLimit="much")
    assert stack.update({"Limit": wrong}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "spendingLimit" in stack.reasons()
    assert stack.physical_id("Limit") == first
