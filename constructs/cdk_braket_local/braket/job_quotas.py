"""Refuses hybrid jobs beyond the quotas of their account and region."""

import time
from collections.abc import Callable, Iterable, Mapping

from cdk_braket_local.braket.job import Job
from cdk_braket_local.braket.platform import Caller
from cdk_braket_local.braket.protocol import BraketError
from cdk_braket_local.braket.resources import is_visible
from cdk_braket_local.quotas import Quotas
from cdk_braket_local.settings import QUOTAS

_ADVICE = f"Set {QUOTAS} and start the local AWS again to change it"


class JobQuotas:
    """Keeps the quotas of each account and region. The caller holds the service's lock.

    Args:
        quotas: The quotas; None to keep none.
        clock: The time in seconds.
    """

    def __init__(self, quotas: Quotas | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        # The calls that are left by account and region, and when they were counted.
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def count_call(self, caller: Caller) -> None:
        """Count a call of CreateJob.

        Raises:
            BraketError: The rate and the burst are used up.
        """
        if self._quotas is None:
            return
        rate, most = self._quotas.rate, self._quotas.rate + self._quotas.burst
        now = self._clock()
        left, counted = self._left.get((caller.account, caller.region), (float(most), now))
        left = min(float(most), left + (now - counted) * rate)
        is_allowed = left >= 1
        self._left[caller.account, caller.region] = (left - 1 if is_allowed else left, now)
        if not is_allowed:
            raise BraketError(
                "ThrottlingException",
                f"Rate exceeded: the quota is {rate} CreateJob requests per second and "
                f"{self._quotas.burst} more in a burst. {_ADVICE}",
            )

    def check(self, caller: Caller, request: Mapping[str, object], jobs: Iterable[Job]) -> None:
        """Check that an account may have another job.

        Args:
            caller: The sender of the request.
            request: The CreateJob request.
            jobs: All jobs.

        Raises:
            BraketError: A quota is used up.
        """
        if self._quotas is None:
            return
        active = [job for job in jobs if is_visible(job, caller) and not job.has_ended]
        if len(active) >= self._quotas.jobs:
            raise BraketError(
                "ServiceQuotaExceededException",
                f"The quota of {self._quotas.jobs} concurrent hybrid jobs in {caller.region} is "
                f"used up. {_ADVICE}",
            )
        kind, count = _instances(request)
        used = sum(number for each, number in map(_instances_of, active) if each == kind)
        allowed = self._quotas.instances.get(kind, 0)
        if used + count > allowed:
            raise BraketError(
                "ServiceQuotaExceededException",
                f"The quota of {allowed} instances of type {kind} for hybrid jobs in "
                f"{caller.region} does not allow {used + count}. {_ADVICE}",
            )


def _instances_of(job: Job) -> tuple[str, int]:
    return _instances(job.request)


def _instances(request: Mapping[str, object]) -> tuple[str, int]:
    """Return the type of a job's instances, and their number."""
    config = request.get("instanceConfig")
    if not isinstance(config, Mapping):
        return "", 0
    count = config.get("instanceCount")
    return str(config.get("instanceType")), count if isinstance(count, int) else 1
