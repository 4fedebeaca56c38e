"""CloudFormation creates Braket's spending limits by the API, and refuses the same values."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_cdk import App
from aws_cdk import Stack as CdkStack
from aws_cdk.assertions import Template

from cdk_braket import Device, SpendingLimit
from cdk_braket_local.control.instance import LocalAws
from tests.emulator.stacks import Stack

QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
OTHER = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1"


@pytest.fixture
def stack(local_aws: LocalAws, tmp_path: Path) -> Stack:
    return Stack(local_aws, tmp_path / "record")


def _limit(**properties: object) -> dict[str, Any]:
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
    assert _limits(stack) == {stack.physical_id("Limit"): (OTHER, "50")}
    assert stack.delete() == "DELETE_COMPLETE"
    assert _limits(stack) == {}


def _limits(stack: Stack) -> dict[str, tuple[str, str]]:
    """The device and the amount of each limit, by its ARN, as the API reports them."""
    braket = boto3.client("braket", **stack.aws.client_settings)
    found = braket.search_spending_limits()["spendingLimits"]
    return {each["spendingLimitArn"]: (each["deviceArn"], each["spendingLimit"]) for each in found}


def test_a_second_limit_of_a_device_fails_its_stack(stack: Stack) -> None:
    braket = boto3.client("braket", **stack.aws.client_settings)
    arn = braket.create_spending_limit(clientToken="second", deviceArn=QPU, spendingLimit="1")[
        "spendingLimitArn"
    ]
    limit = _limit(DeviceArn=QPU, SpendingLimit="100")
    assert stack.create({"Limit": limit}) == "ROLLBACK_COMPLETE"
    assert "has a spending limit already" in stack.reasons()
    braket.delete_spending_limit(spendingLimitArn=arn)


def test_the_service_reads_the_times_of_a_template() -> None:
    """A time without a zone must not be that of this machine's zone."""
    from cdk_braket_local.ministack_adapter.patches import spending_limits

    period = {"StartAt": "2027-01-01T00:00:00", "EndAt": "2027-02-01T00:00:00"}
    given = spending_limits._changeable({"SpendingLimit": "7", "TimePeriod": period})
    assert given["timePeriod"] == {"startAt": period["StartAt"], "endAt": period["EndAt"]}


def test_a_period_and_tags_reach_the_service(stack: Stack) -> None:
    period = {"StartAt": "2027-01-01T00:00:00+00:00", "EndAt": "2027-02-01T00:00:00+00:00"}
    properties: dict[str, Any] = {"DeviceArn": QPU, "SpendingLimit": "7", "TimePeriod": period}
    tags = [{"Key": "team", "Value": "chemistry"}, {"Key": "old", "Value": "yes"}]
    limit = _limit(**properties, Tags=tags)
    assert stack.create({"Limit": limit}) == "CREATE_COMPLETE"
    braket = boto3.client("braket", **stack.aws.client_settings)
    (found,) = braket.search_spending_limits()["spendingLimits"]
    assert found["timePeriod"]["startAt"] == datetime(2027, 1, 1, tzinfo=UTC)
    assert found["tags"] == {"team": "chemistry", "old": "yes"}
    limit = _limit(**properties, Tags=[{"Key": "team", "Value": "physics"}])
    assert stack.update({"Limit": limit}) == "UPDATE_COMPLETE"
    arn = found["spendingLimitArn"]
    assert braket.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "physics"}
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
    assert stack.delete() == "DELETE_COMPLETE"
