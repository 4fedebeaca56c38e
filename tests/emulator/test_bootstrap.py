"""The settings of an app that decide how the local AWS is bootstrapped for it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cdk_braket_local import bootstrap
from cdk_braket_local.ministack_adapter.environment import IAM_DELAY

QUALIFIER = "@aws-cdk/core:bootstrapQualifier"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    return tmp_path / "app"


def write(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content))


def options(home: Path, app: Path, *users_command: str) -> list[str]:
    environment = {"CDK_DEFAULT_ACCOUNT": "1", "AWS_REGION": "r", "HOME": str(home)}
    command = bootstrap.command(
        "cdk", environment=environment, directory=app, users_command=users_command
    )
    assert command[:5] == ["cdk", "bootstrap", "--no-notices", "--app=", "aws://1/r"]
    return command[5:]


def test_an_app_without_settings_gets_the_defaults(home: Path, app: Path) -> None:
    assert options(home, app, "cdk", "deploy") == []


def test_the_files_count_in_the_order_of_the_cdk_cli(home: Path, app: Path) -> None:
    write(home / ".cdk.json", {"context": {QUALIFIER: "user"}, "toolkitStackName": "User"})
    assert options(home, app) == ["--qualifier=user", "--toolkit-stack-name=User"]
    write(app / "cdk.context.json", {QUALIFIER: "cached"})
    assert options(home, app) == ["--qualifier=cached", "--toolkit-stack-name=User"]
    write(app / "cdk.json", {"context": {QUALIFIER: "project"}, "toolkitStackName": "Project"})
    assert options(home, app) == ["--qualifier=project", "--toolkit-stack-name=Project"]


@pytest.mark.parametrize("given", [["-c", f"{QUALIFIER}=given"], [f"--context={QUALIFIER}=given"]])
def test_options_of_the_command_have_priority(home: Path, app: Path, given: list[str]) -> None:
    write(app / "cdk.json", {"context": {QUALIFIER: "project"}, "toolkitStackName": "Project"})
    command = ["npx", "cdk", "deploy", "-c", "other=x", *given, "--toolkit-stack-name", "Given"]
    assert options(home, app, *command) == ["--qualifier=given", "--toolkit-stack-name=Given"]


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_file_that_cannot_be_read_is_named(home: Path, app: Path, content: str) -> None:
    (app / "cdk.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(bootstrap.BootstrapError, match=r"cdk\.json: expected .*Correct the file"):
        options(home, app)


@pytest.mark.parametrize(("delay", "slept"), [("", []), ("20", [21])])
def test_with_late_policies_the_roles_of_the_bootstrap_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, delay: str, slept: list[float]
) -> None:
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    lines: list[str] = []
    environment = {**os.environ, IAM_DELAY: delay}
    with (tmp_path / "log").open("wb") as log:
        code = bootstrap.run(
            ["true"], environment=environment, scratch=tmp_path, output=log, report=lines.append
        )
    assert code == 0
    assert [seconds for seconds in found if seconds >= 1] == slept
    assert len(lines) == len(slept)
