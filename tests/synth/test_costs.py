"""Limits of costs: spending limits of devices, and the warnings for jobs without a limit."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

import pytest
from aws_cdk import Duration, Stack, Tags, Token
from aws_cdk.assertions import Annotations, Match

from cdk_braket import (
    ContainerImage,
    Device,
    HybridJob,
    InstanceConfig,
    SpendingLimit,
    ValidationError,
)
from cdk_braket._lambda.braket_jobs.api import model_rules
from tests.synth.support import LOCAL, Json, new_stack, only, resources

_LIMIT = "AWS::Braket::SpendingLimit"
_QPU = Device.IONQ_FORTE_1


def _job(stack: Stack, **arguments: object) -> HybridJob:
    given: dict[str, object] = {"device": _QPU, "max_runtime": Duration.hours(2), **arguments}
    return HybridJob(stack, "Job", image=ContainerImage.base(), **given)  # type: ignore[arg-type]


def _warnings(stack: Stack) -> list[str]:
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return [str(each.entry.data) for each in found]


def _notes(stack: Stack) -> list[str]:
    found = Annotations.from_stack(stack).find_info("*", Match.any_value())
    return [str(each.entry.data) for each in found]


@pytest.mark.parametrize("amount", ["250.00", 250, Decimal("0.50")])
def test_a_limit_has_the_form_of_cloudformation(amount: Decimal | int | str) -> None:
    stack = new_stack()
    limit = SpendingLimit(stack, "Limit", device=_QPU, spending_limit=amount)
    assert only(stack, _LIMIT) == {"DeviceArn": _QPU.arn, "SpendingLimit": str(amount)}
    attributes = (limit.spending_limit_arn, limit.total_spend, limit.queued_spend)
    assert [cast("Json", stack.resolve(each))["Fn::GetAtt"] for each in attributes] == [
        [*resources(stack, _LIMIT), name]
        for name in ("SpendingLimitArn", "TotalSpend", "QueuedSpend")
    ]


def test_a_limit_can_hold_for_a_while_and_bears_the_stacks_tags() -> None:
    stack = new_stack()
    limit = SpendingLimit(
        stack,
        "Limit",
        device=_QPU,
        spending_limit=1,
        start_at=datetime(2027, 1, 1, tzinfo=UTC),
        end_at=datetime(2027, 2, 1, tzinfo=UTC),
    )
    Tags.of(limit).add("team", "quantum")
    properties = only(stack, _LIMIT)
    assert properties["TimePeriod"] == {
        "StartAt": "2027-01-01T00:00:00+00:00",
        "EndAt": "2027-02-01T00:00:00+00:00",
    }
    assert properties["Tags"] == [{"Key": "team", "Value": "quantum"}]


def test_a_job_starts_once_its_devices_limit_is_in_force() -> None:
    stack = new_stack()
    limit = SpendingLimit(stack, "Limit", device=_QPU, spending_limit=1)
    _job(stack, spending_limit=limit)
    [job] = resources(stack, "Custom::BraketHybridJob").values()
    assert set(resources(stack, _LIMIT)) <= set(cast("list[str]", job["DependsOn"]))


def test_a_limit_of_another_device_is_refused() -> None:
    stack = new_stack()
    limit = SpendingLimit(stack, "Limit", device=Device.IONQ_FORTE_ENTERPRISE_1, spending_limit=1)
    with pytest.raises(ValidationError, match=r"\[Stack/Job\] spending_limit: is for .*Enterprise"):
        _job(stack, spending_limit=limit)
    with pytest.raises(ValidationError, match=r"spending_limit.*expected a SpendingLimit"):
        _job(stack, spending_limit="250")


def test_all_problems_of_a_limit_are_reported_at_once() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError) as caught:
        SpendingLimit(
            stack,
            "Limit",
            device=Device.AMAZON_SV1,
            spending_limit="much",
            start_at=datetime(2027, 2, 1, tzinfo=UTC),
            end_at=datetime(2027, 1, 1, tzinfo=UTC),
        )
    device, amount, period = caught.value.problems
    assert "limits are for QPUs alone" in device
    assert "got 'much'" in amount
    assert "expected a time after start_at" in period
    assert stack.node.children == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"spending_limit": 2.5}, "expected an exact amount, got float"),
        ({"spending_limit": True}, "expected an exact amount, got bool"),
        ({"spending_limit": "2.555"}, "got '2.555'"),
        ({"device": LOCAL}, "limits are for QPUs alone"),
        ({"device": "ionq"}, "expected a Device"),
        ({"device": Device("garnet")}, "expected the ARN of a device"),
        ({"start_at": datetime(2027, 1, 1, tzinfo=UTC)}, "end_at: is missing"),
        ({"end_at": datetime(2027, 1, 1, tzinfo=UTC)}, "start_at: is missing"),
        ({"end_at": datetime(2027, 1, 1)}, "with a time zone"),  # noqa: DTZ001 - refused for it
        ({"end_at": "2027-01-01"}, "with a time zone"),
    ],
)
def test_values_that_the_service_refuses_are_refused(
    arguments: dict[str, object], problem: str
) -> None:
    given = {"device": _QPU, "spending_limit": 1, **arguments}
    with pytest.raises(ValidationError, match=problem):
        SpendingLimit(new_stack(), "Limit", **given)  # type: ignore[arg-type]


def test_values_known_at_deploy_time_are_accepted() -> None:
    stack = new_stack()
    arn, amount = (Token.as_string({"Ref": name}) for name in ("Device", "Amount"))
    SpendingLimit(stack, "Limit", device=Device.from_arn(arn), spending_limit=amount)
    assert only(stack, _LIMIT) == {
        "DeviceArn": {"Ref": "Device"},
        "SpendingLimit": {"Ref": "Amount"},
    }


def test_a_job_on_a_paid_device_that_nothing_bounds_is_warned_of_with_the_worst_case() -> None:
    stack = new_stack()
    _job(stack, max_runtime=None, instance=InstanceConfig(instance_count=2))
    longest = model_rules.bounds(
        model_rules.shape_of("CreateJobRequest", "stoppingCondition", "maxRuntimeInSeconds")
    ).maximum
    assert longest is not None
    [warning] = _warnings(stack)
    assert f"{2 * longest / 3600:g} instance hours at most, on 2 of ml.m5.large" in warning
    assert "[ack: cdk-braket:max-runtime]" in warning


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        ({}, ["cdk-braket: at most 2 instance hours for jobs on managed devices"]),
        (
            {"instance": InstanceConfig(instance_count=3)},
            ["cdk-braket: at most 6 instance hours for jobs on managed devices"],
        ),
        ({"device": LOCAL, "max_runtime": Duration.minutes(10)}, []),
        ({"device": LOCAL, "max_runtime": None}, []),
    ],
)
def test_the_worst_case_of_other_jobs_is_one_line_and_no_warning(
    arguments: dict[str, object], most: list[str]
) -> None:
    stack = new_stack()
    _job(stack, **arguments)
    assert _warnings(stack) == []
    assert _notes(stack) == most


def test_nothing_is_reported_about_unknown_values() -> None:
    stack = new_stack()
    seconds = Token.as_number({"Ref": "Seconds"})
    _job(stack, max_runtime=Duration.seconds(seconds))
    assert (_warnings(stack), _notes(stack)) == ([], [])
