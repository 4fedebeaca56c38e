"""The entry point of `cdk-braket`: the group of commands, its errors and its exit codes."""

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType

import click

from . import errors, exit_codes
from .commands import COMMANDS

_PROGRAM = "cdk-braket"


class _Terminated(BaseException):
    """SIGTERM was received."""


@click.group(
    _PROGRAM,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version(_PROGRAM), package_name=_PROGRAM)
def cli() -> None:
    """Follow, compare and control Amazon Braket hybrid jobs that cdk-braket deploys.

    The commands use the credentials and the region of the AWS CLI. In a shell that has evaluated
    `eval "$(cdk-braket-local env)"`, they use the local AWS. JOB is STACK/PATH (such as
    Chemistry/Vqe), a job name, an id or an ARN.

    Exit codes: 0 done, 1 error, 2 wrong call, 3 the job FAILED, 4 the job is CANCELLED, 5 timeout.
    128 + N: stopped by signal N.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name. Default: those of the process.

    Returns:
        The exit code; see `exit_codes`.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(arguments)
    except (click.Abort, KeyboardInterrupt):
        # The shell's prompt, or our message, starts on a new line.
        click.echo(f"\n{_PROGRAM}: interrupted", err=True)
        stopped_by = signal.SIGINT
    except _Terminated:
        stopped_by = signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
    return exit_codes.SIGNALED + stopped_by


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return exit_codes.USAGE if isinstance(error, click.UsageError) else exit_codes.ERROR
    except errors.EXPECTED as error:
        click.echo(f"{_PROGRAM}: {errors.describe(error)}", err=True)
        return exit_codes.ERROR
    return code if isinstance(code, int) else exit_codes.OK


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise _Terminated


def run() -> None:
    """Run the command line and exit; the console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
