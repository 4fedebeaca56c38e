"""The example stacks: each is deployed, run, updated and destroyed."""

from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest

from cdk_braket_local.instance import LocalAws
from tests.local import environments
from tests.local.cdk import CdkApp
from tests.local.environments import ROOT
from tests.local.outcomes import finished, results


@pytest.fixture
def app(bootstrapped_aws: LocalAws, tmp_path: Path) -> CdkApp:
    return CdkApp(ROOT, tmp_path, environments.of_command(bootstrapped_aws))


def test_many_jobs_on_one_environment(local_aws: LocalAws, app: CdkApp) -> None:
    (first,) = app.deploy(example="sweep", iterations=2).values()
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

    (again,) = app.deploy(example="sweep", iterations=2).values()
    assert _arns(again) == arns

    (changed,) = app.deploy(example="sweep", iterations=3).values()
    assert not set(_arns(changed).values()) & set(arns.values())

    app.destroy(example="sweep", iterations=3)
    over = [finished(local_aws, arn)["status"] for arn in _arns(changed).values()]
    assert set(over) <= {"COMPLETED", "CANCELLED"}
    assert "SweepStack" not in _stacks(local_aws)


def _arns(outputs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in outputs.items() if name.startswith("JobArn")}


def _stacks(local_aws: LocalAws) -> set[str]:
    cloudformation = boto3.client("cloudformation", **local_aws.client_settings)
    return {
        stack["StackName"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    }
