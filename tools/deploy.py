"""`./dev deploy`: the default stack in a local AWS, and its job followed to the end."""

import argparse
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdk_braket_local import bootstrap, following, job_progress
from cdk_braket_local.control import client_environment, job_failure, temporary_instance
from examples.h2_vqe import report as job_report
from tools import processes, scheduled_runs, setup

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
HAMILTONIAN = ROOT / "examples/h2_vqe/data/h2_hamiltonian.json"

_JOB_ARN = re.compile(r"arn:[\w-]+:braket:[\w-]+:\d+:job/\S+")


class DeployError(Exception):
    """The deployment did not come to a good end; the message is one line."""


def main(arguments: Sequence[str]) -> int:
    """Deploy, follow the job, report.

    Args:
        arguments: What `cdk deploy` gets beside our own arguments.

    Returns:
        0 only if every job COMPLETED, else 1.

    Raises:
        processes.Stopped: The user interrupted; nothing that was started is left.
    """
    try:
        return _deploy(*_read(arguments))
    except (DeployError, temporary_instance.NotOpenedError) as error:
        _say(str(error))
        return 1


def _read(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the context for the app, and the other options, which must be `cdk deploy`'s.

    The CDK CLI itself accepts an option that it does not know without a word.
    """
    parser = argparse.ArgumentParser(prog="./dev deploy", add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--context", metavar="KEY=VALUE", action="append", default=[])
    found, others = parser.parse_known_args(arguments)
    options = [word.partition("=")[0] for word in others if word.startswith("-")]
    known = _help() if options else ""
    for option in options:
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known):
            raise DeployError(f"`cdk deploy` has no option {option}; see `npx cdk deploy --help`")
    return [f"--context={pair}" for pair in found.context], others


def _help() -> str:
    command = ["cdk", "deploy", "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _deploy(context: Sequence[str], others: Sequence[str]) -> int:
    checkout = setup.Checkout(ROOT)
    checkout.cache.mkdir(exist_ok=True)
    _say("starting a local AWS")
    with temporary_instance.fresh_local_aws(within=checkout.cache) as (aws, directory):
        ours = setup.environment(checkout)
        # aws-cdk-lib keeps digests of assets in ~/.cdk, and has no setting for it.
        ours["HOME"] = str(checkout.cache / "home")
        environment = client_environment.command_environment(ours, aws.environment, ROOT)
        assembly = _synthesize(environment, directory, context)
        _bootstrap(environment, directory, checkout.cache / "bootstrap.log", [*context, *others])
        outputs = _cdk_deploy(environment, assembly, others)
        clients = _Clients.of(environment)
        arns = _job_arns(outputs) or _started(clients)
        jobs = [_follow(arn, clients) for arn in arns]
    _show(outputs, jobs)
    sys.stdout.flush()
    return 0 if all(job.end.status == "COMPLETED" for job in jobs) else 1


def _synthesize(environment: Mapping[str, str], scratch: Path, context: Sequence[str]) -> Path:
    """Run the app, before anything that takes longer: a mistake in its context ends it here."""
    assembly = scratch / "cdk.out"
    command = ["cdk", "synth", "--quiet", "--no-notices", f"--output={assembly}", *context]
    _say("synthesizing (cdk synth)")
    code = processes.run(command, cwd=ROOT, environment=environment)
    if code != 0:
        raise DeployError(f"`cdk synth` failed with exit code {code}")
    return assembly


def _bootstrap(
    environment: Mapping[str, str], scratch: Path, log: Path, arguments: Sequence[str]
) -> None:
    try:
        command = bootstrap.command(
            "cdk", environment=environment, directory=ROOT, users_command=arguments
        )
    except bootstrap.BootstrapError as error:
        raise DeployError(str(error)) from error
    _say("bootstrapping it (cdk bootstrap)")
    empty = scratch / "bootstrap"
    empty.mkdir()
    with log.open("wb") as output:
        code = processes.run(command, cwd=empty, environment=environment, output=output)
    if code != 0:
        raise DeployError(f"`cdk bootstrap` failed; its output is in {log.relative_to(ROOT)}")


def _cdk_deploy(
    environment: Mapping[str, str], assembly: Path, others: Sequence[str]
) -> dict[str, dict[str, str]]:
    outputs = assembly.with_name("outputs.json")
    command = [
        *("cdk", "deploy", "--all", "--require-approval=never", "--no-notices"),
        *(f"--outputs-file={outputs}", f"--app={assembly}", *others),
    ]
    _say("deploying (cdk deploy)")
    code = processes.run(command, cwd=ROOT, environment=environment)
    if code != 0:
        raise DeployError(f"`cdk deploy` failed with exit code {code}")
    found: dict[str, dict[str, str]] = json.loads(outputs.read_text(encoding="utf-8"))
    return found


def _job_arns(outputs: Mapping[str, Mapping[str, str]]) -> list[str]:
    values = (value for stack in outputs.values() for value in stack.values())
    return list(dict.fromkeys(value for value in values if _JOB_ARN.fullmatch(value)))


def _started(clients: "_Clients") -> list[str]:
    _say("starting at once what the stack's schedule would start later")
    try:
        return clients.scheduled_runs.start()
    except scheduled_runs.NothingRanError as error:
        raise DeployError(str(error)) from error


# --- The job --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Clients:
    """What asks the local AWS about a job, as it would ask AWS."""

    braket: "BraketClient"
    logs: "CloudWatchLogsClient"
    s3: "S3Client"
    scheduled_runs: scheduled_runs.ScheduledRuns

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "_Clients":
        """Clients in a command's environment, which is not ours."""
        session = following.session(environment)
        endpoint_url = environment["AWS_ENDPOINT_URL"]
        return cls(
            braket=session.client("braket", endpoint_url=endpoint_url),
            logs=session.client("logs", endpoint_url=endpoint_url),
            s3=session.client("s3", endpoint_url=endpoint_url),
            scheduled_runs=scheduled_runs.ScheduledRuns(session, endpoint_url),
        )


@dataclass(frozen=True, slots=True)
class _Followed:
    arn: str
    end: job_progress.JobEnd
    results: Path | None
    cause: list[str]


def _follow(arn: str, clients: _Clients) -> _Followed:
    _say(f"following the job {arn}")
    end = job_progress.follow(
        arn, braket_client=clients.braket, logs_client=clients.logs, stream=sys.stdout
    )
    results = _fetch_results(arn, end, clients) if end.status == "COMPLETED" else None
    cause = []
    if end.status == "FAILED":
        cause = job_failure.describe(clients.braket.get_job(jobArn=arn), clients.logs)
    return _Followed(arn, end, results, cause)


def _fetch_results(arn: str, end: job_progress.JobEnd, clients: _Clients) -> Path:
    """Copy the results out of the local AWS, which is about to go."""
    bucket, _, key = end.results_s3_uri.removeprefix("s3://").partition("/")
    # By the job's id: a name is no key.
    archive = RESULTS / arn.rpartition("/")[2] / Path(key).name
    archive.parent.mkdir(parents=True, exist_ok=True)
    clients.s3.download_file(bucket, key, str(archive))
    return archive


# --- What is shown at the end ---------------------------------------------------------------------


def _show(outputs: Mapping[str, Mapping[str, str]], jobs: Sequence[_Followed]) -> None:
    print("\nOutputs")
    for stack, values in outputs.items():
        for name, value in values.items():
            print(f"  {stack}.{name} = {value}")
    for job in jobs:
        print(f"\nJob {job.arn}")
        print(f"  {job_progress.ending(job.end)}")
        for line in job.cause:
            print(f"  {line}")
        if job.results:
            _show_results(job.results)


def _show_results(archive: Path) -> None:
    try:
        report = job_report.report(archive, HAMILTONIAN, archive.parent)
    except job_report.ReportError as error:
        raise DeployError(f"the job's results cannot be shown: {error}") from error
    print(textwrap.indent(report.render(), "  "))
    print(f"  Results      {archive}")


def _say(line: str) -> None:
    print(f"dev: {line}", file=sys.stderr, flush=True)
