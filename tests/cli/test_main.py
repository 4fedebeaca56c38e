"""Options, errors and exit codes that all commands share."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import click
import pytest

from cdk_braket_cli import errors, exit_codes
from cdk_braket_cli.commands import COMMANDS
from cdk_braket_cli.main import cli as whole
from cdk_braket_local.control.instance import LocalAws
from tests.cli.conftest import Cli
from tests.cli.stubs import StubbedClients, stubbed
from tests.docs.snippets import ROOT
from tests.patience import PATIENCE

PAGE = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
PROGRAM = [sys.executable, "-m", "cdk_braket_cli.main"]


def commands(group: click.Group = whole) -> Iterator[click.Command]:
    """All commands, those of groups included."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    with stubbed(monkeypatch) as clients:
        yield clients


def test_the_page_lists_each_command_and_no_other() -> None:
    assert re.findall(r"^\| `cdk-braket ([\w-]+)` \|", PAGE, re.MULTILINE) == sorted(
        str(command.name) for command in COMMANDS
    )


def test_the_page_lists_each_exit_code() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and name[0] != "_"}
    listed = {int(code) for code in re.findall(r"^\| (\d+)(?: \+ N)? \|", PAGE, re.MULTILINE)}
    assert codes == listed


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: str(command.name))
def test_every_command_has_json_and_a_help(command: click.Command, cli: Cli) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert "--json" in options
    assert all(each.help for each in command.params if isinstance(each, click.Option))
    assert command.help
    if command.name in whole.commands:
        assert cli(str(command.name), "--help").code == 0


def test_a_wrong_call_is_2(cli: Cli) -> None:
    for arguments in (("nothing",), ("jobs", "--nothing"), ("status",), ("jobs", "--since=soon")):
        done = cli(*arguments)
        assert (done.code, done.out) == (2, "")


def test_an_error_of_aws_is_one_line_and_1(cli: Cli, aws: StubbedClients) -> None:
    aws.refuse("braket", "search_jobs", "AccessDeniedException", "no permission")
    done = cli("jobs", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err == ("cdk-braket: SearchJobs failed: AccessDeniedException: no permission\n")


def test_a_fault_of_ours_is_not_hidden(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_values: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cdk_braket_cli.commands.jobs.search", broken)
    with stubbed(monkeypatch), pytest.raises(ZeroDivisionError):
        cli("jobs")


@pytest.mark.parametrize(
    ("variables", "fix"),
    [
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, "--region"),
        ({"AWS_PROFILE": "nothing"}, "aws configure list-profiles"),
        ({"AWS_ENDPOINT_URL_BRAKET": "localhost:4566"}, "AWS_ENDPOINT_URL_BRAKET: expected a URL"),
        (
            {
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            },
            "AWS_ENDPOINT_URL",
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            },
            "AWS_ENDPOINT_URL",
        ),
    ],
)
def test_missing_settings_come_with_a_fix(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], fix: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("cdk_braket_client.clients._CONFIG", None)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = cli("jobs")
    assert done.code == 1
    assert fix in done.err
    assert len(done.err.splitlines()) == 1


def test_every_status_in_a_terminal_state_has_an_exit_code() -> None:
    assert exit_codes.of_status("COMPLETED") == 0
    assert exit_codes.of_status("FAILED") == 3
    assert exit_codes.of_status("CANCELLED") == 4


def test_a_profile_error_is_described() -> None:
    with pytest.raises(errors.EXPECTED) as caught:
        boto3.Session(profile_name="no such profile")
    assert "list-profiles" in errors.describe(caught.value)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_calls_the_program(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0
    assert "_CDK_BRAKET_COMPLETE" in done.out


def test_bash_completes_commands_and_options() -> None:
    environment = os.environ | {
        "_CDK_BRAKET_COMPLETE": "bash_complete",
        "COMP_WORDS": "cdk-braket res",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(PROGRAM, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,results\n"


# --- Signals and terminals ------------------------------------------------------------------------


@contextlib.contextmanager
def started(aws: LocalAws, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program in a terminal, and the terminal's other end."""
    ours, theirs = pty.openpty()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **aws.environment,
        "TERM": "xterm-256color",
        "COLUMNS": "200",
    }
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read a terminal until something is shown, or until it is closed."""
    shown, deadline = b"", time.monotonic() + PATIENCE
    while wanted not in shown and time.monotonic() < deadline:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # closed
            break
    return shown


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_with_the_exit_code_of_shells(
    local_aws: LocalAws, running_job: str, stop: signal.Signals
) -> None:
    with started(local_aws, "jobs", "--watch", f"--name={running_job}") as (process, terminal):
        shown = read_until(terminal, running_job.encode())
        assert b"\x1b[" in shown, "colors in a terminal"
        process.send_signal(stop)
        rest = read_until(terminal, b"never shown")
        assert process.wait(PATIENCE) == 128 + stop
    assert b"Traceback" not in shown + rest
    assert rest.count(b"\x1b[?25h") >= 1, "the cursor is shown again"


def test_a_reader_that_goes_away_is_no_traceback(local_aws: LocalAws) -> None:
    environment = os.environ | local_aws.environment
    process = subprocess.Popen(
        [*PROGRAM, "jobs", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in said
    assert process.returncode in {0, 1}
