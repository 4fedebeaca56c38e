"""`cdk-braket status`: everything about one job."""

from typing import TYPE_CHECKING

from rich.text import Text

from cdk_braket_cli.command import Call, command, job_argument
from cdk_braket_cli.output import pairs, status_text, text, time_text
from cdk_braket_client.description import Description, describe
from cdk_braket_client.job_failure import describe as describe_failure
from cdk_braket_client.job_progress import clock
from cdk_braket_client.job_reference import find_job, region_of

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef


@command("status")
@job_argument
def status(call: Call, job: str) -> None:
    """Show one job: status, times, device, instances, results; of a failed job, the cause.

    JOB is STACK/PATH, a job name, an id or an ARN.
    """
    with call.out.progress("reading the job"):
        found = find_job(call.clients, job)
        cause = _cause(call, found)
    description = describe(found)
    call.out.show({**description.as_json(), "cause": cause}, pairs(_rows(description, cause)))


def _cause(call: Call, job: "GetJobResponseTypeDef") -> list[str]:
    if job["status"] != "FAILED":
        return []
    logs = call.clients.in_region(region_of(job["jobArn"])).logs
    return describe_failure(job, logs)


def _rows(job: Description, cause: list[str]) -> dict[str, str | Text | None]:
    return {
        "Name": job.name,
        "Status": status_text(job.status),
        "Reason": job.failure_reason,
        "Cause": Text("\n").join(map(text, cause)),
        "ARN": job.arn,
        "Device": job.device,
        "Instances": job.instances,
        "Queue": job.queue_position,
        "Created": time_text(job.created),
        "Started": time_text(job.started),
        "Ended": time_text(job.ended),
        "Elapsed": clock(job.elapsed),
        "Instance hours": f"{job.hours_used:.4f} of at most {job.hours_limit:.2f}",
        "Results": job.results_s3_uri,
        "Checkpoints": job.checkpoint_s3_uri,
    }
