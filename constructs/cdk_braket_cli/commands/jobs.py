"""`cdk-braket jobs`: a table of jobs."""

import fnmatch
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.live import Live

from cdk_braket._lambda.braket_jobs.api.model_rules import enum_values
from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket_cli.command import Call, command, interval_option
from cdk_braket_cli.output import status_text, table, text, time_text
from cdk_braket_cli.parameters import TIME
from cdk_braket_client.job_progress import clock
from cdk_braket_client.job_reference import job_id, search
from cdk_braket_client.stack_jobs import jobs_of_stack

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import JobSummaryTypeDef


@dataclass(frozen=True, slots=True)
class _Filter:
    statuses: Sequence[str]
    name: str | None
    device: str | None
    since: datetime | None
    arns: frozenset[str] | None

    def accepts(self, job: "JobSummaryTypeDef") -> bool:
        """Return whether a job is listed."""
        return all(
            (
                not self.statuses or job["status"] in self.statuses,
                self.name is None or fnmatch.fnmatchcase(job["jobName"], self.name),
                self.device is None or self.device in job["device"],
                self.since is None or job["createdAt"] >= self.since,
                self.arns is None or job["jobArn"] in self.arns,
            )
        )


@command("jobs")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(enum_values("JobPrimaryStatus"), case_sensitive=False),
    help="Only jobs in this state. Can be given several times.",
)
@click.option("--name", metavar="PATTERN", help="Only jobs whose name matches, such as 'vqe-*'.")
@click.option("--device", metavar="TEXT", help="Only jobs whose device contains TEXT.")
@click.option("--stack", metavar="STACK", help="Only jobs that this CloudFormation stack holds.")
@click.option(
    "--since",
    type=TIME,
    metavar="TIME",
    help="Only jobs created since then: a period such as 12h or 7d, or a time such as 2026-01-31.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The number of jobs, the newest first.",
)
@click.option("--watch", is_flag=True, help="Update the table until no listed job is running.")
@interval_option(5.0, "Seconds between two updates of --watch.")
def jobs(
    call: Call,
    *,
    statuses: Sequence[str],
    name: str | None,
    device: str | None,
    stack: str | None,
    since: datetime | None,
    limit: int,
    watch: bool,
    interval: float,
) -> None:
    """List the jobs of a region, the newest first."""
    with call.out.progress("reading the jobs"):
        arns = None if stack is None else _arns_of(call, stack)
        wanted = _Filter(statuses, name, device, since, arns)
        every = _newest(call, wanted)
    found = every[:limit]
    if len(every) > limit:
        call.out.note(f"the newest {limit} of {len(every)} jobs; --limit shows more")
    if watch:
        _watch(call, found, lambda: _newest(call, wanted)[:limit], interval)
    else:
        call.out.show([_value(job) for job in found], _rendered(found))


def _arns_of(call: Call, stack: str) -> frozenset[str]:
    held = jobs_of_stack(call.clients.cloudformation, stack)
    return frozenset(job.job_arn for job in held if job.job_arn)


def _newest(call: Call, wanted: _Filter) -> list["JobSummaryTypeDef"]:
    # The order of SearchJobs is not documented, so that all pages are read.
    found = [job for job in search(call.clients) if wanted.accepts(job)]
    return sorted(found, key=lambda job: job["createdAt"], reverse=True)


def _watch(
    call: Call,
    found: list["JobSummaryTypeDef"],
    read: Callable[[], list["JobSummaryTypeDef"]],
    interval: float,
) -> None:
    """Show the jobs at each change, on a terminal in place, until all have finished."""
    out = call.out
    is_live = out.console.is_terminal and not out.as_json
    with ExitStack() as stack:
        place = Live(console=out.console, auto_refresh=False)
        live = stack.enter_context(place) if is_live else None
        shown: list[object] | None = None
        while True:
            values: list[object] = [_value(job) for job in found]
            if live:
                live.update(_rendered(found), refresh=True)
            elif values != shown:
                _show_change(call, values, found)
            shown = values
            if all(job["status"] in FINAL for job in found):
                return
            time.sleep(interval)
            found = read()


def _show_change(call: Call, values: list[object], found: Sequence["JobSummaryTypeDef"]) -> None:
    if call.out.as_json:
        call.out.line(values, "")
    else:
        call.out.show(values, _rendered(found))


def _value(job: "JobSummaryTypeDef") -> dict[str, object]:
    return {
        "id": job_id(job["jobArn"]),
        "arn": job["jobArn"],
        "name": job["jobName"],
        "status": job["status"],
        "device": job["device"],
        "created": job["createdAt"],
        "started": job.get("startedAt"),
        "ended": job.get("endedAt"),
        "tags": job.get("tags", {}),
    }


def _rendered(found: Sequence["JobSummaryTypeDef"]) -> RenderableType:
    if not found:
        return "no jobs"
    made = table("STATUS", "NAME", "DEVICE", "CREATED", "TIME", "ID")
    for job in found:
        made.add_row(
            status_text(job["status"]),
            text(job["jobName"]),
            text(job["device"].rpartition("device/")[2]),
            time_text(job["createdAt"]),
            _duration(job),
            job_id(job["jobArn"]),
        )
    return made


def _duration(job: "JobSummaryTypeDef") -> str:
    started = job.get("startedAt")
    if started is None:
        return ""
    return clock((job.get("endedAt") or datetime.now(UTC)) - started)
