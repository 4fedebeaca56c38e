"""The example stacks: each is deployed, run, updated and destroyed."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results
from tests.patience import PATIENCE


@pytest.fixture
def app(bootstrapped_aws: LocalAws, tmp_path: Path) -> CdkApp:
    return CdkApp(ROOT, tmp_path, environments.of_command(bootstrapped_aws))


# test_environments.py and test_sharing.py have several jobs on an environment.
@pytest.mark.long
def test_many_jobs_on_one_environment(local_aws: LocalAws, app: CdkApp) -> None:
    (first,) = app.deploy(example="many", iterations=2).values()
    arns = _arns(first)
    assert len(set(arns.values())) == 3
    jobs = [finished(local_aws, arn) for arn in arns.values()]
    assert [job["status"] for job in jobs] == ["COMPLETED"] * 3
    assert len({job["roleArn"] for job in jobs}) == 1
    energies = {
        results(local_aws, value)["energy"]
        for name, value in first.items()
        if name.startswith("ResultsS3Uri")
    }
    assert len(energies) == 3, "each started elsewhere"

    (again,) = app.deploy(example="many", iterations=2).values()
    assert _arns(again) == arns

    (changed,) = app.deploy(example="many", iterations=3).values()
    assert not set(_arns(changed).values()) & set(arns.values())

    app.destroy(example="many", iterations=3)
    over = [finished(local_aws, arn)["status"] for arn in _arns(changed).values()]
    assert set(over) <= {"COMPLETED", "CANCELLED"}
    assert "ManyJobsStack" not in _stacks(local_aws)


# test_sharing.py has references between stacks, test_events.py an alarm.
@pytest.mark.long
def test_another_stack_reads_the_results_and_is_alarmed_by_a_failure(
    local_aws: LocalAws, app: CdkApp
) -> None:
    deployed = app.deploy(example="reader", iterations=2)
    job, reader = deployed["HybridJobStack"], deployed["ResultsReaderStack"]
    finished(local_aws, job["JobArn"])
    energy = results(local_aws, job["ResultsS3Uri"])["energy"]
    _wait_until(lambda: _parameter(local_aws, reader["EnergyParameter"]) == str(energy))
    assert _alarm_action(local_aws, reader["AlarmName"]) == reader["AlarmsTopic"]

    changed = app.deploy(example="reader", iterations=3)
    assert changed["HybridJobStack"]["JobArn"] != job["JobArn"]
    finished(local_aws, changed["HybridJobStack"]["JobArn"])
    energy = results(local_aws, changed["HybridJobStack"]["ResultsS3Uri"])["energy"]
    _wait_until(lambda: _parameter(local_aws, reader["EnergyParameter"]) == str(energy))

    app.destroy(example="reader", iterations=3)
    assert not {"HybridJobStack", "ResultsReaderStack"} & _stacks(local_aws)


# test_running.py has a schedule and runs of a state machine.
@pytest.mark.long
def test_a_run_each_night(local_aws: LocalAws, app: CdkApp) -> None:
    (outputs,) = app.deploy(example="nightly", iterations=2).values()
    first = _night(local_aws, outputs["StateMachineArn"])
    second = _night(local_aws, outputs["StateMachineArn"])
    assert first["JobArn"] != second["JobArn"]
    assert results(local_aws, first["ResultsS3Uri"]) == results(local_aws, second["ResultsS3Uri"])

    (outputs,) = app.deploy(example="nightly", iterations=3).values()
    changed = _night(local_aws, outputs["StateMachineArn"])
    job = finished(local_aws, changed["JobArn"])
    assert job["hyperParameters"]["iterations"] == "3"

    app.destroy(example="nightly", iterations=3)
    assert "NightlyStack" not in _stacks(local_aws)
    assert results(local_aws, changed["ResultsS3Uri"])["energy"]


def _night(local_aws: LocalAws, machine: str) -> Mapping[str, str]:
    """The end of a run that the schedule starts; the test does not wait for the night."""
    settings = local_aws.client_settings
    scheduler: Any = boto3.client("scheduler", **settings)
    states: Any = boto3.client("stepfunctions", **settings)
    targets = [
        scheduler.get_schedule(Name=each["Name"])["Target"]
        for each in scheduler.list_schedules()["Schedules"]
    ]
    [given] = [target["Input"] for target in targets if target["Arn"] == machine]
    arn = states.start_execution(stateMachineArn=machine, input=given)["executionArn"]
    _wait_until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    ended = states.describe_execution(executionArn=arn)
    assert ended["status"] == "SUCCEEDED", ended
    run: Mapping[str, str] = json.loads(ended["output"])
    return run


def _parameter(local_aws: LocalAws, name: str) -> str:
    ssm: Any = boto3.client("ssm", **local_aws.client_settings)
    value: str = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    return value


def _alarm_action(local_aws: LocalAws, name: str) -> str:
    cloudwatch: Any = boto3.client("cloudwatch", **local_aws.client_settings)
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    [action] = alarm["AlarmActions"]
    return str(action)


def _wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _arns(outputs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in outputs.items() if name.startswith("JobArn")}


def _stacks(local_aws: LocalAws) -> set[str]:
    cloudformation = boto3.client("cloudformation", **local_aws.client_settings)
    return {
        stack["StackName"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }
