"""Spending limits: the most that an account may spend on the quantum tasks of a device.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-pricing.html
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from cdk_braket_local.braket import search
from cdk_braket_local.braket.devices import Device, DeviceStatus
from cdk_braket_local.braket.job import now
from cdk_braket_local.braket.platform import Caller, Platform
from cdk_braket_local.braket.protocol import BraketError
from cdk_braket_local.braket.resources import ClientTokens, is_visible, visible
from cdk_braket_local.braket.tasks import Task, TaskStatus

# The end of a limit without a period.
_FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)

Parameters = Mapping[str, object]
Operation = Callable[[Caller, Parameters], Mapping[str, object]]


@dataclass(slots=True)
class SpendingLimit:
    """The limit of one device. Its readers and writers hold the service's lock.

    Attributes:
        arn: It ends in a UUID.
        caller: The principal that created it.
        device: Its device.
        amount: The most that may be spent, in USD.
        start_at: The time from which tasks are accepted.
        end_at: The time until which tasks are accepted.
        tags: The tags as they are now.
        created_at: When it was created.
        updated_at: When it was last changed.
    """

    arn: str
    caller: Caller
    device: Device
    amount: str
    start_at: datetime
    end_at: datetime
    tags: dict[str, str]
    created_at: datetime
    updated_at: datetime


class SpendingLimits:
    """The part of the service that knows spending limits.

    Args:
        platform: The local AWS.
        lock: The service's lock.
        device: Returns the device that a caller names, or raises a BraketError.
        tasks: Returns all quantum tasks.
    """

    def __init__(
        self,
        platform: Platform,
        lock: threading.RLock,
        device: Callable[[Caller, str], Device],
        tasks: Callable[[], Iterable[Task]],
    ) -> None:
        self._platform = platform
        self._lock = lock
        self._device = device
        self._tasks = tasks
        self._limits: dict[str, SpendingLimit] = {}
        self._tokens = ClientTokens("ValidationException")

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations by their names."""
        return {
            "CreateSpendingLimit": self._create,
            "SearchSpendingLimits": self._search,
            "UpdateSpendingLimit": self._update,
            "DeleteSpendingLimit": self._delete,
        }

    def known(self, arn: str) -> SpendingLimit | None:
        """Return the limit with an ARN."""
        with self._lock:
            return self._limits.get(arn)

    def limit(self, caller: Caller, action: str, arn: object) -> SpendingLimit:
        """Return a limit for an action of a caller.

        Raises:
            AccessDeniedError: The caller may not do it.
            BraketError: There is no such limit.
        """
        self._platform.authorize(caller, action, str(arn), {})
        return visible(self.known(str(arn)), caller, str(arn))

    def admit(self, task: Task) -> None:
        """Count a new task, if the limit of its device allows it. The caller holds the lock.

        Tasks of a reservation are not limited.

        Raises:
            BraketError: The task would exceed the limit, or is outside of its period.
        """
        limit = self._of_device(task.caller, task.device)
        if limit is None or task.request.get("associations"):
            return
        if not limit.start_at <= now() <= limit.end_at:
            raise BraketError(
                "ValidationException",
                f"{task.device.arn} has a spending limit that allows tasks from "
                f"{limit.start_at.isoformat()} to {limit.end_at.isoformat()} only",
            )
        queued, total = self._spent(limit)
        left = Decimal(limit.amount) - queued - total
        if task.cost > left:
            raise BraketError(
                "ValidationException",
                f"the task costs {_text(task.cost)} USD, and the spending limit of "
                f"{task.device.arn} leaves {_text(left)} USD",
            )
        task.spending_limit = limit.arn

    # --- The operations. ---

    def _create(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        self._authorize_creation(caller, request)
        device = self._device(caller, str(request["deviceArn"]))
        if not device.is_qpu:
            raise BraketError(
                "ValidationException", f"deviceArn: expected a quantum device, got {device.arn}"
            )
        if device.status is DeviceStatus.RETIRED:
            raise BraketError("DeviceRetiredException", f"{device.arn} is retired")
        tags = request.get("tags")
        time = now()
        start_at, end_at = _period(request) or (time, _FOREVER)
        limit = SpendingLimit(
            arn=f"arn:aws:braket:{caller.region}:{caller.account}:spending-limit/{uuid.uuid4()}",
            caller=caller,
            device=device,
            amount=str(request["spendingLimit"]),
            start_at=start_at,
            end_at=end_at,
            tags=dict(tags) if isinstance(tags, Mapping) else {},
            created_at=time,
            updated_at=time,
        )
        with self._lock:
            if known := self._tokens.arn_of(caller, request):
                return {"spendingLimitArn": known}
            if self._of_device(caller, device):
                raise BraketError(
                    "ValidationException", f"{device.arn} has a spending limit already"
                )
            self._limits[limit.arn] = limit
            self._tokens.remember(caller, request, limit.arn)
        return {"spendingLimitArn": limit.arn}

    def _authorize_creation(self, caller: Caller, request: Parameters) -> None:
        limits = f"arn:aws:braket:{caller.region}:{caller.account}:spending-limit/*"
        for resource in (str(request["deviceArn"]), limits):
            self._platform.authorize(caller, "braket:CreateSpendingLimit", resource, {})
        if request.get("tags"):
            self._platform.authorize(caller, "braket:TagResource", limits, {})

    def _search(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        self._platform.authorize(caller, "braket:SearchSpendingLimits", "*", {})
        texts: Mapping[str, Callable[[SpendingLimit], str | None]] = {
            "deviceArn": lambda limit: limit.device.arn
        }
        with self._lock:
            seen = [each for each in self._limits.values() if is_visible(each, caller)]
            found = [self._summary(each) for each in search.matching(request, seen, texts)]
        limits, token = search.page(
            request, "SearchSpendingLimitsRequest", found, "spendingLimitArn"
        )
        return {"spendingLimits": limits, "nextToken": token}

    def _update(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        limit = self.limit(caller, "braket:UpdateSpendingLimit", request["spendingLimitArn"])
        period = _period(request)
        with self._lock:
            if self._tokens.arn_of(caller, request):
                return {}
            amount = str(request.get("spendingLimit", limit.amount))
            spent = sum(self._spent(limit))
            if spent > Decimal(amount):
                raise BraketError(
                    "ValidationException",
                    f"spendingLimit: expected at least {_text(Decimal(spent))} USD, which are "
                    f"spent or queued, got {amount}",
                )
            limit.amount = amount
            limit.start_at, limit.end_at = period or (limit.start_at, limit.end_at)
            limit.updated_at = now()
            self._tokens.remember(caller, request, limit.arn)
        return {}

    def _delete(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        limit = self.limit(caller, "braket:DeleteSpendingLimit", request["spendingLimitArn"])
        with self._lock:
            self._limits.pop(limit.arn, None)
        return {}

    # --- What they share. ---

    def _of_device(self, caller: Caller, device: Device) -> SpendingLimit | None:
        for limit in self._limits.values():
            if limit.device.arn == device.arn and is_visible(limit, caller):
                return limit
        return None

    def _spent(self, limit: SpendingLimit) -> tuple[Decimal, Decimal]:
        """Return the cost of the tasks that are queued or run, and of those that completed."""
        queued, total = Decimal(0), Decimal(0)
        for task in self._tasks():
            if task.spending_limit != limit.arn:
                continue
            if task.status is TaskStatus.COMPLETED:
                total += task.cost
            elif not task.is_final:
                queued += task.cost
        return queued, total

    def _summary(self, limit: SpendingLimit) -> Mapping[str, object]:
        queued, total = self._spent(limit)
        return {
            "spendingLimitArn": limit.arn,
            "deviceArn": limit.device.arn,
            "timePeriod": {"startAt": limit.start_at, "endAt": limit.end_at},
            "spendingLimit": limit.amount,
            "queuedSpend": _text(queued),
            "totalSpend": _text(total),
            "createdAt": limit.created_at,
            "updatedAt": limit.updated_at,
            "tags": dict(limit.tags),
        }


def _text(amount: Decimal) -> str:
    return f"{amount:f}"


def _period(request: Parameters) -> tuple[datetime, datetime] | None:
    given = request.get("timePeriod")
    if not isinstance(given, Mapping):
        return None
    start_at, end_at = _time(given["startAt"]), _time(given["endAt"])
    if start_at >= end_at:
        raise BraketError(
            "ValidationException", "timePeriod.endAt: expected a time later than startAt"
        )
    return start_at, end_at


def _time(value: object) -> datetime:
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BraketError(
            "ValidationException", "timePeriod: expected times in epoch seconds"
        ) from error
