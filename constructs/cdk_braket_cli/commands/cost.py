"""`cdk-braket cost`: the instance hours of jobs."""

from datetime import datetime

import click

from cdk_braket_cli.command import Call, command
from cdk_braket_cli.output import status_text, table, text
from cdk_braket_cli.parameters import TIME
from cdk_braket_client.description import Description, describe
from cdk_braket_client.job_reference import find_job, region_of, search
from cdk_braket_client.stack_jobs import jobs_of_stack

_NOTE = (
    "Quantum tasks are billed besides, by device and shots. Prices: "
    "https://aws.amazon.com/braket/pricing/"
)


@command("cost")
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--stack", metavar="STACK", help="The jobs that this CloudFormation stack holds.")
@click.option(
    "--since",
    type=TIME,
    metavar="TIME",
    help="All jobs created since then: a period such as 12h or 7d, or a time such as 2026-01-31.",
)
def cost(call: Call, jobs: tuple[str, ...], stack: str | None, since: datetime | None) -> None:
    """Show the instance hours of jobs: so far, and at most.

    Each JOB is STACK/PATH, a job name, an id or an ARN. No API of Amazon Braket reports prices, so
    that hours are shown and not money.
    """
    if sum((bool(jobs), stack is not None, since is not None)) != 1:
        raise click.UsageError("expected jobs, --stack or --since, and only one of them.")
    with call.out.progress("reading the jobs"):
        found = [describe(find_job(call.clients, arn)) for arn in _chosen(call, jobs, stack, since)]
    used, limit = sum(job.hours_used for job in found), sum(map(_limit_left, found))
    rendered = table("STATUS", "NAME", "INSTANCES", "HOURS", "AT MOST", "DEVICE")
    for job in found:
        rendered.add_row(
            status_text(job.status),
            text(job.name),
            job.instances,
            f"{job.hours_used:.4f}",
            f"{_limit_left(job):.4f}",
            text(job.device),
        )
    rendered.add_section()
    rendered.add_row("", "all", "", f"{used:.4f}", f"{limit:.4f}", "")
    value = {"jobs": [_value(job) for job in found], "hours_used": used, "hours_limit": limit}
    call.out.show(value, rendered)
    call.out.note(_NOTE)


def _chosen(
    call: Call, jobs: tuple[str, ...], stack: str | None, since: datetime | None
) -> list[str]:
    if stack is not None:
        held = jobs_of_stack(call.clients.cloudformation, stack)
        return [job.job_arn for job in held if job.job_arn]
    if since is not None:
        return [job["jobArn"] for job in search(call.clients) if job["createdAt"] >= since]
    return list(jobs)


def _limit_left(job: Description) -> float:
    """Return the most hours of a job: a job that has ended uses no more."""
    return job.hours_used if job.ended else max(job.hours_limit, job.hours_used)


def _value(job: Description) -> dict[str, object]:
    return {
        "arn": job.arn,
        "name": job.name,
        "status": job.status,
        "instances": job.instances,
        "device": job.device,
        "hours_used": job.hours_used,
        "hours_limit": _limit_left(job),
        "region": region_of(job.arn),
    }
