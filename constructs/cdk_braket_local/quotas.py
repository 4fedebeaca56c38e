"""The quotas of an account for hybrid jobs, which a local AWS can keep.

Source of all numbers: https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

NEW_ACCOUNT: Final = "new-account"
"""The value of the setting that stands for the default quotas."""

_BY_COUNT: Final[Mapping[int, Mapping[str, str]]] = {
    5: {
        "c4": "xlarge 2xlarge 4xlarge 8xlarge",
        "c5": "xlarge 2xlarge",
        "g6": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
        "g6e": "xlarge 2xlarge 4xlarge 8xlarge",
        "m4": "xlarge 2xlarge",
        "m5": "large xlarge 2xlarge 4xlarge",
        "t3": "large xlarge 2xlarge",
    },
    2: {"m4": "4xlarge"},
    1: {
        "c5": "4xlarge 9xlarge",
        "g6": "24xlarge 48xlarge",
        "g6e": "12xlarge 16xlarge 24xlarge 48xlarge",
    },
}
_INSTANCES: Final[Mapping[str, int]] = {
    f"ml.{family}.{size}": count
    for count, families in _BY_COUNT.items()
    for family, sizes in families.items()
    for size in sizes.split()
}


class QuotaError(ValueError):
    """A string describes no quotas; the message is the rule."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of an account in one region. The defaults are those of a new account.

    Attributes:
        jobs: The number of hybrid jobs that are queued or run.
        rate: The calls of CreateJob per second.
        burst: The additional calls of CreateJob in one burst.
        instances: The number of instances by type. A type that is not listed has none.
    """

    jobs: int = 3
    rate: int = 1
    burst: int = 5
    instances: Mapping[str, int] = field(default_factory=lambda: _INSTANCES)

    @classmethod
    def read(cls, text: str) -> "Quotas | None":
        """Read quotas from a setting; None if it is empty or `0`.

        Args:
            text: `new-account`, or changes of its quotas: `jobs`, `rate`, `burst` or instance types
                with numbers, such as `jobs=10,ml.m5.large=8`.

        Raises:
            QuotaError: The text has another form.
        """
        if text in {"", "0"}:
            return None
        quotas = cls()
        for part in [] if text == NEW_ACCOUNT else text.split(","):
            name, _, number = (piece.strip() for piece in part.partition("="))
            if not (number.isascii() and number.isdigit()):
                raise QuotaError(f"expected {NEW_ACCOUNT}, or names with numbers, got {part!r}")
            quotas = quotas.changed(name, int(number))
        return quotas

    def changed(self, name: str, number: int) -> "Quotas":
        """Return the quotas with another number for one name.

        Raises:
            QuotaError: There is no such quota.
        """
        if name.startswith("ml."):
            return replace(self, instances={**self.instances, name: number})
        if name == "jobs":
            return replace(self, jobs=number)
        if name == "rate" and number:
            return replace(self, rate=number)
        if name == "burst":
            return replace(self, burst=number)
        raise QuotaError(
            f"expected jobs, rate (1 or more), burst or an instance type, got {name}={number}"
        )
