"""The command `cdk-braket-local`: a local AWS for one command, or kept between commands."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from cdk_braket_local import bootstrap, coverage, following, settings, single_job
from cdk_braket_local.control import (
    client_environment,
    foreground_command,
    kept_instance,
    temporary_instance,
)
from cdk_braket_local.quotas import NEW_ACCOUNT

STATE_DIRECTORY = Path(".cdk-braket-local")

_EPILOG = """\
examples:
  cdk-braket-local run -- cdk deploy --all     deploy into a fresh local AWS, then remove it
  cdk-braket-local up                          start one and leave it running
  eval "$(cdk-braket-local env)"               use it in this shell
  cdk-braket-local down                        stop it and remove its state

The CDK CLI comes from node_modules/.bin, in this folder or one above, or from PATH.
"""


_RUN_JOB_HELP = "run a script as a hybrid job, without CDK, and show its log and results"


class _UserError(Exception):
    """An error that the user can fix; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments of the program. Default: those of the process.

    Returns:
        The exit code: 0, that of the user's command, 1 for an error, or 2 for a wrong call. After
        a signal it is 128 plus the number of the signal.
    """
    options = parser().parse_args(arguments)
    try:
        with foreground_command.stopped_by_signals():
            code: int = options.run(options)
            return code
    except (
        _UserError,
        bootstrap.BootstrapError,
        kept_instance.KeptError,
        single_job.JobNotStartedError,
        temporary_instance.NotOpenedError,
    ) as error:
        _report(str(error))
        return 1
    except foreground_command.Stopped as stopped:
        return stopped.exit_code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="cdk-braket-local",
        description="A local AWS with Amazon Braket hybrid jobs, for the AWS CDK. It never "
        "reaches a real account.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run", help="run a command against a fresh local AWS", allow_abbrev=False
    )
    _add_start_options(run)
    run.add_argument(
        "--no-wait",
        dest="wait",
        action="store_false",
        help="discard jobs that still run when the command ends, instead of following them. "
        "The exit code is that of the command, even if a job failed",
    )
    run.add_argument("command", nargs="+", metavar="CMD", help="the command, after a `--`")
    run.set_defaults(run=_run)

    up = commands.add_parser(
        "up", help="start a local AWS and leave it running", allow_abbrev=False
    )
    _add_start_options(up)
    up.set_defaults(run=_up)

    _add_run_job(commands.add_parser("run-job", help=_RUN_JOB_HELP, allow_abbrev=False))

    for name, function, text in (
        ("down", _down, "stop the local AWS that `up` started and remove its state"),
        ("status", _status, "report whether one is running; exit code 1 if none is"),
        ("env", _env, "print the settings that a shell must evaluate to use it"),
    ):
        commands.add_parser(name, help=text, allow_abbrev=False).set_defaults(run=function)

    commands.choices["status"].add_argument(
        "--coverage",
        action="store_true",
        help="print the decisions of AWS that the local AWS imitates, and those that it does not",
    )

    for name, command in commands.choices.items():
        if name not in {"run", "run-job"}:
            command.add_argument(
                "--state-directory",
                type=Path,
                default=STATE_DIRECTORY,
                metavar="DIR",
                help="the directory of its state (default: %(default)s)",
            )
    return whole


def _add_run_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, help="the script: a file or a directory")
    command.add_argument(
        "--entry-point", required=True, metavar="M:F", help="module:function, or a module"
    )
    command.add_argument(
        "--device",
        default=single_job.DEFAULT_DEVICE,
        help="the device of the job (default: %(default)s)",
    )
    command.add_argument(
        "--hyperparameter",
        action="append",
        type=_assignment,
        default=[],
        metavar="NAME=VALUE",
        help="a hyperparameter; can be repeated",
    )
    command.add_argument(
        "--input",
        action="append",
        type=_assignment,
        default=[],
        metavar="CHANNEL=PATH",
        help="an input channel, with a file or a directory; can be repeated",
    )
    command.add_argument(
        "--watch", action="store_true", help="run the job again when a file changes, until Ctrl-C"
    )
    _add_settings(command)
    command.set_defaults(run=_run_job)


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, metavar="N", help="the port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--no-bootstrap",
        dest="bootstrap",
        action="store_false",
        help="do not run `cdk bootstrap` first (default: run it if a CDK CLI is found)",
    )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulate-qpus",
        action="store_true",
        help="compute tasks for quantum devices without noise and mark their results; otherwise "
        f"these devices are offline ({settings.SIMULATE_QPUS}=1 does the same)",
    )
    parser.add_argument(
        "--quotas",
        metavar="QUOTAS",
        help=f"refuse hybrid jobs beyond quotas: {NEW_ACCOUNT}, or changes of its quotas such as "
        f"jobs=10,rate=5,ml.m5.large=8 ({settings.QUOTAS} does the same; default: no quotas)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):  # noqa: PLR2004 - TCP's
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number (1 to 65535)")
    return int(text)


# --- The commands -------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    command: list[str] = options.command
    _refuse_unknown(command[0], _environment({}))
    _apply_settings(options)
    with temporary_instance.fresh_local_aws(options.port) as (aws, directory):
        environment = _environment(aws.environment)
        if options.bootstrap:
            _bootstrap(environment, directory, command)
        code = foreground_command.run(command, environment)
        # A user who interrupts the command does not want to wait for its jobs either.
        if not options.wait or code - 128 in foreground_command.STOP_SIGNALS:
            _count_discarded(environment)
            return code
        return _follow_jobs(environment) or code


def _run_job(options: argparse.Namespace) -> int:
    _apply_settings(options)
    script = single_job.Script(
        options.path,
        options.entry_point,
        options.device,
        dict(options.hyperparameter),
        {name: Path(path) for name, path in options.input},
    )
    with temporary_instance.fresh_local_aws() as (aws, _):
        while True:
            before = single_job.state(script)
            try:
                completed = single_job.run(script, aws.environment, sys.stdout)
            except single_job.JobNotStartedError as error:
                if not options.watch:
                    raise
                _report(str(error))
                completed = False
            if not options.watch:
                return 0 if completed else 1
            _report("waiting for a change of the script …")
            while not single_job.changed(script, before):
                time.sleep(single_job.POLL_SECONDS)


def _up(options: argparse.Namespace) -> int:
    _apply_settings(options)
    place = kept_instance.Place(options.state_directory)
    running = place.describe()
    if running is None:
        if place.has_remains():
            _report("the last local AWS here ended without `down`; starting a new one")
        running = place.start(options.port)
        try:
            if options.bootstrap:
                _bootstrap(_environment(running.environment), place.scratch)
        except BaseException:
            with foreground_command.undisturbed():
                place.stop()
            raise
    elif options.port and not running.endpoint_url.endswith(f":{options.port}"):
        raise _UserError(f"it already runs, at {running.endpoint_url}; `down` stops it")
    elif settings.given(os.environ) != running.settings:
        raise _UserError(
            f"it already runs, with {_settings(running.settings)}, not with "
            f"{_settings(settings.given(os.environ))}; `down` stops it"
        )
    print(_summary(running, place))
    return 0


def _down(options: argparse.Namespace) -> int:
    place = kept_instance.Place(options.state_directory)
    running = place.describe()
    if running is not None:
        _count_discarded(running.environment)
    with foreground_command.undisturbed():
        stopped = place.stop()
    if stopped is None:
        print(f"no local AWS is kept in {place.directory}")
        return 0
    if stopped.was_running:
        print("stopped; its state is removed")
    else:
        print("it had ended already, without `down`; its remaining files are removed")
    if stopped.left:
        _report(f"files that do not belong to the local AWS stay: {', '.join(stopped.left)}")
    return 0


def _status(options: argparse.Namespace) -> int:
    if options.coverage:
        print(coverage.as_plain_text())
        return 0
    place = kept_instance.Place(options.state_directory)
    running = place.describe()
    if running is None:
        print(f"no local AWS is running in {place.directory}")
        return 1
    print(_summary(running, place))
    return 0


def _env(options: argparse.Namespace) -> int:
    place = kept_instance.Place(options.state_directory)
    running = place.describe()
    if running is None:
        raise _UserError(f"no local AWS is running in {place.directory}; `up` starts one")
    print("\n".join(client_environment.exports(os.environ, running.environment)))
    return 0


# --- What they share ----------------------------------------------------------------------------


def _report(line: str) -> None:
    print(f"cdk-braket-local: {line}", file=sys.stderr, flush=True)


def _apply_settings(options: argparse.Namespace) -> None:
    """Set the variables that the process of the local AWS reads."""
    if options.simulate_qpus:
        os.environ[settings.SIMULATE_QPUS] = "1"
    if options.quotas is not None:
        os.environ[settings.QUOTAS] = options.quotas


def _settings(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items()) or "no settings"


def _summary(running: kept_instance.Description, place: kept_instance.Place) -> str:
    minutes, seconds = divmod(int(time.time() - running.started), 60)
    return (
        f"running at {running.endpoint_url} for {minutes} min {seconds:02} s "
        f"(process {running.keeper}, state in {place.directory})"
    )


def _environment(local_aws: Mapping[str, str]) -> dict[str, str]:
    return client_environment.command_environment(os.environ, local_aws, Path.cwd())


def _refuse_unknown(program: str, environment: Mapping[str, str]) -> None:
    if shutil.which(program, path=environment["PATH"]) is None:
        raise _UserError(f"there is no program {program!r} to run")


def _follow_jobs(environment: Mapping[str, str]) -> int:
    """Follow the jobs of a local AWS to their end; return 1 if one FAILED, else 0."""
    try:
        failed = following.follow_all(environment, sys.stderr)
    except foreground_command.Stopped:
        with foreground_command.undisturbed():
            _count_discarded(environment)
        raise
    except (BotoCoreError, ClientError) as error:
        raise _UserError(f"the jobs cannot be followed: {error}") from error
    if failed:
        _report(f"{_jobs(len(failed))} FAILED")
    return 1 if failed else 0


def _count_discarded(environment: Mapping[str, str]) -> None:
    """Report the jobs that end because their local AWS is stopped."""
    try:
        count = following.unfinished(environment)
    except (BotoCoreError, ClientError, KeyError) as error:
        _report(f"running jobs, if any, are discarded; they cannot be counted: {error}")
        return
    if count:
        _report(f"{_jobs(count)} still running, and discarded with the local AWS")


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _bootstrap(
    environment: Mapping[str, str], scratch: Path, users_command: Sequence[str] = ()
) -> None:
    """Run the real `cdk bootstrap`, which every `cdk deploy` needs once."""
    cdk = shutil.which("cdk", path=environment["PATH"])
    if cdk is None:
        _report("no CDK CLI was found, so this local AWS is not bootstrapped")
        return
    command = bootstrap.command(
        cdk, environment=environment, directory=Path.cwd(), users_command=users_command
    )
    _report("bootstrapping the local AWS …")
    with tempfile.TemporaryFile(dir=scratch) as log:
        code = bootstrap.run(
            command, environment=environment, scratch=scratch, output=log, report=_report
        )
        if code != 0:
            log.seek(0)
            sys.stderr.write(log.read().decode("utf-8", "replace"))
            raise _UserError(
                f"`cdk bootstrap` failed with exit code {code}; --no-bootstrap skips it"
            )


if __name__ == "__main__":
    sys.exit(main())
