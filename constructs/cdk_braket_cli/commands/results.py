"""`cdk-braket results`: the values and files that a job saved."""

import json
import tempfile
from pathlib import Path

import click

from cdk_braket_cli import exit_codes
from cdk_braket_cli.command import Call, command, job_argument
from cdk_braket_cli.errors import CommandError
from cdk_braket_cli.output import text
from cdk_braket_client import results as job_results
from cdk_braket_client.clients import Clients
from cdk_braket_client.description import Description, describe
from cdk_braket_client.job_reference import find_job, region_of


@command("results")
@job_argument
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also unpack all files of the results into this folder.",
)
def results(call: Call, job: str, output: Path | None) -> int:
    """Show the values that a completed job saved with save_job_result.

    JOB is STACK/PATH, a job name, an id or an ARN.
    """
    with call.out.progress("reading the job"):
        found = describe(find_job(call.clients, job))
    _refuse_unfinished(found)
    clients = call.clients.in_region(region_of(found.arn))
    with tempfile.TemporaryDirectory(prefix="cdk-braket-") as scratch:
        archive = Path(scratch) / "model.tar.gz"
        _download(call, clients, found, archive)
        if output is not None:
            for file in job_results.unpack(archive, output):
                call.out.note(f"wrote {file}")
        values = job_results.read(archive)
    call.out.show(values, text_of(values))
    return exit_codes.OK


def _refuse_unfinished(job: Description) -> None:
    match job.status:
        case "COMPLETED":
            return
        case "FAILED" | "CANCELLED":
            fix = f"`cdk-braket status {job.id}` shows the cause."
        case _:
            fix = f"`cdk-braket wait {job.id}` waits for its end."
    raise CommandError(f"{job.name} is {job.status}, so it has no results. {fix}")


def _download(call: Call, clients: Clients, job: Description, archive: Path) -> None:
    total = job_results.size(clients.s3, job.results_s3_uri)
    with call.out.transfer(f"downloading {job.name}", total) as on_bytes:
        job_results.download(clients.s3, job.results_s3_uri, archive, on_bytes)


def text_of(values: dict[str, object]) -> str:
    """Return values as indented JSON for people, without control characters."""
    lines = json.dumps(values, indent=2, ensure_ascii=False, default=str).splitlines()
    return "\n".join(str(text(line)) for line in lines)
