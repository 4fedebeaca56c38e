"""`cdk-braket cancel`: cancels jobs."""

import click
from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import CANCELLED, CANCELLING, FINAL
from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command, confirm
from cdk_braket_cli.output import status_text, table, text
from cdk_braket_client.description import Description, describe
from cdk_braket_client.job_reference import find_job, region_of

_CONFLICT = "ConflictException"


@command("cancel")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Cancel without a question; required without a terminal.")
def cancel(call: Call, jobs: tuple[str, ...], *, yes: bool) -> int:
    """Cancel jobs. A job that has ended stays as it is.

    All jobs are found before the first is cancelled. Each JOB is STACK/PATH, a job name, an id or
    an ARN.
    """
    with call.out.progress("reading the jobs"):
        found = [describe(find_job(call.clients, job)) for job in jobs]
    running = [job for job in found if job.status not in {*FINAL, CANCELLING}]
    if running and not yes:
        confirm(f"Cancel {', '.join(str(text(job.name)) for job in running)}?")
    outcome = {job.arn: job.status for job in found}
    for job in running:
        outcome[job.arn] = _cancel(call, job)
    rendered = table("STATUS", "NAME", "ID")
    for job in found:
        rendered.add_row(status_text(outcome[job.arn]), text(job.name), job.id)
    call.out.show([{"arn": arn, "status": status} for arn, status in outcome.items()], rendered)
    is_cancelled = all(status in {CANCELLED, CANCELLING} for status in outcome.values())
    return exit_codes.OK if is_cancelled else exit_codes.ERROR


def _cancel(call: Call, job: Description) -> str:
    """Cancel a job; return its status. It may have ended in the meantime."""
    braket = call.clients.in_region(region_of(job.arn)).braket
    try:
        return braket.cancel_job(jobArn=job.arn)["cancellationStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] != _CONFLICT:
            raise
        return braket.get_job(jobArn=job.arn)["status"]
