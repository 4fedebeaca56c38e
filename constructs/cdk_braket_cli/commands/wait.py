"""`cdk-braket wait`: waits for the end of jobs."""

import sys
import time

import click

from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command, interval_option
from cdk_braket_client import job_progress
from cdk_braket_client.description import describe
from cdk_braket_client.job_reference import find_job, region_of


@command("wait")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop waiting after this time, with exit code 5. Default: no limit.",
)
@interval_option(5.0, "Seconds between two requests.")
def wait(call: Call, jobs: tuple[str, ...], timeout: float | None, interval: float) -> int:
    """Wait until jobs have ended, and show how far they are.

    The exit code is that of the first job that did not complete: 3 if it FAILED, 4 if it is
    CANCELLED. Each JOB is STACK/PATH, a job name, an id or an ARN.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with call.out.progress("reading the jobs"):
        arns = [find_job(call.clients, job)["jobArn"] for job in jobs]
    ended = []
    try:
        for arn in arns:
            clients = call.clients.in_region(region_of(arn))
            end = job_progress.follow(
                arn,
                braket_client=clients.braket,
                logs_client=clients.logs,
                stream=sys.stderr,
                poll_seconds=interval,
                deadline=deadline,
            )
            call.out.note(job_progress.ending(end))
            ended.append(describe(clients.braket.get_job(jobArn=arn)))
    except job_progress.FollowTimeoutError:
        call.out.note(f"not all jobs have ended after {timeout:g} s")
        return exit_codes.TIMEOUT
    lines = "\n".join(f"{job.status}  {job.name}" for job in ended)
    call.out.show([job.as_json() for job in ended], lines)
    codes = (exit_codes.of_status(job.status) for job in ended)
    return next((code for code in codes if code != exit_codes.OK), exit_codes.OK)
