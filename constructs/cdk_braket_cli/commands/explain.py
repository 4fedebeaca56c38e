"""`cdk-braket explain`: the effect of a deployment on the jobs of a stack."""

import dataclasses
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from botocore.exceptions import ClientError
from rich.text import Text

from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket_cli.command import Call, command
from cdk_braket_cli.errors import CommandError
from cdk_braket_cli.node_programs import find_program
from cdk_braket_cli.output import text
from cdk_braket_client.assembly import AssembledStack, stack_in
from cdk_braket_client.clients import Clients
from cdk_braket_client.comparison import Action, Change, Effect, compare
from cdk_braket_client.job_reference import region_of
from cdk_braket_client.stack_jobs import Key, StackJob, is_missing_stack, jobs_of_stack

_LONGEST_VALUE = 60
_REUSED = "A definition that COMPLETED in this stack before is not run again: its job is used."


@command("explain")
@click.argument("stack", metavar="STACK")
@click.option(
    "--assembly",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A cloud assembly such as cdk.out. Default: run `cdk synth`.",
)
@click.option(
    "-c",
    "--context",
    multiple=True,
    metavar="KEY=VALUE",
    help="Context for `cdk synth`. Can be given several times.",
)
def explain(call: Call, stack: str, assembly: Path | None, context: tuple[str, ...]) -> None:
    """Show the jobs that a deployment of STACK would start, cancel or keep. Nothing is changed.

    The template of the app is compared with the deployed one. Jobs that state machines and
    schedules start later are not listed.
    """
    with _synthesized(call, assembly, context) as folder:
        wanted = stack_in(folder, stack)
        synthesized = wanted.jobs()
    clients = call.clients.in_region(wanted.region) if wanted.region else call.clients
    with call.out.progress("comparing with the deployed stack"):
        deployed = {job.key: job for job in _deployed(clients, wanted)}
        states = {key: _state(clients, job) for key, job in deployed.items()}
    effects = compare({key: job.resource for key, job in deployed.items()}, synthesized)
    lines = [text(sentence(effect, states.get(effect.key))) for effect in effects]
    values = [_value(effect, deployed, states) for effect in effects]
    rendered = Text("\n").join(lines) if lines else text(f"{wanted.name} has no jobs")
    call.out.show(values, rendered)
    if any(effect.action in {Action.START, Action.REPLACE} for effect in effects) and deployed:
        call.out.note(_REUSED)


@contextmanager
def _synthesized(call: Call, assembly: Path | None, context: Sequence[str]) -> Iterator[Path]:
    if assembly is not None:
        yield assembly
        return
    cdk = find_program("cdk", Path.cwd())
    if cdk is None:
        raise CommandError(
            "no CDK CLI was found in node_modules/.bin or on PATH. Install it with "
            "`npm install --save-dev aws-cdk@2`, or pass --assembly."
        )
    with tempfile.TemporaryDirectory(prefix="cdk-braket-") as folder:
        pairs = [f"--context={pair}" for pair in context]
        profile = [f"--profile={call.profile}"] if call.profile else []
        arguments = [cdk, "synth", "--quiet", "--no-notices", f"--output={folder}"]
        region = {"AWS_REGION": call.region} if call.region else {}
        with call.out.progress("synthesizing the app (cdk synth)"):
            done = subprocess.run(  # noqa: S603 - the CDK CLI of the project
                [*arguments, *profile, *pairs],
                env=os.environ | region,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise CommandError(f"`cdk synth` failed:\n{(done.stderr or done.stdout).strip()}")
        yield Path(folder)


def _deployed(clients: Clients, stack: AssembledStack) -> list[StackJob]:
    try:
        return jobs_of_stack(clients.cloudformation, stack.name)
    except ClientError as error:
        if not is_missing_stack(error):
            raise
        return []


def _state(clients: Clients, job: StackJob) -> str | None:
    """Return the status of a deployed job; None if there is no job, or it is forgotten."""
    if job.job_arn is None:
        return None
    try:
        return clients.in_region(region_of(job.job_arn)).braket.get_job(jobArn=job.job_arn)[
            "status"
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None


def sentence(effect: Effect, status: str | None) -> str:
    """Return one sentence about the effect of a deployment on a job.

    Args:
        effect: The effect.
        status: The status of the deployed job; None if there is none.
    """
    limit = effect.hours_limit
    hours = "" if limit is None else f", at most {limit:.2f} instance hours"
    old = _fate(effect, status)
    match effect.action:
        case Action.START:
            return f"{effect.path}: a new job starts{hours}"
        case Action.REPLACE:
            changes = ", ".join(_shown(change) for change in effect.changes)
            return f"{effect.path}: {changes}: a new job starts, {old}{hours}"
        case Action.KEEP if status in {"FAILED", "CANCELLED"}:
            return (
                f"{effect.path}: unchanged: no job starts, the {status} one stays. To run it "
                "again, change rerun_trigger."
            )
        case Action.KEEP:
            return f"{effect.path}: unchanged: its job is kept ({status or 'unknown'})"
        case _:
            return f"{effect.path}: no longer in the stack: {old}"


def _fate(effect: Effect, status: str | None) -> str:
    """Return the fate of the deployed job once the stack no longer holds it."""
    if status is None:
        return "there is no job to cancel"
    if status in FINAL:
        return f"the old one has ended ({status})"
    return (
        "the running one runs on (RETAIN_JOB)"
        if effect.is_retained
        else "the running one is cancelled"
    )


def _shown(change: Change) -> str:
    if change.before is None:
        return f"{change.path} is new: {_short(change.after)}"
    if change.after is None:
        return f"{change.path} is removed"
    return f"{change.path} {_short(change.before)} → {_short(change.after)}"


def _short(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 1]}…"


def _value(
    effect: Effect, deployed: Mapping[Key, StackJob], states: Mapping[Key, str | None]
) -> dict[str, object]:
    job = deployed.get(effect.key)
    return {
        "path": effect.path,
        "logical_id": effect.key[-1],
        "action": effect.action,
        "changes": [dataclasses.asdict(change) for change in effect.changes],
        "hours_limit": effect.hours_limit,
        "retains_running_job": effect.is_retained,
        "job_arn": job.job_arn if job else None,
        "status": states.get(effect.key),
    }
