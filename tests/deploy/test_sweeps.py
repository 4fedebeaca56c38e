"""Sweeps, deployed: through refusals, a killed function, a stop and a redrive to the table."""

import contextlib
import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_braket._lambda.braket_jobs.contract import FINAL, SWEEP_POINT_TAG, SWEEP_TAG, TOKEN_TAG
from cdk_braket_local.control.instance import LocalAws
from tests.cli.conftest import Cli, cli
from tests.deploy import environments, outcomes
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.test_faults import _kill_handler
from tests.emulator import refused_calls
from tests.length import steps
from tests.patience import PATIENCE

__all__ = ["cli"]

POINTS, SLOTS = steps(10, 200), steps(3, 8)
REFUSED = steps(8, 120)


@pytest.fixture(scope="module")
def app(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> CdkApp:
    return CdkApp(
        ROOT / "tests/deploy/apps/sweep",
        tmp_path_factory.mktemp("sweep"),
        environments.of_command(bootstrapped_aws),
    )


@pytest.fixture(scope="module")
def outputs(app: CdkApp, bootstrapped_aws: LocalAws) -> Iterator[Mapping[str, str]]:
    (outputs,) = app.deploy(points=POINTS, slots=SLOTS).values()
    yield outputs
    app.delete_stacks()
    left = [job for job in _jobs(bootstrapped_aws, "Sweeps-Point") if job["status"] not in FINAL]
    assert left == []


class _Sweep:
    """A deployed sweep."""

    def __init__(self, aws: LocalAws, machine: str) -> None:
        self._aws = aws
        self._machine = machine
        self.states: Any = boto3.client("stepfunctions", **aws.client_settings)

    def start(self) -> str:
        """Start an execution."""
        answer = self.states.start_execution(stateMachineArn=self._machine, input="{}")
        execution: str = answer["executionArn"]
        return execution

    def ended(self, execution: str) -> Mapping[str, Any]:
        """Return the execution when it has ended."""

        def described() -> Mapping[str, Any] | None:
            found: Mapping[str, Any] = self.states.describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        ended: Mapping[str, Any] = _until(described)
        return ended

    def counts(self, execution: str) -> Mapping[str, int]:
        """The states of the points."""
        runs = self.states.list_map_runs(executionArn=execution)["mapRuns"]
        if not runs:
            return Counter()
        [run] = runs
        found: Mapping[str, int] = self.states.describe_map_run(mapRunArn=run["mapRunArn"])[
            "itemCounts"
        ]
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs of the points, with their tags."""
        name = self._machine.rpartition(":")[2]
        found = [job for job in _jobs(self._aws, "") if job["tags"].get(SWEEP_TAG) == name]
        return sorted(found, key=lambda job: str(job["createdAt"]))

    def table(self, execution: Mapping[str, Any]) -> list[dict[str, str]]:
        """The rows of the table that an execution has written."""
        uri = json.loads(execution["output"])["TableS3Uri"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3 = boto3.client("s3", **self._aws.client_settings)
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        return list(csv.DictReader(io.StringIO(text)))


def _jobs(aws: LocalAws, prefix: str) -> list[dict[str, Any]]:
    braket = boto3.client("braket", **aws.client_settings)
    pages = braket.get_paginator("search_jobs").paginate(filters=[])
    found = [job for page in pages for job in page["jobs"] if job["jobName"].startswith(prefix)]
    return [dict(job) for job in found]


def _until(condition: Callable[[], Any]) -> Any:  # noqa: ANN401 - as its condition
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return found


def _write(aws: LocalAws, outputs: Mapping[str, str], key: str) -> None:
    """Write an object that the points' script looks for."""
    s3 = boto3.client("s3", **aws.client_settings)
    s3.put_object(Bucket=outputs["Results"], Key=key, Body=b"")


def _nothing_was_started_twice(jobs: list[dict[str, Any]]) -> None:
    tokens = Counter(job["tags"][TOKEN_TAG] for job in jobs)
    assert set(tokens.values()) <= {1}
    completed = Counter(
        job["tags"][SWEEP_POINT_TAG] for job in jobs if job["status"] == "COMPLETED"
    )
    assert set(completed.values()) <= {1}


# The next test has a failure and a redrive; tests/simulator/test_sweeps.py the other faults.
@pytest.mark.long
def test_many_points_survive_refusals_a_killed_function_a_stop_and_a_redrive(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    sweep = _Sweep(bootstrapped_aws, outputs["ManyArn"])
    storm = ["ThrottlingException", "ServiceQuotaExceededException"] * (REFUSED // 2)
    refused_calls.refuse(bootstrapped_aws.state_directory, "Sweeps-Point", storm)
    execution = sweep.start()
    _until(lambda: refused_calls.left(bootstrapped_aws.state_directory) < REFUSED // 2)
    _until(lambda: list(_kill_handler("Sweeps")))
    _until(lambda: sweep.counts(execution)["succeeded"] >= POINTS // 4)
    running = [job for job in sweep.jobs() if job["status"] not in FINAL]
    assert len(running) <= SLOTS

    sweep.states.stop_execution(executionArn=execution)
    assert sweep.ended(execution)["status"] == "ABORTED"
    _until(lambda: not [job for job in sweep.jobs() if job["status"] not in FINAL])
    before = {job["jobArn"] for job in sweep.jobs() if job["status"] == "COMPLETED"}
    assert 0 < len(before) < POINTS

    sweep.states.redrive_execution(executionArn=execution)
    ended = sweep.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended
    rows = sweep.table(ended)
    assert Counter(row["status"] for row in rows) == {"COMPLETED": POINTS - 1, "FAILED": 1}
    assert rows[1]["failure_reason"].endswith("no minimum was found, exit code: 1")
    assert rows[1]["job_arn"]
    # What had completed before the stop is in the table, and was not run again.
    assert before <= {row["job_arn"] for row in rows}

    _write(bootstrapped_aws, outputs, "jobs/repaired")
    jobs = {job["jobArn"] for job in sweep.jobs()}
    again = sweep.ended(sweep.start())
    assert again["status"] == "SUCCEEDED", again
    [new] = {job["jobArn"] for job in sweep.jobs()} - jobs
    rows = sweep.table(again)
    assert [row["status"] for row in rows] == ["COMPLETED"] * POINTS
    assert rows[1]["job_arn"] == new
    assert [float(row["parameter.theta"]) for row in rows] == [n / 10 for n in range(POINTS)]
    energies = [float(row["metric.energy"]) for row in rows]
    assert energies == pytest.approx([(n / 10) ** 2 for n in range(POINTS)])
    assert all(float(row["instance_hours"]) > 0 for row in rows)
    assert {job["tags"]["purpose"] for job in sweep.jobs()} == {"tests"}
    _nothing_was_started_twice(sweep.jobs())


def test_a_sweep_that_fails_cancels_its_jobs_and_a_redrive_finishes_it(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    s3 = boto3.client("s3", **bootstrapped_aws.client_settings)
    s3.delete_object(Bucket=outputs["Results"], Key="jobs/repaired")
    sweep = _Sweep(bootstrapped_aws, outputs["FailingArn"])
    execution = sweep.start()
    ended = sweep.ended(execution)
    assert (ended["status"], ended["error"]) == (
        "FAILED",
        "States.ExceedToleratedFailureThreshold",
    )
    _until(lambda: all(job["status"] in FINAL for job in sweep.jobs()))
    assert "COMPLETED" not in {job["status"] for job in sweep.jobs()}

    for key in ("jobs/repaired", "jobs/go"):
        _write(bootstrapped_aws, outputs, key)
    sweep.states.redrive_execution(executionArn=execution)
    ended = sweep.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended
    assert [row["metric.energy"] for row in sweep.table(ended)] == ["1.0", "4.0", "9.0"]
    _nothing_was_started_twice(sweep.jobs())


def test_a_deployment_starts_its_sweep(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    sweep = _Sweep(bootstrapped_aws, outputs["DeployedArn"])
    execution = outputs["DeployedExecution"]
    ended = sweep.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended
    summary = json.loads(ended["output"])
    assert (summary["Points"], summary["Completed"]) == (2, 2)
    [job] = [job for job in sweep.jobs() if job["tags"][SWEEP_POINT_TAG] == "0"]
    assert outcomes.finished(bootstrapped_aws, job["jobArn"])["hyperParameters"]["theta"] == "7"
    assert "theta-7" in job["jobName"]


def test_the_command_line_shows_draws_and_controls_sweeps(
    bootstrapped_aws: LocalAws,
    outputs: Mapping[str, str],
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in bootstrapped_aws.environment.items():
        monkeypatch.setenv(name, value)
    execution = outputs["DeployedExecution"]
    _Sweep(bootstrapped_aws, outputs["DeployedArn"]).ended(execution)
    for reference in ("Sweeps/Deployed", outputs["DeployedArn"], execution):
        shown = cli("sweep", "status", reference, "--json")
        assert shown.code == 0, shown.err
        assert (shown.json["execution"], shown.json["points"]["succeeded"]) == (execution, 2)
    table = tmp_path / "table.csv"
    shown = cli("sweep", "table", "Sweeps/Deployed", "--output", str(table))
    assert "49.0" in shown.out, shown.err
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["metric.energy"] for row in rows] == ["49.0", "64.0"]
    plots = {("--x", "theta"): "one.png", ("--x", "theta", "--y", "does"): "two.svg"}
    for axes, name in plots.items():
        file = tmp_path / name
        drawn = cli("sweep", "plot", execution, "--metric", "energy", *axes, "--output", str(file))
        assert drawn.code == 0, drawn.err
        assert file.stat().st_size > 1000
    for arguments, text in {
        ("status", "Sweeps/Nothing"): "no sweep",
        ("status", "Sweeps"): "names several sweeps",
        ("redrive", "Sweeps/Deployed"): "SUCCEEDED",
        ("cancel", "Sweeps/Deployed", "--yes"): "SUCCEEDED",
        ("plot", "Sweeps/Deployed", "--metric", "none", "--x", "theta"): "no point has the metric",
        ("plot", "Sweeps/Deployed", "--metric", "energy", "--x", "no"): "no parameter no",
    }.items():
        refused = cli("sweep", *arguments)
        assert refused.code == 1
        assert text in refused.err

    sweep = _Sweep(bootstrapped_aws, outputs["FailingArn"])
    s3 = boto3.client("s3", **bootstrapped_aws.client_settings)
    s3.delete_object(Bucket=outputs["Results"], Key="jobs/go")
    answer = sweep.states.start_execution(
        stateMachineArn=outputs["FailingArn"], input=json.dumps({"run": "by hand"})
    )
    _until(lambda: sweep.counts(answer["executionArn"])["running"] == 2)
    assert cli("sweep", "cancel", "Sweeps/Failing", "--yes").code == 0
    _until(lambda: cli("sweep", "status", "Sweeps/Failing").code == 4)
    _until(lambda: all(job["status"] in FINAL for job in sweep.jobs()))
    _write(bootstrapped_aws, outputs, "jobs/go")
    _write(bootstrapped_aws, outputs, "jobs/repaired")
    assert cli("sweep", "redrive", "Sweeps/Failing").code == 0
    assert sweep.ended(answer["executionArn"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("lambda:InvokeFunction", "States.ExceedToleratedFailureThreshold"),
        ("s3:GetObject", "States.ItemReaderFailed"),
        ("s3:PutObject", "States.ResultWriterFailed"),
        ("states:StartExecution", "States.AccessDeniedException"),
    ],
)
def test_a_sweep_needs_each_permission_of_its_role(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str], action: str, error: str
) -> None:
    """The points of the sweep that the deployment has started have completed already."""
    sweep = _Sweep(bootstrapped_aws, outputs["DeployedArn"])
    sweep.ended(outputs["DeployedExecution"])
    with _without_action(bootstrapped_aws, outputs["DeployedRole"], action):
        execution = sweep.start()
        ended = sweep.ended(execution)
        assert (ended["status"], ended["error"]) == ("FAILED", error), ended
    # With the permission, a redrive continues it.
    sweep.states.redrive_execution(executionArn=execution)
    ended = sweep.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended


def test_a_redrive_needs_its_permission(
    bootstrapped_aws: LocalAws, outputs: Mapping[str, str]
) -> None:
    sweep = _Sweep(bootstrapped_aws, outputs["DeployedArn"])
    sweep.ended(outputs["DeployedExecution"])
    with _without_action(bootstrapped_aws, outputs["DeployedRole"], "lambda:InvokeFunction"):
        execution = sweep.start()
        assert sweep.ended(execution)["status"] == "FAILED"
    with _without_action(bootstrapped_aws, outputs["DeployedRole"], "states:RedriveExecution"):
        sweep.states.redrive_execution(executionArn=execution)
        assert sweep.ended(execution)["error"] == "States.AccessDeniedException"


@contextlib.contextmanager
def _without_action(aws: LocalAws, role: str, action: str) -> Iterator[None]:
    """Remove an action from all policies of a role, for a while."""
    iam = boto3.client("iam", **aws.client_settings)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    documents: dict[str, Any] = {}
    for arn in (each["PolicyArn"] for each in attached):
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        documents[arn] = found["Document"]
    reduced = {arn: _reduced(document, action) for arn, document in documents.items()}
    changed = [arn for arn, document in reduced.items() if document != documents[arn]]
    assert changed
    for arn in changed:
        _set_policy(iam, arn, reduced[arn])
    try:
        yield
    finally:
        for arn in changed:
            _set_policy(iam, arn, documents[arn])


def _set_policy(iam: Any, arn: str, document: object) -> None:  # noqa: ANN401 - any client
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)


def _listed(actions: str | list[str]) -> list[str]:
    return actions if isinstance(actions, list) else [actions]


def _reduced(document: Any, action: str) -> Any:  # noqa: ANN401 - JSON
    statements = [
        {**statement, "Action": kept}
        for statement in document["Statement"]
        for actions in [statement["Action"]]
        for kept in [[each for each in _listed(actions) if each != action]]
        if kept
    ]
    before = [each for statement in document["Statement"] for each in _listed(statement["Action"])]
    if action not in before:
        return document
    # A policy has at least one statement.
    harmless = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    return {**document, "Statement": statements or [harmless]}
