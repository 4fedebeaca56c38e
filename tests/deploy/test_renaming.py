"""A construct that is renamed: its logical id can be kept by hand, or moved by a refactoring.

The local AWS has no CreateStackRefactor, so the command only computes the move here.
"""

import boto3
import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.scenarios import scenario

APP = ROOT / "tests/deploy/apps/renamed"


def _jobs(aws: LocalAws) -> set[str]:
    pages = boto3.client("braket", **aws.client_settings).get_paginator("search_jobs")
    found = [job for page in pages.paginate(filters=[]) for job in page["jobs"]]
    return {job["jobArn"] for job in found if job["jobName"].startswith("vqe-Renamed")}


# tests/synth/test_renaming.py has the ids; test_deploy.py deploys an unchanged job.
@pytest.mark.long
@scenario
def test_a_renamed_job_that_keeps_its_logical_id_does_not_run_again(
    app: CdkApp, aws: LocalAws
) -> None:
    (before,) = app.deploy(stack_name="Renamed", job_id="Old").values()
    jobs = _jobs(aws)
    assert before["JobArn"] in jobs
    logical_id = before["LogicalId"]
    (after,) = app.deploy(stack_name="Renamed", job_id="New", logical_id=logical_id).values()
    assert after["JobArn"] == before["JobArn"]
    assert _jobs(aws) == jobs
    (other,) = app.deploy(stack_name="Renamed", job_id="New").values()
    assert other["JobArn"] not in jobs


# The CDK CLI computes the move; the test above needs no refactoring.
@pytest.mark.long
@scenario
def test_a_refactoring_offers_to_move_a_renamed_job(app: CdkApp, aws: LocalAws) -> None:
    del aws
    app.deploy(stack_name="Refactored", job_id="Old")
    printed = app.refactor(stack_name="Refactored", job_id="New")
    assert "Custom::BraketHybridJob" in printed
    assert "Refactored/Old/Resource/Default" in printed
    assert "Refactored/New/Resource/Default" in printed
