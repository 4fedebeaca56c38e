"""A limit on the cost of the tasks of a quantum device."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

from aws_cdk import Resource, Stack
from aws_cdk import aws_braket as braket
from constructs import Construct

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket.core.argument_types import wrong_types
from cdk_braket.core.issue import Issue, argument_names, shorten, without
from cdk_braket.core.tokens import is_unknown
from cdk_braket.core.validation_error import ValidationError

from .device import Device, device_issue, region_issue

_REQUEST: Final = "CreateSpendingLimitRequest"


class SpendingLimit(Resource):
    """The most that an account may spend on the quantum tasks of one QPU.

    Amazon Braket refuses tasks that would exceed it. It counts only tasks, not the instances of
    hybrid jobs, and not simulators. Each device has at most one limit. A job with the limit,
    `HybridJob(…, spending_limit=…)`, starts only after the limit is active.

    Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-braket-spendinglimit.html
    and https://docs.aws.amazon.com/braket/latest/developerguide/braket-pricing.html

    Example:
        >>> from aws_cdk import App, Duration, Environment, Stack
        >>> from cdk_braket import AlgorithmScript, Device, HybridJob, SpendingLimit
        >>> stack = Stack(App(), "Chemistry", env=Environment(region="eu-north-1"))
        >>> limit = SpendingLimit(
        ...     stack, "Limit", device=Device.IQM_GARNET, spending_limit="250.00"
        ... )
        >>> job = HybridJob(
        ...     stack,
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     hyperparameters={"shots": 100, "iterations": 8, "seed": 7},
        ...     device=Device.IQM_GARNET,
        ...     max_runtime=Duration.hours(2),
        ...     spending_limit=limit,
        ... )
    """

    __module__ = "cdk_braket"

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        device: Device,
        spending_limit: Decimal | int | str,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
    ) -> None:
        """Declare a limit.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The QPU. Another device is another limit: the first is deleted.
            spending_limit: The most that may be spent, in US dollars, with cents at most: a whole
                number, a `Decimal` or text. No `float`, which has no exact cents.
            start_at: When the limit begins to hold, with its time zone. Default: at once; give
                both or neither.
            end_at: When it ceases to hold. Default: never.

        Raises:
            ValidationError: The service would refuse the limit. Nothing was created.
        """
        problems = _problems(Stack.of(scope).region, device, spending_limit, start_at, end_at)
        if problems:
            raise ValidationError(f"{scope.node.path}/{id}".lstrip("/"), problems)
        super().__init__(scope, id)
        self.device = device
        self._resource = braket.CfnSpendingLimit(
            self,
            "Resource",
            device_arn=device.arn,
            spending_limit=_text(spending_limit),
            time_period=_period(start_at, end_at),
        )

    @property
    def spending_limit_arn(self) -> str:
        """The limit's ARN, a token."""
        return self._resource.attr_spending_limit_arn

    @property
    def total_spend(self) -> str:
        """The amount spent at CloudFormation's last read, in US dollars: a token."""
        return self._resource.attr_total_spend

    @property
    def queued_spend(self) -> str:
        """The cost of the queued tasks at CloudFormation's last read: a token."""
        return self._resource.attr_queued_spend


def wrong_device(limit: SpendingLimit, device: Device) -> Iterator[Issue]:
    """Return an issue if a job's limit is for another device than the job's."""
    if limit.device != device:
        rule = f"is for {shorten(limit.device.arn)}, and the job's device is {shorten(device.arn)}"
        yield Issue("spending_limit", rule, "Use a limit for that device, or remove the argument")


def _problems(
    region: str, device: object, spending_limit: object, start_at: object, end_at: object
) -> list[Issue]:
    faults = wrong_types(SpendingLimit.__init__, {"device": device})
    of_device = _issues_of_device(device, region) if isinstance(device, Device) else ()
    found = [*of_device, *_issues_of_amount(spending_limit), *_issues_of_period(start_at, end_at)]
    return [*faults, *without(found, argument_names(faults))]


def _issues_of_device(device: Device, region: str) -> Iterator[Issue]:
    if issue := device_issue(device):
        yield issue
        return
    if issue := region_issue(device, region, "a spending limit is"):
        yield issue
    if not device.is_qpu and not is_unknown(device.arn):
        yield Issue(
            "device",
            "limits are for QPUs alone",
            "Use max_runtime=… and the instance to limit the cost of a job on a simulator",
            shorten(device.arn),
        )


def _issues_of_amount(amount: object) -> Iterator[Issue]:
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        rule = f"expected an exact amount, got {type(amount).__name__}"
        yield Issue("spending_limit", rule, "Use a string such as '250.00'")
        return
    text = _text(amount)
    for problem in model_rules.check(
        model_rules.shape_of(_REQUEST, "spendingLimit"), text, skip=is_unknown
    ):
        fix = "Use US dollars such as '250.00'"
        yield Issue("spending_limit", problem.message, fix, shorten(text))


def _text(amount: Decimal | int | str) -> str:
    """Render an amount in the API's format: a Decimal without an exponent."""
    return f"{amount:f}" if isinstance(amount, Decimal) else str(amount)


def _issues_of_period(start_at: object, end_at: object) -> Iterator[Issue]:
    given = {"start_at": start_at, "end_at": end_at}
    times = {name: at for name, at in given.items() if at is not None}
    zoneless = [
        name for name, at in times.items() if not isinstance(at, datetime) or at.tzinfo is None
    ]
    for name in zoneless:
        yield Issue(name, "expected a datetime with a time zone", "Use datetime(…, tzinfo=UTC)")
    if zoneless or not times:
        return
    if not isinstance(start_at, datetime) or not isinstance(end_at, datetime):
        (missing,) = given.keys() - times.keys()
        yield Issue(missing, "is missing", "A period has both start_at=… and end_at=…")
    elif start_at >= end_at:
        yield Issue("end_at", "expected a time after start_at", "Swap them?", end_at.isoformat())


def _period(
    start_at: datetime | None, end_at: datetime | None
) -> braket.CfnSpendingLimit.TimePeriodProperty | None:
    if start_at is None or end_at is None:
        return None
    return braket.CfnSpendingLimit.TimePeriodProperty(
        start_at=start_at.isoformat(), end_at=end_at.isoformat()
    )
