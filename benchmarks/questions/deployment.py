"""How long is a deployment, until the ARNs and until the results of all jobs exist?"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from aws_cdk import App, Stack

from benchmarks import stacks
from benchmarks.figures import OURS, Figures, stopwatch
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient

_CLIENT = "@aws-sdk/client-braket@3.1048.0"
_FINAL = {"COMPLETED", "FAILED", "CANCELLED"}
_CONTENDERS: Mapping[str, Callable[[Stack, int], None]] = {
    OURS: stacks.ours,
    "by hand": stacks.bare,
    "AwsCustomResource": stacks.aws_custom_resource,
}


def measure(small: bool) -> Sequence[Figures]:
    """Return the seconds of deployments into one local AWS."""
    sizes = (1,) if small else (1, 10, 50)
    until_arns: dict[str, dict[str, float]] = {name: {} for name in _CONTENDERS}
    until_results: dict[str, dict[str, float]] = {name: {} for name in _CONTENDERS}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        _install_sdk(scratch)
        with LocalAws.start(scratch / "aws") as aws:
            environment = environments.of_command(aws)
            CdkApp(environments.ROOT, scratch, environment).bootstrap()
            _upload(aws)
            for size in sizes:
                for name, declare in _CONTENDERS.items():
                    first, last = _deployed(aws, declare, size, scratch / "out")
                    until_arns[name][str(size)] = round(first, 1)
                    until_results[name][str(size)] = round(last, 1)
    goal = "not slower than AwsCustomResource"
    return [
        Figures(
            "`cdk deploy` until each job has an ARN",
            "s",
            "jobs",
            until_arns,
            goal,
            1.0,
            "AwsCustomResource",
        ),
        Figures(
            "`cdk deploy` until each job has results",
            "s",
            "jobs",
            until_results,
            goal,
            1.0,
            "AwsCustomResource",
        ),
    ]


def _install_sdk(folder: Path) -> None:
    """Install the client that the function of AwsCustomResource imports; Lambda has it."""
    npm = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix")
    subprocess.run([*npm, str(folder), _CLIENT], check=True)
    # The local AWS passes it on to functions.
    os.environ["NODE_PATH"] = str(folder / "node_modules")


def _upload(aws: LocalAws) -> None:
    s3 = boto3.client("s3", **aws.client_settings)
    s3.create_bucket(Bucket=stacks.SCRIPTS)
    s3.upload_file(str(stacks.archive()), stacks.SCRIPTS, stacks.ARCHIVE)


def _deployed(
    aws: LocalAws, declare: Callable[[Stack, int], None], jobs: int, assembly: Path
) -> tuple[float, float]:
    braket = boto3.client("braket", **aws.client_settings)
    before = {job["jobArn"] for job in _jobs(braket)}
    shutil.rmtree(assembly, ignore_errors=True)
    app = App(outdir=str(assembly))
    declare(Stack(app, "Bench"), jobs)
    app.synth()
    with stopwatch() as elapsed:
        _cdk(aws, "deploy", "--all", "--require-approval=never", f"--app={assembly}")
        until_arns = elapsed()
        while _open(braket, before, jobs):
            time.sleep(0.2)
        until_results = elapsed()
    _cdk(aws, "destroy", "--all", "--force", f"--app={assembly}")
    return until_arns, until_results


def _open(braket: "BraketClient", before: set[str], jobs: int) -> bool:
    statuses = [job["status"] for job in _jobs(braket) if job["jobArn"] not in before]
    assert not {"FAILED", "CANCELLED"} & set(statuses), statuses
    return len(statuses) < jobs or not set(statuses) <= _FINAL


def _jobs(braket: "BraketClient") -> list[Mapping[str, str]]:
    pages = braket.get_paginator("search_jobs").paginate(filters=[])
    return [
        {"jobArn": job["jobArn"], "status": job["status"]} for page in pages for job in page["jobs"]
    ]


def _cdk(aws: LocalAws, *arguments: str) -> None:
    done = subprocess.run(
        [environments.CDK, *arguments, "--no-color"],
        env=environments.of_command(aws),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
