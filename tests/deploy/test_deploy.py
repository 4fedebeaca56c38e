"""The whole of it: the real CDK CLI, a real handler, a job that really runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_s3 import S3Client

PAULI = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


@pytest.fixture
def default_app(bootstrapped_aws: LocalAws, tmp_path: Path) -> CdkApp:
    return CdkApp(ROOT, tmp_path, environments.of_command(bootstrapped_aws))


@pytest.fixture
def patient_app(bootstrapped_aws: LocalAws, tmp_path: Path) -> CdkApp:
    return CdkApp(
        ROOT / "tests/deploy/apps/patient", tmp_path, environments.of_command(bootstrapped_aws)
    )


def test_the_default_stack_deploys_updates_and_is_destroyed(
    local_aws: LocalAws, default_app: CdkApp
) -> None:
    (outputs,) = default_app.deploy().values()
    first = finished(local_aws, outputs["JobArn"])
    assert first["status"] == "COMPLETED", first.get("failureReason")
    assert _energy(local_aws, outputs["ResultsS3Uri"]) == pytest.approx(_exact_energy(), abs=1e-3)
    assert "energy=" in _log(local_aws, outputs["LogGroupName"], outputs["LogStreamPrefix"])

    (unchanged,) = default_app.deploy().values()
    assert unchanged["JobArn"] == outputs["JobArn"]
    assert len(_jobs(local_aws, "HybridJobStack")) == 1

    (changed,) = default_app.deploy(iterations=3).values()
    assert changed["JobArn"] != outputs["JobArn"]
    second = finished(local_aws, changed["JobArn"])
    assert second["status"] == "COMPLETED"
    assert second["hyperParameters"]["iterations"] == "3"
    assert _energy(local_aws, outputs["ResultsS3Uri"]), "the first job's results are still there"

    default_app.destroy()
    assert _energy(local_aws, changed["ResultsS3Uri"]), "results are retained by default"


def test_an_update_replaces_a_running_job_and_destroy_cancels_it(
    local_aws: LocalAws, patient_app: CdkApp
) -> None:
    stack = "PatientReplaced"
    (outputs,) = patient_app.deploy(stack_name=stack, seconds=600).values()
    first = outputs["JobArn"]
    assert _status(local_aws, first) in {"QUEUED", "RUNNING"}

    (outputs,) = patient_app.deploy(stack_name=stack, seconds=601).values()
    second = outputs["JobArn"]
    assert second != first
    assert finished(local_aws, first)["status"] == "CANCELLED"
    assert _status(local_aws, second) in {"QUEUED", "RUNNING"}

    patient_app.destroy(stack_name=stack, seconds=601)
    assert finished(local_aws, second)["status"] == "CANCELLED"


def test_data_with_the_removal_policy_destroy_goes_with_the_stack(
    local_aws: LocalAws, patient_app: CdkApp
) -> None:
    settings = {"stack_name": "PatientGone", "seconds": 0, "removal_policy": "DESTROY"}
    (outputs,) = patient_app.deploy(**settings).values()
    assert finished(local_aws, outputs["JobArn"])["status"] == "COMPLETED"
    bucket = outputs["ResultsS3Uri"].split("/")[2]
    assert bucket in _buckets(local_aws)
    before = _buckets(local_aws)
    patient_app.destroy(**settings)
    assert len(before - _buckets(local_aws)) == 3, "inputs, results and their access logs"
    assert bucket not in _buckets(local_aws)


def test_a_wrong_value_is_reported_before_anything_is_deployed(patient_app: CdkApp) -> None:
    printed = patient_app.fail_to_deploy(stack_name="PatientWrong", seconds="")
    assert "hyperparameters" in printed
    assert "[PatientWrong/Job]" in printed


def _braket(local_aws: LocalAws) -> "BraketClient":
    return boto3.client("braket", **local_aws.client_settings)


def _s3(local_aws: LocalAws) -> "S3Client":
    return boto3.client("s3", **local_aws.client_settings)


def _buckets(local_aws: LocalAws) -> set[str]:
    return {bucket["Name"] for bucket in _s3(local_aws).list_buckets()["Buckets"]}


def _jobs(local_aws: LocalAws, name_prefix: str) -> list[str]:
    found = _braket(local_aws).search_jobs(filters=[])["jobs"]
    return [job["jobArn"] for job in found if job["jobName"].startswith(name_prefix)]


def _status(local_aws: LocalAws, arn: str) -> str:
    return _braket(local_aws).get_job(jobArn=arn)["status"]


def _log(local_aws: LocalAws, group: str, stream_prefix: str) -> str:
    logs = boto3.client("logs", **local_aws.client_settings)
    found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=stream_prefix)
    return "\n".join(event["message"] for event in found["events"])


def _energy(local_aws: LocalAws, results_s3_uri: str) -> float:
    energy = results(local_aws, results_s3_uri)["energy"]
    assert isinstance(energy, float)
    return energy


def _exact_energy() -> float:
    data = ROOT / "examples/h2_vqe/data/h2_hamiltonian.json"
    terms: dict[str, float] = json.loads(data.read_text())["terms"]
    matrix = sum(
        coefficient * np.kron(PAULI[term[0]], PAULI[term[1]]) for term, coefficient in terms.items()
    )
    return float(np.linalg.eigvalsh(matrix)[0])
