"""`./dev`: sets the checkout up and runs the developer's commands. Standard library only."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import checks, processes, setup

ROOT = Path(__file__).resolve().parent.parent

USAGE_ERROR = 2
LONG = "CDK_BRAKET_LONG_TESTS"
"""The environment variable by which random tests know that they run in full."""

# Each worker has a local AWS of its own.
_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class _Command:
    summary: str
    arguments: str
    run: Callable[[setup.Checkout, Sequence[str]], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is the command's own.

    Raises:
        processes.Stopped: The user interrupted; nothing that was started is left.
    """
    try:
        return _dispatch(setup.Checkout(ROOT), arguments)
    except setup.SetupError as error:
        say(str(error))
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone (`./dev --help | head -1`); so must the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def say(line: str) -> None:
    """Tell the user something that is not the command's own output."""
    print(f"dev: {line}", file=sys.stderr, flush=True)


def _dispatch(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if name not in COMMANDS:
        say(f"there is no command `{name}`; see ./dev --help" if name else "see ./dev --help")
        return USAGE_ERROR
    command = COMMANDS[name]
    if list(arguments[1:2]) in (["-h"], ["--help"]):
        print(f"./dev {name} {command.arguments}".rstrip() + f"\n    {command.summary}")
        return 0
    setup.set_up(checkout, say)
    return command.run(checkout, arguments[1:])


def _help() -> str:
    lines = [
        "Usage: ./dev COMMAND [ARGUMENTS]",
        "",
        "Each command first sets the checkout up (.venv, node_modules), when that is needed.",
        "",
    ]
    for name, command in COMMANDS.items():
        lines += [f"  {name} {command.arguments}".rstrip(), f"      {command.summary}"]
    return "\n".join([*lines, "", "DEV_PYTHON=/path/to/python ./dev … chooses the Python."])


# --- The commands -----------------------------------------------------------------------------


def _deploy(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    return _become(checkout, [checkout.python, "-m", "tools.quiet", "tools.deploy", *arguments])


def _test(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    os.environ[LONG] = "1" if "--long" in arguments else "0"
    others = [argument for argument in arguments if argument != "--long"]
    if set(others) <= {"--cov"}:
        return _whole_suite(checkout, *others)
    return _become(checkout, [checkout.python, "-m", "pytest", *others])


def _whole_suite(checkout: setup.Checkout, *arguments: str) -> int:
    """Run everything, a file of tests at a time on each processor, in the order of their names.

    By default the files with the fewest tests would come last, and those take the longest.
    """
    processes = str(min(os.cpu_count() or 1, _MOST_WORKERS))
    parallel = ["--numprocesses", processes, "--dist=loadfile", "--no-loadscope-reorder"]
    return _become(checkout, [checkout.python, "-m", "pytest", *parallel, *arguments])


def _lint(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    unknown = [argument for argument in arguments if argument != "--fix"]
    if unknown:
        say(f"lint does not know {unknown[0]}; see ./dev lint --help")
        return USAGE_ERROR
    return _run_checks(checkout, checks.MENDING if arguments else checks.LINT)


def _check(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    if arguments:
        say("check takes no arguments; ./dev test does")
        return USAGE_ERROR
    code = _run_checks(checkout, checks.ALL)
    # The suite runs the same checks as tests of its own; here they have just been run.
    return code or _whole_suite(checkout, "--ignore", checks.AS_TESTS)


def _lock(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    return _become(checkout, [checkout.python, "-m", "tools.quiet", "tools.lock", *arguments])


def _release(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    return _become(checkout, [checkout.python, "-m", "tools.quiet", "tools.release", *arguments])


def _set_up(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    del arguments
    say(f"set up: {checkout.venv} and {checkout.node_modules} are what the locks say.")
    return 0


def _run_checks(checkout: setup.Checkout, which: Sequence[checks.Check]) -> int:
    """Run all of them, whatever the first says: one run should show all that is wrong."""
    failed = []
    for check in which:
        say(f"{check.name}: {check.summary}")
        command = check.command(checkout.python)
        if processes.run(command, cwd=checkout.root, environment=setup.environment(checkout)) != 0:
            failed.append(check.name)
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _become(checkout: setup.Checkout, command: Sequence[str | Path]) -> int:
    """Run a command in our place: its signals, terminal and exit code are its own."""
    sys.stdout.flush()
    os.chdir(checkout.root)
    os.execve(command[0], [str(part) for part in command], setup.environment(checkout))  # noqa: S606 - the point is to become this very process
    return 0


COMMANDS = {
    "deploy": _Command(
        "Deploy the default stack into a local AWS with the real CDK CLI and show its job run; "
        "arguments go to `cdk deploy`.",
        "[-c KEY=VALUE …]",
        _deploy,
    ),
    "test": _Command(
        "Run the whole test suite, as CI does; --long runs the random tests in full, --cov reports "
        "the branches that are not covered, other arguments go to pytest.",
        "[--long] [--cov] [PYTEST ARGUMENTS]",
        _test,
    ),
    "lint": _Command(
        "Check style, formatting and English; --fix applies automatic fixes.",
        "[--fix]",
        _lint,
    ),
    "check": _Command(
        "All that CI does: style, types, import rules, locks, then the tests and snippets.",
        "",
        _check,
    ),
    "lock": _Command(
        "Make requirements-dev.lock and package-lock.json anew; --upgrade takes newer versions.",
        "[--upgrade]",
        _lock,
    ),
    "release": _Command(
        "Make wheel, sdist, bill of materials and checksums of the last commit, in dist.",
        "",
        _release,
    ),
    "setup": _Command("Only set the checkout up.", "", _set_up),
}
