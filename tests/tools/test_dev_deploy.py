"""`./dev deploy`, as a newcomer runs it: to the end, into an error, and interrupted."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import length
from tests.emulator import watched_command
from tests.patience import PATIENCE
from tests.tools import miniature
from tools import setup

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"


# The output in the README's picture.
RECORDED = ROOT / "docs/pictures/deploy.txt"


def _shape(line: str) -> str:
    """A line without the values that differ between runs."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|[+-]?\d[\d.:e-]*|[█▇▆▅▄▃▂▁]+", "#", line).rstrip()


def scratch_directories() -> set[Path]:
    return set(CACHE.glob("cdk-braket-local-*"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = scratch_directories()
    yield
    assert scratch_directories() <= before


def bootstrap_log() -> str:
    log = CACHE / "bootstrap.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


DEPLOY: Sequence[str | Path] = [ROOT / "dev", "deploy"]
# `./dev deploy` becomes this command; the local AWS that it starts is searched for secrets.
WATCHED_DEPLOY = [
    *(*watched_command.COMMAND, "cdk_braket_local.cli", "run", "--no-bootstrap", "--no-wait", "--"),
    *(sys.executable, "-m", "tools", "examples.deploy"),
]


def deploy(
    *arguments: str, command: Sequence[str | Path] = DEPLOY
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=setup.environment(setup.Checkout(ROOT)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_it_ends_with_the_outputs_the_status_the_results_and_where_they_are() -> None:
    before = set((ROOT / "results").glob("*"))
    running = set(miniature.living_processes(CACHE / "cdk-braket-local-"))
    done = deploy("-c", "iterations=12")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout + done.stderr
    assert shown.count("HybridJobStack.JobArn = arn:aws:braket:") == 1
    end = done.stdout[done.stdout.index("\nJob arn:aws:braket:") :]
    assert "COMPLETED after " in end
    assert "Energy " in end
    assert re.search(r"^COMPLETED +\d:\d\d  Energy: ", done.stdout, re.MULTILINE), "its last line"
    shapes = {_shape(line) for line in shown.splitlines()}
    recorded = RECORDED.read_text(encoding="utf-8").splitlines()
    assert [line for line in recorded[1:] if line != "…" and _shape(line) not in shapes] == []
    (results,) = set((ROOT / "results").glob("*")) - before
    assert str(results) in end
    assert {path.name for path in results.iterdir()} == {"model.tar.gz", "convergence.png"}
    assert set(miniature.living_processes(CACHE / "cdk-braket-local-")) <= running


# tests/deploy/test_running.py has schedules and runs.
@pytest.mark.long
def test_the_state_machine_of_a_schedule_is_run_at_once() -> None:
    before = set((ROOT / "results").glob("*"))
    done = deploy("-c", "example=nightly", "-c", "iterations=3", command=WATCHED_DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dev: starting now the state machines that a schedule would start later" in done.stderr
    assert "NightlyStack.StateMachineArn = arn:aws:states:" in done.stdout + done.stderr
    assert "COMPLETED after " in done.stdout
    assert len(set((ROOT / "results").glob("*")) - before) == 1


# tests/deploy/test_sharing.py has references between stacks.
@pytest.mark.long
def test_the_reader_shows_the_value_that_it_read() -> None:
    done = deploy("-c", "example=reader", "-c", "iterations=3")
    assert done.returncode == 0, done.stdout + done.stderr
    energy = re.search(r"^  Energy +(\S+) hartree$", done.stdout, re.MULTILINE)
    read = re.search(r"^/ResultsReaderStack/energy = (\S+)$", done.stdout, re.MULTILINE)
    assert energy is not None
    assert read is not None
    assert float(read[1]) == pytest.approx(float(energy[1]), abs=1e-6)


@pytest.mark.parametrize(
    ("context", "said"),
    length.first(
        1,
        [
            ("iterations=many", "iterations: expected a whole number, got many"),
            (
                "example=unknown",
                "example: expected one of job, many, sweep, reader, nightly, got unknown",
            ),
        ],
    ),
)
def test_a_mistake_in_the_context_is_reported_before_the_bootstrap(context: str, said: str) -> None:
    done = deploy("-c", context)
    assert done.returncode == 1
    assert said in done.stderr
    assert "dev: bootstrapping" not in done.stderr
    assert done.stderr.splitlines()[-1] == "dev: `cdk synth` failed with exit code 1"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", length.first(1, ["--unknown=1", "--unknown", "-Z"]))
def test_an_option_that_cdk_deploy_does_not_have_is_refused_before_anything_runs(
    option: str,
) -> None:
    done = deploy("-c", "iterations=1", option)
    name = option.partition("=")[0]
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == f"dev: `cdk deploy` has no option {name}; see `npx cdk deploy --help`"


# tests/emulator/test_cli.py and test_cli_jobs.py interrupt the same commands.
@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "signum"),
    [
        ("dev: deploying", signal.SIGINT),
        ("dev: synthesizing", signal.SIGINT),
        ("dev: bootstrapping", signal.SIGTERM),
        ("dev: following", signal.SIGINT),
    ],
)
def test_interrupted_at_any_step_it_leaves_nothing(step: str, signum: signal.Signals) -> None:
    before = scratch_directories()
    with subprocess.Popen(
        # A job that is not over before the signal comes.
        [ROOT / "dev", "deploy", "-c", "iterations=1000000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        seen: list[str] = []
        while not (seen and seen[-1].startswith(step)):
            seen.append(run.stderr.readline())
            assert seen[-1], "it ended before that step: " + "".join(seen) + bootstrap_log()
        time.sleep(0.5)
        (directory,) = scratch_directories() - before
        run.send_signal(signum)
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signum
    assert "dev: stopped." in said.splitlines()
    assert "Traceback" not in said
    assert miniature.living_processes(directory) == []


def shown(page: Path) -> list[str]:
    """The commands of a page that deploy an example."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^\./dev deploy -c example=.*$", text, re.MULTILINE)


COMMANDS = [command for page in sorted((ROOT / "docs").rglob("*.md")) for command in shown(page)]


def test_pages_show_how_each_example_is_deployed() -> None:
    assert len(COMMANDS) >= 3


# tests/ledger and tests/quality synthesize each example; the first test deploys one.
@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_deploys_with_the_command_of_its_page(command: str) -> None:
    done = deploy(*command.split()[2:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "COMPLETED after " in done.stdout
