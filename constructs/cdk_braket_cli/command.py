"""The decorator of all commands, which gives them their common options."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
import click

from cdk_braket_client.clients import Clients

from .errors import CommandError
from .output import Output

# click passes options by name.
Function = Callable[..., int | None]


@dataclass(frozen=True)
class Call:
    """One call of a command.

    Attributes:
        out: Shows its result.
        region: The region; None for the configured one.
        profile: The profile; None for the configured one.
    """

    out: Output
    region: str | None = None
    profile: str | None = None

    @cached_property
    def clients(self) -> Clients:
        """The clients of AWS services in the region of the call."""
        _check_endpoints(os.environ)
        session = boto3.Session(profile_name=self.profile, region_name=self.region)
        return Clients(session)


def _check_endpoints(environment: Mapping[str, str]) -> None:
    # botocore raises a ValueError, which does not name the variable.
    for name, value in environment.items():
        if name.startswith("AWS_ENDPOINT_URL") and value and not urlsplit(value).hostname:
            raise CommandError(f"{name}: expected a URL with http:// or https://, got {value!r}.")


def command(name: str, *, uses_aws: bool = True) -> Callable[[Function], click.Command]:
    """Turn a function into a command with the options `--json`, `--region` and `--profile`.

    The function receives a `Call`, then its arguments and options by name. It returns the exit
    code; None is 0. Its docstring is the help.

    Args:
        name: The name of the command.
        uses_aws: Whether the command has `--region` and `--profile`.
    """

    def decorate(function: Function) -> click.Command:
        @functools.wraps(function)
        def called(*, as_json: bool, **values: Any) -> int | None:  # noqa: ANN401 - click's
            region, profile = values.pop("region", None), values.pop("profile", None)
            return function(Call(Output(as_json=as_json), region, profile), **values)

        decorated: Callable[..., Any] = called
        for option in reversed(_OPTIONS if uses_aws else _OPTIONS[:1]):
            decorated = option(decorated)
        return click.command(name)(decorated)

    return decorate


_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="Write JSON to the standard output."),
    click.option(
        "--region",
        metavar="REGION",
        # Like the AWS CLI; boto3 reads AWS_DEFAULT_REGION alone.
        envvar="AWS_REGION",
        help="The region. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's.",
    ),
    click.option(
        "--profile", metavar="NAME", help="The profile of the AWS CLI. Default: AWS_PROFILE."
    ),
)


def job_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument JOB, passed as `job`."""
    return click.argument("job", metavar="JOB")(function)


def interval_option(seconds: float, meaning: str) -> Callable[[Callable[..., Any]], Any]:
    """Add the option --interval, passed as `interval`.

    Args:
        seconds: The default.
        meaning: The help text.
    """
    return click.option(
        "--interval",
        type=click.FloatRange(min=0.1),
        default=seconds,
        show_default=True,
        help=meaning,
    )


def confirm(question: str) -> None:
    """Show a question; return if the answer is yes.

    Raises:
        click.UsageError: There is no terminal.
        CommandError: The answer is no.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("pass --yes, because there is no terminal to confirm on.")
    if not click.confirm(question, err=True):
        raise CommandError("nothing was cancelled")
