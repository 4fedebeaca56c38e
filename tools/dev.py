"""`./dev`: sets the checkout up and runs the developer's commands. Standard library only."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cdk_braket_local.control import foreground_command
from tools import setup

ROOT = Path(__file__).resolve().parent.parent

USAGE_ERROR = 2
LONG = "CDK_BRAKET_LONG_TESTS"
"""The environment variable with which the suite runs in full."""

# Tests wait for processes much of their time, so workers outnumber processors. Each has a local
# AWS of its own, and needs up to 2 GiB.
_MORE_WORKERS = 2
_MOST_WORKERS = 6
_HEAD = "Usage: ./dev COMMAND [ARGUMENTS]\n\nEach command first sets the checkout up if needed.\n"


class _Command(NamedTuple):
    arguments: str
    summary: str
    run: Callable[[setup.Checkout, Sequence[str]], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is the command's own.

    Raises:
        foreground_command.Stopped: The user interrupted; nothing that was started is left.
    """
    try:
        return _dispatch(setup.Checkout(ROOT), arguments)
    except setup.SetupError as error:
        report(str(error))
        return 1
    except BrokenPipeError:
        # The reader of our output has gone (`./dev --help | head -1`), and so must the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def report(line: str) -> None:
    """Show a line that is not the command's own output."""
    print(f"dev: {line}", file=sys.stderr, flush=True)


def _dispatch(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    name, *others = arguments or [""]
    if name in {"-h", "--help", "help"}:
        print(_HEAD, *map(_help, COMMANDS), sep="\n")
        print("\nDEV_PYTHON=/path/to/python ./dev … chooses the Python.")
        return 0
    if name not in COMMANDS:
        report(f"there is no command `{name}`; see ./dev --help" if name else "see ./dev --help")
        return USAGE_ERROR
    if others[:1] in (["-h"], ["--help"]):
        print(f"./dev {_help(name).lstrip()}")
        return 0
    setup.set_up(checkout, report)
    return COMMANDS[name].run(checkout, others)


def _help(name: str) -> str:
    return f"  {name} {COMMANDS[name].arguments}".rstrip() + f"\n      {COMMANDS[name].summary}"


# --- The commands -----------------------------------------------------------------------------


def _module(name: str) -> Callable[[setup.Checkout, Sequence[str]], int]:
    return lambda checkout, arguments: _exec(checkout, "tools", name, *arguments)


def _deploy(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    # aws-cdk-lib keeps digests of assets in ~/.cdk, and has no setting for it.
    os.environ |= {"HOME": str(checkout.cache / "home"), "TMPDIR": str(checkout.cache)}
    example = (str(checkout.python), "-m", "tools", "examples.deploy", *arguments)
    options = ("--no-bootstrap", "--no-wait", "--", *example)
    return _exec(checkout, "tools", "cdk_braket_local.cli", "run", *options)


def _test(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    os.environ[LONG] = "1" if "--long" in arguments else "0"
    others = [argument for argument in arguments if argument != "--long"]
    if set(others) <= {"--cov"}:
        return _whole_suite(checkout, *others)
    return _exec(checkout, "pytest", *others)


def _whole_suite(checkout: setup.Checkout, *arguments: str) -> int:
    """Run everything, a file of tests at a time on each worker, in the order of tests/length.py.

    By default the files with the fewest tests would come last, and those run longest.
    """
    wanted = (os.cpu_count() or 1) + _MORE_WORKERS
    workers = f"--numprocesses={min(wanted, _MOST_WORKERS)}"
    parallel = (workers, "--dist=loadfile", "--no-loadscope-reorder")
    return _exec(checkout, "pytest", *parallel, *arguments)


def _lint(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    if list(arguments) not in ([], ["--fix"]):
        report(f"lint does not accept {' '.join(arguments)}; see ./dev lint --help")
        return USAGE_ERROR
    return _exec(checkout, "tools", "tools.checks", "fix" if arguments else "lint")


def _check(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    if arguments:
        report("check accepts no arguments; ./dev test does")
        return USAGE_ERROR
    command = (checkout.python, "-m", "tools", "tools.checks", "all")
    ours = setup.environment(checkout)
    code = foreground_command.run_step(command, ours, directory=checkout.root)
    # The suite runs the same checks as tests; here they have just been run.
    return code or _whole_suite(checkout, "--ignore=tests/quality/test_checks.py")


def _bench(checkout: setup.Checkout, arguments: Sequence[str]) -> int:
    return _exec(checkout, "tools", "benchmarks.main", *arguments)


def _set_up(checkout: setup.Checkout, _arguments: Sequence[str]) -> int:
    report(f"set up: {checkout.venv} and {checkout.node_modules} fit the locks.")
    return 0


def _exec(checkout: setup.Checkout, *module: str) -> int:
    """Run a module in our place: its signals, terminal and exit code are its own."""
    sys.stdout.flush()
    os.chdir(checkout.root)
    command = [str(checkout.python), "-m", *module]
    os.execve(command[0], command, setup.environment(checkout))  # noqa: S606 - the point is to replace this process


COMMANDS = {
    "deploy": _Command(
        "[-c KEY=VALUE …]",
        "Deploy the default stack into a local AWS with the real CDK CLI and show its job run; "
        "arguments go to `cdk deploy`.",
        _deploy,
    ),
    "test": _Command(
        "[--long] [--cov] [PYTEST ARGUMENTS]",
        "Run the whole test suite, as CI does. --long runs it in full. "
        "--cov reports the branches that are not covered. Other arguments go to pytest.",
        _test,
    ),
    "lint": _Command(
        "[--fix]",
        "Check style, formatting and English; --fix applies automatic fixes.",
        _lint,
    ),
    "check": _Command("", "Run all static checks, then the tests, as CI does.", _check),
    "bench": _Command(
        "[--small] [QUESTION …]",
        "Measure this library beside the alternatives, and update docs/explain/benchmarks.md.",
        _bench,
    ),
    "lock": _Command(
        "[--upgrade]",
        "Update the locks; --upgrade selects newer versions.",
        _module("tools.lock"),
    ),
    "docs": _Command(
        "[--build]",
        "Serve the pages as a site on 127.0.0.1; --build writes it to .cache/site.",
        _module("tools.docs_site"),
    ),
    "pictures": _Command(
        "[--record NAME …]",
        "Draw the pictures of pages and examples; --record first runs the jobs of these examples.",
        _module("examples.pictures"),
    ),
    "release": _Command(
        "[--walk [STEP]]",
        "Build wheel, sdist, bill of materials and checksums of the last commit, in dist. "
        "--walk goes through the release check list, from a step on.",
        _module("tools.release"),
    ),
    "setup": _Command("", "Only set the checkout up.", _set_up),
}
