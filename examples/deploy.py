"""Deploys an example of app.py into a local AWS, follows its jobs, and reports their results.

`./dev deploy` runs it inside `cdk-braket-local run`, which starts and stops the local AWS.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import boto3
from rich.console import Console
from rich.markup import escape

from cdk_braket_client import job_progress
from cdk_braket_local import bootstrap, following
from cdk_braket_local.control.foreground_command import run_step
from examples import results_reader, scheduled_runs
from examples.h2_curve import report as curve_report
from examples.h2_vqe import report

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
HAMILTONIAN = ROOT / "examples/h2_vqe/data/h2_hamiltonian.json"

_EXECUTION_ARN = re.compile(r"arn:[\w-]+:states:[\w-]+:\d+:execution:\S+")
_JOB_ARN = re.compile(r"arn:[\w-]+:braket:[\w-]+:\d+:job/\S+")
# `soft_wrap`: a line that somebody wants to copy or search stays one line.
_STEPS = Console(stderr=True, highlight=False, soft_wrap=True)
_REPORT = Console(highlight=False, soft_wrap=True, markup=False)


class DeployError(Exception):
    """The deployment failed; the message is one line."""


_EXPECTED = (
    DeployError,
    bootstrap.BootstrapError,
    scheduled_runs.NothingRanError,
    results_reader.NotReadError,
)


def main(arguments: Sequence[str]) -> int:
    """Deploy, follow the jobs, report.

    Args:
        arguments: Context for the app, as `-c KEY=VALUE`, and options for `cdk deploy`.

    Returns:
        0 only if every job COMPLETED, else 1.
    """
    try:
        context, others = _read(arguments)
        with tempfile.TemporaryDirectory(prefix="deploy-") as scratch:
            return _deploy(Path(scratch), context, others)
    except (
        DeployError,
        bootstrap.BootstrapError,
        scheduled_runs.NothingRanError,
        results_reader.NotReadError,
    ) as error:
        _report_step(str(error))
        return 1


def _read(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the context for the app, and the other options, which must be `cdk deploy`'s.

    The CDK CLI itself ignores an option that it does not know.
    """
    parser = argparse.ArgumentParser(prog="./dev deploy", add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--context", metavar="KEY=VALUE", action="append", default=[])
    found, others = parser.parse_known_args(arguments)
    options = [word.partition("=")[0] for word in others if word.startswith("-")]
    command = ("cdk", "deploy", "--help")
    known = subprocess.check_output(command, cwd=ROOT, text=True) if options else ""
    for option in options:
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known):
            raise DeployError(f"`cdk deploy` has no option {option}; see `npx cdk deploy --help`")
    return [f"--context={pair}" for pair in found.context], others


def _deploy(scratch: Path, context: Sequence[str], others: Sequence[str]) -> int:
    assembly, file = scratch / "cdk.out", scratch / "outputs.json"
    # Before steps that take longer: a mistake in the context ends it here.
    _step("synthesizing", "synth", "--quiet", "--no-notices", f"--output={assembly}", *context)
    _bootstrap(scratch, [*context, *others])
    options = ("--all", "--require-approval=never", "--no-notices", f"--outputs-file={file}")
    _step("deploying", "deploy", *options, f"--app={assembly}", *others)
    outputs: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    values = [value for stack in outputs.values() for value in stack.values()]
    arns = list(dict.fromkeys(value for value in values if _JOB_ARN.fullmatch(value)))
    region = following.Region(boto3.client("braket"), boto3.client("logs"))
    executions = [value for value in values if _EXECUTION_ARN.fullmatch(value)]
    if executions:
        return 0 if all(map(_followed_sweep, executions)) else 1
    if not arns:
        _report_step("starting now the state machines that a schedule would start later")
        arns = scheduled_runs.start(region)
    jobs = {arn: _follow(arn, region) for arn in arns}
    for arn, end in jobs.items():
        _show(arn, end, region)
    if name := outputs.get(results_reader.STACK, {}).get(results_reader.OUTPUT):
        _REPORT.print(f"\n{name} = {results_reader.value(name)}")
    return 0 if all(job.status == "COMPLETED" for job in jobs.values()) else 1


def _followed_sweep(execution: str) -> bool:
    """Follow a sweep, and show its table and its plot; return whether all points completed."""
    _report_step(f"following the sweep {execution}")
    shown = curve_report.follow(execution, RESULTS / "h2_curve", _report_step)
    _REPORT.print(shown.render())
    return shown.is_complete


def _step(title: str, verb: str, *arguments: str) -> None:
    _report_step(f"{title} (cdk {verb})")
    code = run_step(["cdk", verb, *arguments], os.environ, directory=ROOT)
    if code != 0:
        raise DeployError(f"`cdk {verb}` failed with exit code {code}")


def _bootstrap(scratch: Path, arguments: Sequence[str]) -> None:
    command = bootstrap.command(
        "cdk", environment=os.environ, directory=ROOT, users_command=arguments
    )
    _report_step("bootstrapping (cdk bootstrap)")
    log = ROOT / ".cache" / "bootstrap.log"
    with log.open("wb") as output:
        code = bootstrap.run(
            command,
            environment=os.environ,
            scratch=scratch,
            output=output,
            report=_report_step,
        )
    if code != 0:
        raise DeployError(f"`cdk bootstrap` failed; its output is in {log.relative_to(ROOT)}")


def _follow(arn: str, region: following.Region) -> job_progress.JobEnd:
    _report_step(f"following the job {arn}")
    return region.follow(arn, sys.stdout)


def _show(arn: str, end: job_progress.JobEnd, region: following.Region) -> None:
    """Show how a job ended. The CDK CLI has shown the outputs of the stacks."""
    _REPORT.print(f"\nJob {arn}\n  {job_progress.ending(end)}")
    if end.status == "FAILED":
        _REPORT.print(*region.cause(arn), sep="\n  ")
    if end.status == "COMPLETED":
        _show_results(_download(arn, end))


def _download(arn: str, end: job_progress.JobEnd) -> Path:
    """Copy the results out of the local AWS, which is about to be stopped."""
    bucket, _, key = end.results_s3_uri.removeprefix("s3://").partition("/")
    # The id of the job, as two jobs may have the same name.
    archive = RESULTS / arn.rpartition("/")[2] / Path(key).name
    archive.parent.mkdir(parents=True, exist_ok=True)
    boto3.client("s3").download_file(bucket, key, str(archive))
    return archive


def _show_results(archive: Path) -> None:
    try:
        shown = report.report(archive, HAMILTONIAN, archive.parent).render()
    except report.ReportError as error:
        raise DeployError(f"the results of the job cannot be shown: {error}") from error
    for line in [*shown.splitlines(), f"Results      {archive}"]:
        _REPORT.print(f"  {line}")


def _report_step(line: str) -> None:
    _STEPS.print("[bold]dev:[/]", escape(line))
