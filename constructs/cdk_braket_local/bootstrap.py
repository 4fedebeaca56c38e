"""Bootstraps a local AWS for the CDK app of a folder, without running the app.

`cdk bootstrap` synthesizes an app that it finds, which is slow and may need context that is
given to the user's own command only. It therefore runs in an empty folder. Two settings of the app
reach it, which name the bootstrap resources: the qualifier and the name of the stack.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from cdk_braket_local.control.foreground_command import run_step
from cdk_braket_local.ministack_adapter.environment import IAM_DELAY, iam_delay

_QUALIFIER = "@aws-cdk/core:bootstrapQualifier"
_STACK_NAME = "toolkitStackName"


class BootstrapError(Exception):
    """The settings of the app cannot be read; the message is one line for the user."""


def command(
    cdk: str,
    *,
    environment: Mapping[str, str],
    directory: Path,
    users_command: Sequence[str] = (),
) -> list[str]:
    """Return the command that bootstraps the local AWS.

    Args:
        cdk: The CDK CLI.
        environment: The environment of the command. It names the account and the region.
        directory: The folder of the user's app.
        users_command: The command that the local AWS is for. Its context,
            `--toolkit-stack-name` and `--qualifier` take precedence over files.

    Raises:
        BootstrapError: A file of the app cannot be read.
    """
    target = f"aws://{environment['CDK_DEFAULT_ACCOUNT']}/{environment['AWS_REGION']}"
    # `~/.cdk.json` and CDK_APP may name an app, too.
    bootstrap = [cdk, "bootstrap", "--no-notices", "--app=", target]
    project = _read(directory / "cdk.json")
    user = _read(Path(environment.get("HOME", directory)) / ".cdk.json")
    qualifier = _option(users_command, "--qualifier") or _first(
        _QUALIFIER,
        # In the order of the CDK CLI: the first that has a key decides.
        _given_context(users_command),
        _context(project),
        _read(directory / "cdk.context.json"),
        _context(user),
    )
    stack_name = _option(users_command, "--toolkit-stack-name") or _first(
        _STACK_NAME, project, user
    )
    if qualifier:
        bootstrap.append(f"--qualifier={qualifier}")
    if stack_name:
        bootstrap.append(f"--toolkit-stack-name={stack_name}")
    return bootstrap


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    scratch: Path,
    output: BinaryIO,
    report: Callable[[str], None],
) -> int:
    """Run the command of the bootstrap; return its exit code once its roles are in effect.

    Args:
        command: See `command`.
        environment: The environment of the command.
        scratch: A folder for the empty folder that the command runs in.
        output: Receives the command's output.
        report: Shows a line to the user.
    """
    with tempfile.TemporaryDirectory(prefix="bootstrap-", dir=scratch) as empty:
        code = run_step(command, environment, directory=Path(empty), output=output)
    if code == 0:
        _wait_for_roles(environment, report)
    return code


def _read(file: Path) -> Mapping[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BootstrapError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BootstrapError(f"{file}: expected JSON: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise BootstrapError(f"{file}: expected a JSON object. Correct the file.")
    return content


def _context(settings: Mapping[str, object]) -> Mapping[str, object]:
    found = settings.get("context")
    return found if isinstance(found, dict) else {}


def _first(key: str, *sources: Mapping[str, object]) -> str:
    found = next((source[key] for source in sources if key in source), "")
    return found if isinstance(found, str) else ""


def _given_context(arguments: Sequence[str]) -> Mapping[str, object]:
    given = [*_values(arguments, "-c"), *_values(arguments, "--context")]
    return {key: value for key, _, value in (each.partition("=") for each in given)}


def _option(arguments: Sequence[str], name: str) -> str:
    return next(reversed(_values(arguments, name)), "")


def _values(arguments: Sequence[str], name: str) -> list[str]:
    """The values of an option, as `--name value` and as `--name=value`."""
    following = [value for option, value in itertools.pairwise(arguments) if option == name]
    joined = [each.removeprefix(f"{name}=") for each in arguments if each.startswith(f"{name}=")]
    return [*following, *joined]


def _wait_for_roles(environment: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Wait until the policies of the bootstrap's roles are in effect."""
    seconds = iam_delay(environment.get(IAM_DELAY, ""))
    if seconds:
        report(f"waiting {seconds:g} s until the roles of the bootstrap are in effect …")
        time.sleep(seconds + 1)
