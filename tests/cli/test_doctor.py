"""`cdk-braket doctor` on an account that lacks everything, or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_cli.commands.doctor import CHECKS
from tests.cli.conftest import Cli
from tests.cli.stubs import StubbedClients, stubbed

CALLER = {
    "Account": "111122223333",
    "Arn": "arn:aws:iam::111122223333:user/ada",
    "UserId": "AIDA",
}


def role(name: str) -> dict[str, object]:
    return {
        "Role": {
            "Path": "/",
            "RoleName": name,
            "RoleId": "A" * 16,
            "Arn": f"arn:aws:iam::111122223333:role/{name}",
            "CreateDate": "2026-01-01",
        }
    }


def program(folder: Path, name: str, version: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{version}'\n")
    file.chmod(0o755)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedClients]:
    with stubbed(monkeypatch) as clients:
        yield clients


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a new Node and CDK CLI on a PATH that has nothing else."""
    monkeypatch.chdir(tmp_path)
    programs = tmp_path / "node_modules" / ".bin"
    programs.mkdir(parents=True)
    program(programs, "node", "v24.1.0")
    program(programs, "cdk", "2.1148.1 (build 0)")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return programs


def expect_everything(aws: StubbedClients) -> None:
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.expect("ssm", "get_parameter", {"Parameter": {"Value": "30"}}, Name=PARAMETER)
    name = "AWSServiceRoleForAmazonBraket"
    aws.expect("iam", "get_role", role(name), RoleName=name)


PARAMETER = "/cdk-bootstrap/hnb659fds/version"
QUOTAS = {
    "Quotas": [
        {"QuotaName": "Number of ml.m5.large for jobs", "QuotaCode": "L-1", "Value": 3.0},
        {"QuotaName": "Number of ml.p3.2xlarge for jobs", "QuotaCode": "L-2", "Value": 0.0},
    ]
}


def states(cli: Cli, *arguments: str) -> tuple[int, dict[str, str]]:
    done = cli("doctor", "--json", *arguments)
    return done.code, {each["check"]: each["state"] for each in done.json}


def test_a_complete_account_passes(cli: Cli, aws: StubbedClients) -> None:
    expect_everything(aws)
    aws.expect("service-quotas", "list_service_quotas", QUOTAS, ServiceCode="braket")
    code, found = states(cli)
    assert code == 0
    assert list(found) == list(CHECKS)
    assert found.pop("user agreement") == "not checked"
    assert set(found.values()) == {"ok"}


def test_each_missing_part_comes_with_its_fix(cli: Cli, aws: StubbedClients, project: Path) -> None:
    program(project, "node", "v16.20.0")
    program(project, "cdk", "3.0.0")
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.refuse("ssm", "get_parameter", "ParameterNotFound")
    aws.refuse("iam", "get_role", "NoSuchEntity")
    aws.expect("service-quotas", "list_service_quotas", QUOTAS, ServiceCode="braket")
    done = cli("doctor", "--json", "--instance-type=ml.p3.2xlarge")
    assert done.code == 1
    fixes = {each["check"]: each["fix"] for each in done.json if each["state"] == "missing"}
    assert fixes.keys() == {"Node", "CDK CLI", "bootstrap", "service-linked role", "quota"}
    assert "npm install --save-dev aws-cdk@2" in fixes["CDK CLI"]
    assert "cdk bootstrap aws://111122223333/us-east-1" in fixes["bootstrap"]
    assert "create-service-linked-role" in fixes["service-linked role"]
    assert "L-2" in fixes["quota"]


def test_a_check_that_is_not_allowed_is_reported_as_such(cli: Cli, aws: StubbedClients) -> None:
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.refuse("ssm", "get_parameter", "AccessDeniedException")
    aws.refuse("iam", "get_role", "AccessDenied")
    aws.refuse("service-quotas", "list_service_quotas", "AccessDeniedException")
    code, found = states(cli)
    assert code == 0
    assert [name for name, state in found.items() if state == "not checked"] == [
        "bootstrap",
        "service-linked role",
        "quota",
        "user agreement",
    ]


def test_an_old_bootstrap_of_another_qualifier_is_found(
    cli: Cli, aws: StubbedClients, tmp_path: Path
) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {"@aws-cdk/core:bootstrapQualifier": "mine"}}')
    aws.expect("sts", "get_caller_identity", CALLER)
    aws.expect("sts", "get_caller_identity", CALLER)
    name = "/cdk-bootstrap/mine/version"
    aws.expect("ssm", "get_parameter", {"Parameter": {"Value": "5"}}, Name=name)
    aws.refuse("iam", "get_role", "AccessDenied")
    aws.refuse("service-quotas", "list_service_quotas", "AccessDenied")
    code, found = states(cli)
    assert (code, found["bootstrap"]) == (1, "missing")


def test_credentials_that_do_not_work_are_missing(cli: Cli, aws: StubbedClients) -> None:
    aws.refuse("sts", "get_caller_identity", "ExpiredToken")
    aws.refuse("sts", "get_caller_identity", "ExpiredToken")
    aws.refuse("iam", "get_role", "ExpiredToken")
    aws.refuse("service-quotas", "list_service_quotas", "ExpiredToken")
    code, found = states(cli)
    assert (code, found["endpoint and credentials"]) == (1, "missing")
