"""`cdk-braket open`: a job's page in the AWS console."""

import os
import webbrowser
from collections.abc import Mapping

import click

from cdk_braket._lambda.braket_jobs.contract import console_url
from cdk_braket_cli.command import Call, command, job_argument
from cdk_braket_cli.errors import CommandError
from cdk_braket_client.job_reference import find_job_arn, region_of

_ENDPOINTS = ("AWS_ENDPOINT_URL_BRAKET", "AWS_ENDPOINT_URL")


@command("open")
@job_argument
@click.option("--print", "only_print", is_flag=True, help="Print the address, open no browser.")
def open_console(call: Call, job: str, *, only_print: bool) -> None:
    """Open the page of a job in the AWS console.

    JOB is STACK/PATH, a job name, an id or an ARN.
    """
    if endpoint := local_endpoint(os.environ):
        raise CommandError(
            f"{endpoint} has no console. `cdk-braket status` shows the job; without "
            "AWS_ENDPOINT_URL, AWS itself is used."
        )
    with call.out.progress("reading the job"):
        arn = find_job_arn(call.clients, job)
    address = console_url(region_of(arn), arn)
    call.out.show({"url": address}, address)
    # Without a browser, the address on the terminal is what the user needs.
    if not only_print and not call.out.as_json:
        webbrowser.open(address)


def local_endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the endpoint in the environment that replaces Amazon Braket; None for AWS itself."""
    return next((environment[name] for name in _ENDPOINTS if environment.get(name)), None)
