"""What CloudFormation and Lambda do to a deployment leaves one job, or none: the real CDK CLI.

The scenarios are played side by side, as most of their time is waiting.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from cdk_braket._lambda.hybrid_job_handler.calls import FINAL
from cdk_braket_local.instance import LocalAws
from tests.local import environments
from tests.local.cdk import CdkApp
from tests.local.environments import ROOT

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_braket.type_defs import JobSummaryTypeDef

LONG = 600
LONGER = 601


def _jobs(braket: "BraketClient", stack: str) -> "Sequence[JobSummaryTypeDef]":
    found = braket.search_jobs(filters=[])["jobs"]
    return [job for job in found if job["jobName"].startswith(f"{stack}-Job-")]


def _alive(braket: "BraketClient", stack: str) -> list[str]:
    return [job["jobArn"] for job in _jobs(braket, stack) if job["status"] not in FINAL]


@contextmanager
def _handler_killed_when(stack: str, is_due: Callable[[], bool]) -> Iterator[list[int]]:
    """Kill the stack's handler once, as soon as it is due; yields whom it hit."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not killed:
            if is_due():
                killed.extend(_kill_handler(stack))
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _kill_handler(stack: str) -> Iterator[int]:
    for process in _handlers(stack):
        os.kill(process, signal.SIGKILL)
        yield process


def _handlers(stack: str) -> Iterator[int]:
    """The processes that run the stack's handler."""
    wanted = f"AWS_LAMBDA_FUNCTION_NAME={stack}-BraketHybridJobHandler".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is another user's
        if any(variable.startswith(wanted) for variable in variables):
            yield int(folder.name)


def a_handler_that_is_killed_at_once_starts_one_job(app: CdkApp, braket: "BraketClient") -> None:
    _killed_after(0, "FaultAtOnce", app, braket)


def a_handler_that_is_killed_on_its_way_starts_one_job(app: CdkApp, braket: "BraketClient") -> None:
    _killed_after(0.5, "FaultOnItsWay", app, braket)


def _killed_after(delay: float, stack: str, app: CdkApp, braket: "BraketClient") -> None:
    seen: list[float] = []

    def is_due() -> bool:
        if not seen and next(_handlers(stack), None):
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= delay

    with _handler_killed_when(stack, is_due) as killed:
        (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    assert killed
    assert [job["jobArn"] for job in _jobs(braket, stack)] == [outputs["JobArn"]]
    app.destroy(stack_name=stack, seconds=LONG)
    assert _alive(braket, stack) == []


def a_handler_that_is_killed_before_it_tells_of_its_job_starts_no_other(
    app: CdkApp, braket: "BraketClient"
) -> None:
    stack = "FaultUntold"
    with _handler_killed_when(stack, lambda: bool(_jobs(braket, stack))) as killed:
        (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    assert killed
    assert [job["jobArn"] for job in _jobs(braket, stack)] == [outputs["JobArn"]]
    app.destroy(stack_name=stack, seconds=LONG)
    assert _alive(braket, stack) == []


def a_stack_that_is_rolled_back_leaves_no_job(app: CdkApp, braket: "BraketClient") -> None:
    stack = "FaultRolledBack"
    printed = app.fail_to_deploy(stack_name=stack, seconds=LONG, refused=1)
    assert "refused on purpose" in printed
    assert [job["status"] for job in _jobs(braket, stack)] == ["CANCELLED"]


def an_update_that_is_rolled_back_takes_the_earlier_job_back(
    app: CdkApp, braket: "BraketClient"
) -> None:
    stack = "FaultTakenBack"
    (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    app.fail_to_deploy(stack_name=stack, seconds=LONGER, refused=1)
    assert _alive(braket, stack) == [outputs["JobArn"]]
    assert len(_jobs(braket, stack)) == 2

    (outputs,) = app.deploy(stack_name=stack, seconds=LONGER).values()
    assert _alive(braket, stack) == [outputs["JobArn"]]
    assert len(_jobs(braket, stack)) == 3, "its own was cancelled in the rollback"
    app.destroy(stack_name=stack, seconds=LONGER)
    assert _alive(braket, stack) == []


SCENARIOS: dict[str, Callable[[CdkApp, "BraketClient"], None]] = {
    scenario.__name__: scenario
    for scenario in (
        a_handler_that_is_killed_before_it_tells_of_its_job_starts_no_other,
        an_update_that_is_rolled_back_takes_the_earlier_job_back,
        a_handler_that_is_killed_at_once_starts_one_job,
        a_handler_that_is_killed_on_its_way_starts_one_job,
        a_stack_that_is_rolled_back_leaves_no_job,
    )
}


@pytest.fixture(scope="module")
def played(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Each scenario, on its way or over."""
    folder = ROOT / "tests/local/apps/patient"
    environment = environments.of_command(bootstrapped_aws)
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            name: pool.submit(
                scenario,
                CdkApp(folder, tmp_path_factory.mktemp("scenario"), environment),
                boto3.client("braket", **bootstrapped_aws.client_settings),
            )
            for name, scenario in SCENARIOS.items()
        }


@pytest.mark.parametrize("name", SCENARIOS)
def test_faults(played: dict[str, Future[None]], name: str) -> None:
    played[name].result(timeout=240)
