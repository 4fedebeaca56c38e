"""A job's description, as the API returns it, in the terms of people."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cdk_braket._lambda.braket_jobs.contract import RESULTS_FILE

from .instance_hours import hours_limit, hours_used
from .job_progress import elapsed
from .job_reference import job_id

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef


@dataclass(frozen=True, slots=True)
class Description:
    """One job.

    Attributes:
        arn: Its ARN.
        id: Its id, the end of the ARN.
        name: Its name, which can be that of other jobs as well.
        status: Its status, such as `RUNNING`.
        failure_reason: The reason of the service; empty unless it failed.
        device: The device that it has priority on.
        instances: Number and type of its instances.
        queue_position: Its position in the queue; empty if it does not wait.
        created: The time of its creation.
        started: The time at which its instances started; None before.
        ended: The time of its end; None before.
        elapsed: The time from its creation to its end, or until now.
        hours_used: The instance hours so far: billable time, times the number of instances.
        hours_limit: The most instance hours it can use.
        results_s3_uri: The S3 URI of its results. They exist once it has completed.
        checkpoint_s3_uri: The S3 URI of its checkpoints; empty without.
        tags: Its tags.
    """

    arn: str
    id: str
    name: str
    status: str
    failure_reason: str
    device: str
    instances: str
    queue_position: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    elapsed: timedelta
    hours_used: float
    hours_limit: float
    results_s3_uri: str
    checkpoint_s3_uri: str
    tags: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """Return the attributes as JSON values, times and durations."""
        return dataclasses.asdict(self)


def describe(job: "GetJobResponseTypeDef") -> Description:
    """Return the description of a job from the answer of GetJob."""
    instance = job["instanceConfig"]
    count = instance.get("instanceCount", 1)
    return Description(
        arn=job["jobArn"],
        id=job_id(job["jobArn"]),
        name=job["jobName"],
        status=job["status"],
        failure_reason=job.get("failureReason", ""),
        device=job.get("deviceConfig", {}).get("device", ""),
        instances=f"{count} x {instance['instanceType']}",
        queue_position=job.get("queueInfo", {}).get("position", ""),
        created=job["createdAt"],
        started=job.get("startedAt"),
        ended=job.get("endedAt"),
        elapsed=elapsed(job),
        hours_used=hours_used(job),
        hours_limit=hours_limit(job.get("stoppingCondition", {}).get("maxRuntimeInSeconds"), count),
        results_s3_uri=f"{job['outputDataConfig']['s3Path'].rstrip('/')}/{RESULTS_FILE}",
        checkpoint_s3_uri=job.get("checkpointConfig", {}).get("s3Uri", ""),
        tags=dict(job.get("tags", {})),
    )
