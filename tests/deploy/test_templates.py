"""The projects of `cdk-braket init` deploy as they are, and their jobs complete."""

import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from cdk_braket_cli.main import main
from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.deploy.outcomes import finished
from tests.patience import PATIENCE


def _project(template: str, aws: LocalAws, scratch: Path) -> CdkApp:
    folder = scratch / template
    assert main(["init", str(folder), f"--template={template}", f"--name=T-{template}"]) == 0
    return CdkApp(folder, scratch, environments.of_command(aws))


@pytest.mark.long
@pytest.mark.parametrize("template", ["qaoa", "qpu", "vqe"])
def test_the_job_of_a_project_completes(
    bootstrapped_aws: LocalAws, tmp_path: Path, template: str
) -> None:
    app = _project(template, bootstrapped_aws, tmp_path)
    (outputs,) = app.deploy().values()
    assert finished(bootstrapped_aws, outputs["JobArn"])["status"] == "COMPLETED"
    app.destroy()


@pytest.mark.long
def test_a_team_deploys_into_the_environment_of_the_platform(
    bootstrapped_aws: LocalAws, tmp_path: Path
) -> None:
    app = _project("team", bootstrapped_aws, tmp_path)
    platform = ("--app=python platform_app.py", f"--output={tmp_path / 'platform.out'}")
    command = (environments.CDK, "deploy", "--require-approval=never", *platform)
    subprocess.run(command, cwd=app.folder, env=app.environment, check=True)
    (outputs,) = app.deploy().values()
    assert finished(bootstrapped_aws, outputs["JobArn"])["status"] == "COMPLETED"
    app.destroy()


@pytest.mark.long
@pytest.mark.parametrize("template", ["nightly", "sweep"])
def test_the_state_machine_of_a_project_succeeds(
    bootstrapped_aws: LocalAws, tmp_path: Path, template: str
) -> None:
    app = _project(template, bootstrapped_aws, tmp_path)
    (outputs,) = app.deploy().values()
    states: Any = boto3.client("stepfunctions", **bootstrapped_aws.client_settings)
    machine = outputs["StateMachineArn"]
    if template == "nightly":
        states.start_execution(stateMachineArn=machine)
    deadline = time.monotonic() + PATIENCE
    while True:
        [execution] = states.list_executions(stateMachineArn=machine)["executions"]
        if execution["status"] != "RUNNING" or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert execution["status"] == "SUCCEEDED"
    app.destroy()
