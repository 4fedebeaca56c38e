"""Faults of CloudFormation and Lambda leave one job, or none: the real CDK CLI."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import timeline
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.scenarios import scenario
from tests.emulator import lost_answers

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_braket.type_defs import JobSummaryTypeDef

APP = ROOT / "tests/deploy/apps/patient"
LONG = 600
LONGER = 601


def _braket(aws: LocalAws) -> "BraketClient":
    return boto3.client("braket", **aws.client_settings)


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


# Below, the handler is killed between its call and its record; tests/simulator has each moment.
@pytest.mark.long
@scenario
def test_a_handler_that_is_killed_at_once_starts_one_job(app: CdkApp, aws: LocalAws) -> None:
    _killed_after(0, "FaultAtOnce", app, aws)


# tests/simulator kills the handler at each call.
@pytest.mark.long
@scenario
def test_a_handler_that_is_killed_on_its_way_starts_one_job(app: CdkApp, aws: LocalAws) -> None:
    _killed_after(0.5, "FaultOnItsWay", app, aws)


def _killed_after(delay: float, stack: str, app: CdkApp, aws: LocalAws) -> None:
    braket = _braket(aws)
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


@scenario
def test_a_handler_that_is_killed_before_it_reports_its_job_starts_no_other(
    app: CdkApp, aws: LocalAws
) -> None:
    stack, braket = "FaultUntold", _braket(aws)
    with _handler_killed_when(stack, lambda: bool(_jobs(braket, stack))) as killed:
        (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    assert killed
    assert [job["jobArn"] for job in _jobs(braket, stack)] == [outputs["JobArn"]]
    app.destroy(stack_name=stack, seconds=LONG)
    assert _alive(braket, stack) == []


# Below, an update is rolled back.
@pytest.mark.long
@scenario
def test_a_stack_that_is_rolled_back_leaves_no_job(app: CdkApp, aws: LocalAws) -> None:
    stack, braket = "FaultRolledBack", _braket(aws)
    printed = app.fail_to_deploy(stack_name=stack, seconds=LONG, refused=1)
    assert "refused on purpose" in printed
    assert [job["status"] for job in _jobs(braket, stack)] == ["CANCELLED"]


@scenario
def test_an_update_that_is_rolled_back_restores_the_earlier_job(app: CdkApp, aws: LocalAws) -> None:
    stack, braket = "FaultTakenBack", _braket(aws)
    (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    app.fail_to_deploy(stack_name=stack, seconds=LONGER, refused=1)
    assert _alive(braket, stack) == [outputs["JobArn"]]
    assert len(_jobs(braket, stack)) == 2

    (outputs,) = app.deploy(stack_name=stack, seconds=LONGER).values()
    assert _alive(braket, stack) == [outputs["JobArn"]]
    assert len(_jobs(braket, stack)) == 3, "its own was cancelled in the rollback"
    app.destroy(stack_name=stack, seconds=LONGER)
    assert _alive(braket, stack) == []


# tests/unit/handler and tests/simulator lose answers.
@pytest.mark.long
@scenario
def test_an_answer_that_is_lost_is_given_again(app: CdkApp, aws: LocalAws) -> None:
    stack, braket = "FaultLostAnswer", _braket(aws)
    lost_answers.lose(aws.state_directory, stack, ["500", lost_answers.CUT])
    (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    assert lost_answers.left(aws.state_directory, stack) == []
    assert [job["jobArn"] for job in _jobs(braket, stack)] == [outputs["JobArn"]]

    lost_answers.lose(aws.state_directory, stack, [lost_answers.CUT])
    app.destroy(stack_name=stack, seconds=LONG)
    assert lost_answers.left(aws.state_directory, stack) == []
    assert _alive(braket, stack) == []


# tests/unit/handler and tests/simulator lose answers.
@pytest.mark.long
@scenario
def test_an_invocation_whose_answers_are_lost_is_tried_again(app: CdkApp, aws: LocalAws) -> None:
    stack, braket = "FaultAllAnswersLost", _braket(aws)
    lost_answers.lose(aws.state_directory, stack, ["503"] * index.ANSWER_ATTEMPTS)
    (outputs,) = app.deploy(stack_name=stack, seconds=LONG).values()
    assert lost_answers.left(aws.state_directory, stack) == []
    assert [job["jobArn"] for job in _jobs(braket, stack)] == [outputs["JobArn"]]
    timeline.check(aws, stack, outputs["JobArn"])
    app.destroy(stack_name=stack, seconds=LONG)
    assert _alive(braket, stack) == []
