"""`cdk-braket logs`: the log of a job, up to now or to its end."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.text import Text

from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command, interval_option, job_argument
from cdk_braket_client import job_progress
from cdk_braket_client.job_log import JobLog, LogLine
from cdk_braket_client.job_reference import find_job, region_of

if TYPE_CHECKING:
    from cdk_braket_client.clients import Clients

# A line may reach the service after the end of its job.
_LAST_LINES_SECONDS = 3.0


@command("logs")
@job_argument
@click.option("--follow", is_flag=True, help="Show new lines until the job has ended.")
@click.option("--timestamps", is_flag=True, help="Show the time of each line, in UTC.")
@interval_option(2.0, "Seconds between two requests of --follow.")
def logs(call: Call, job: str, *, follow: bool, timestamps: bool, interval: float) -> int:
    """Show the log of a job.

    With --follow, the exit code is that of `cdk-braket wait`. JOB is STACK/PATH, a job name, an id
    or an ARN.
    """
    with call.out.progress("reading the log"):
        found = find_job(call.clients, job)
        clients = call.clients.in_region(region_of(found["jobArn"]))
        log = JobLog(clients.logs, found["jobName"], found["jobArn"])
        lines = list(log.new_lines())
    _show(call, lines, timestamps=timestamps)
    if follow:
        return _follow(call, clients, log, timestamps=timestamps, interval=interval)
    if not lines:
        call.out.note(f"{found['jobName']} is {found['status']} and has not logged anything")
    return exit_codes.OK


def _follow(
    call: Call, clients: "Clients", log: JobLog, *, timestamps: bool, interval: float
) -> int:
    while True:
        # The state first: lines that come before the end are then read below.
        job = clients.braket.get_job(jobArn=log.job_arn)
        has_ended = job["status"] in FINAL
        if has_ended and _ended_just_now(job.get("endedAt")):
            time.sleep(_LAST_LINES_SECONDS)
        _show(call, list(log.new_lines()), timestamps=timestamps)
        if has_ended:
            call.out.note(job_progress.ending(job_progress.end_of(job)))
            return exit_codes.of_status(job["status"])
        time.sleep(interval)


def _ended_just_now(ended: datetime | None) -> bool:
    return ended is not None and (datetime.now(UTC) - ended).total_seconds() < _LAST_LINES_SECONDS


def _show(call: Call, lines: list[LogLine], *, timestamps: bool) -> None:
    for line in lines:
        value = {"time": line.time, "stream": line.stream, "message": line.message}
        prefix = f"{line.time:%Y-%m-%d %H:%M:%S}  " if timestamps else ""
        call.out.line(value, Text(f"{prefix}{line.message}"))
