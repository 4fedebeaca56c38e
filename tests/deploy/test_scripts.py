"""Scripts in the manner of public examples, deployed by a stack and started by the Braket SDK.

The expected values are from theory. The first run builds the environment of the base image with uv,
which needs a package index; it is kept for later runs.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from braket.aws import AwsQuantumJob, AwsSession
from braket.jobs.config import InstanceConfig

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.apps.scripts.cases import CASES, Case
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results
from tests.emulator.jobs import log_of
from tests.length import IS_LONG

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
NAMES = [name for name, case in CASES.items() if IS_LONG or not case.is_long]
# Those that are left out of a brief run, which has FailingRequirements for their pip.
EACH = [
    pytest.param(name, marks=pytest.mark.long) if case.is_long else name
    for name, case in CASES.items()
]
# A brief run has the jobs of the last tests alone, which read more of them than their results.
BRIEF_BY_SDK = ("Qaoa", "Tasks", "FailingRequirements")
Saved = Mapping[str, Any]


def _ring(gamma: float, beta: float) -> float:
    """The energy of the ring by theory.

    Source: https://arxiv.org/abs/1706.02998, equation 14, for an edge whose nodes have one other
    neighbor each, and no triangle. Its gamma is -2 times that of the script, and its cost of an
    edge is (1 - ZZ) / 2.
    """
    cut = 0.5 - 0.5 * math.sin(4 * beta) * math.sin(2 * gamma) * math.cos(2 * gamma)
    return 4 * (1 - 2 * cut)


def _slopes(gamma: float, beta: float) -> tuple[float, float]:
    step = 1e-6
    return (
        (_ring(gamma + step, beta) - _ring(gamma - step, beta)) / (2 * step),
        (_ring(gamma, beta + step) - _ring(gamma, beta - step)) / (2 * step),
    )


def _qaoa(saved: Saved) -> None:
    gamma, beta = 0.3, -0.2
    assert saved["shift"] == pytest.approx(saved["adjoint"])
    assert saved["adjoint"][0] == pytest.approx(_ring(gamma, beta))
    assert saved["adjoint"][1:] == pytest.approx(_slopes(gamma, beta), abs=1e-6)


def _qcbm(saved: Saved) -> None:
    # Rotations by 2 asin(√0.7) and 0, and a CNOT, have exactly the distribution of the file.
    assert saved["loss"] < 1e-8
    assert saved["learned"] == pytest.approx([0.3, 0, 0, 0.7], abs=1e-3)


def _first(saved: Saved) -> None:
    assert saved == {"terms": 2, "sum": 1.5, "resumed at": 0}


def _second(saved: Saved) -> None:
    # The sum of five terms is 2 - 2⁻⁴.
    assert saved == {"terms": 5, "sum": 1.9375, "resumed at": 2}


def _typed(saved: Saved) -> None:
    assert saved["values"] == [1, 2.5, "x", "7", -3, 1e-3, "a b", 0]


EXPECTATIONS = [math.cos(0.5 * number) for number in range(4)]


def _tasks(saved: Saved) -> None:
    assert saved["values"] == pytest.approx(EXPECTATIONS)


def _requirements(saved: Saved) -> None:
    assert saved == {"ran": True}


def _rotation(saved: Saved) -> None:
    assert saved["value"] == pytest.approx(math.cos(0.7))


CHECKS: Mapping[str, Callable[[Saved], None]] = {
    "Qaoa": _qaoa,
    "Qcbm": _qcbm,
    "First": _first,
    "Second": _second,
    "Typed": _typed,
    "Tasks": _tasks,
    "FailingRequirements": _requirements,
    "Notebook": _rotation,
    "Function": _rotation,
}


# --- By a stack. ---


@pytest.fixture(scope="module")
def deployed(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    folder, scratch = ROOT / "tests/deploy/apps/scripts", tmp_path_factory.mktemp("scripts")
    app = CdkApp(folder, scratch, environments.of_command(bootstrapped_aws))
    names = json.dumps(NAMES)
    (outputs,) = app.deploy(names=names).values()
    yield outputs
    app.destroy(names=names)


@pytest.mark.parametrize("name", [*EACH, "Function"])
def test_a_deployed_script_has_its_results(
    bootstrapped_aws: LocalAws, deployed: Mapping[str, str], name: str
) -> None:
    job = finished(bootstrapped_aws, deployed[f"{name}Arn"])
    logs = boto3.client("logs", **bootstrapped_aws.client_settings)
    assert job["status"] == "COMPLETED", (
        f"{job.get('failureReason')}\n{log_of(logs, job['jobName'])}"
    )
    CHECKS[name](results(bootstrapped_aws, deployed[f"{name}Results"]))


# --- By the SDK. ---


@pytest.fixture(scope="module")
def session(
    bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AwsSession]:
    with pytest.MonkeyPatch.context() as patch:
        # The SDK downloads to where it is.
        patch.chdir(tmp_path_factory.mktemp("downloads"))
        for name, value in bootstrapped_aws.environment.items():
            patch.setenv(name, value)
        yield AwsSession(boto3.Session(region_name=bootstrapped_aws.region))


def _created(session: AwsSession, case: Case, before: AwsQuantumJob | None) -> AwsQuantumJob:
    previous = {"previous": before.name} if before else {}
    return AwsQuantumJob.create(
        case.device,
        source_module=str(case.path),
        entry_point=case.entry_point,
        hyperparameters={**case.hyperparameters, **previous},
        input_data={channel: str(case.path.parent / file) for channel, file in case.inputs.items()},
        copy_checkpoints_from_job=before.arn if before else None,
        instance_config=InstanceConfig("ml.m5.large"),
        aws_session=session,
    )


@pytest.fixture(scope="module")
def started(session: AwsSession) -> Mapping[str, AwsQuantumJob]:
    """All jobs, side by side as far as they do not wait for each other."""
    jobs: dict[str, AwsQuantumJob] = {}
    for name in NAMES if IS_LONG else BRIEF_BY_SDK:
        before = jobs.get(CASES[name].resumes or "")
        if before is not None:
            before.result(poll_interval_seconds=1)
        jobs[name] = _created(session, CASES[name], before)
    return jobs


# Above, a stack runs the same scripts; test_sdk_defaults.py has a job that the SDK starts.
@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_sdk_starts_a_script_and_gets_its_results(
    started: Mapping[str, AwsQuantumJob], name: str
) -> None:
    job = started[name]
    saved = job.result(poll_interval_seconds=1)
    assert job.state() == "COMPLETED", job.metadata().get("failureReason")
    CHECKS[name](saved)


def test_the_sdk_gets_the_metrics_of_tasks(started: Mapping[str, AwsQuantumJob]) -> None:
    job = started["Tasks"]
    job.result(poll_interval_seconds=1)
    metrics = job.metrics()
    by_number = dict(zip(metrics["iteration_number"], metrics["expectation"], strict=True))
    assert [by_number[number] for number in range(4)] == pytest.approx(EXPECTATIONS)


def test_the_image_of_a_script_with_pennylane_is_built(
    started: Mapping[str, AwsQuantumJob], capsys: pytest.CaptureFixture[str]
) -> None:
    started["Qaoa"].logs(wait=True, poll_interval_seconds=1)
    assert "Amazon Braket's base image, built with uv" in capsys.readouterr().out


def test_the_log_of_the_sdk_names_the_failed_requirement(
    started: Mapping[str, AwsQuantumJob], capsys: pytest.CaptureFixture[str]
) -> None:
    started["FailingRequirements"].logs(wait=True, poll_interval_seconds=1)
    assert "not_there" in capsys.readouterr().out
