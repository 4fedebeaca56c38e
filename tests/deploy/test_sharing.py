"""One environment under jobs of its stack, of another stack and of another app, deployed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from cdk_braket._lambda.braket_jobs.contract import RESULTS_FILE
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.environments import ROOT
from tests.deploy.outcomes import finished, results

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef

FOLDER = ROOT / "tests/deploy/apps/sharing"


@pytest.fixture(scope="module")
def app(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> CdkApp:
    scratch = tmp_path_factory.mktemp("sharing")
    return CdkApp(FOLDER, scratch, environments.of_command(bootstrapped_aws))


@pytest.fixture(scope="module")
def deployed(app: CdkApp) -> Iterator[dict[str, str]]:
    """The outputs of both apps, in one."""
    outputs = app.deploy(app="owner") | app.deploy(app="other", text="elsewhere")
    # Without those by which the stacks share what they do.
    yield {
        name: value
        for stack in outputs.values()
        for name, value in stack.items()
        if not name.startswith("Exports")
    }
    app.destroy(app="other", text="elsewhere")
    app.destroy(app="owner")


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("Own1Arn", "own 1"),
        ("Own2Arn", "own 2"),
        ("AcrossArn", "across"),
        ("ElsewhereArn", "elsewhere"),
    ],
)
def test_a_job_runs_wherever_it_is_declared(
    local_aws: LocalAws, deployed: dict[str, str], output: str, text: str
) -> None:
    job = finished(local_aws, deployed[output])
    assert job["status"] == "COMPLETED", job.get("failureReason")
    assert results(local_aws, _results_uri(job)) == {"text": text}


def test_all_jobs_run_as_the_one_role(local_aws: LocalAws, deployed: dict[str, str]) -> None:
    jobs = [finished(local_aws, arn) for arn in deployed.values()]
    assert len({job["roleArn"] for job in jobs}) == 1
    assert len({job["outputDataConfig"]["s3Path"].split("/")[2] for job in jobs}) == 1


# test_deploy.py deploys an unchanged and a changed job.
@pytest.mark.long
def test_a_change_in_one_app_runs_only_its_own_job_again(
    local_aws: LocalAws, app: CdkApp, deployed: dict[str, str]
) -> None:
    (outputs,) = app.deploy(app="other", text="something else").values()
    assert outputs["ElsewhereArn"] != deployed["ElsewhereArn"]
    job = finished(local_aws, outputs["ElsewhereArn"])
    assert results(local_aws, _results_uri(job)) == {"text": "something else"}
    again = app.deploy(app="owner")
    assert again["SharingOwner"]["Own1Arn"] == deployed["Own1Arn"]
    assert again["SharingConsumer"]["AcrossArn"] == deployed["AcrossArn"]


def _results_uri(job: "GetJobResponseTypeDef") -> str:
    return f"{job['outputDataConfig']['s3Path']}/{RESULTS_FILE}"
