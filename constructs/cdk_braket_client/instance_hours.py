"""The instance hours of a job, so far and at most. No API of Amazon Braket reports prices."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cdk_braket._lambda.braket_jobs.api import model_rules

from .job_progress import elapsed

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

_HOUR: Final = 3600.0
_MAX_RUNTIME: Final = ("stoppingCondition", "maxRuntimeInSeconds")


def hours_used(job: "GetJobResponseTypeDef") -> float:
    """Return the instance hours of a job so far.

    The service reports the billable time once a job has ended. Until then, it is counted from the
    start of the instances.
    """
    count = job["instanceConfig"].get("instanceCount", 1)
    billable = job.get("billableDuration")
    if billable:
        return billable / 1000 / _HOUR * count
    started = job.get("startedAt")
    if started is None:
        return 0.0
    before_start = started - job["createdAt"]
    return max(elapsed(job) - before_start, timedelta(0)).total_seconds() / _HOUR * count


def hours_limit(max_runtime_seconds: float | None, instance_count: int) -> float:
    """Return the most instance hours that a job can use.

    Args:
        max_runtime_seconds: The limit of the job; None for the limit of the service.
        instance_count: The number of its instances.
    """
    seconds = max_runtime_seconds or _longest_runtime()
    return seconds / _HOUR * instance_count


def _longest_runtime() -> float:
    shape = model_rules.shape_of("CreateJobRequest", *_MAX_RUNTIME)
    return model_rules.bounds(shape).maximum or 0
