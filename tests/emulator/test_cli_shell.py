"""The environment of a command that talks to the local AWS, and to nothing else."""

import os
import subprocess
from pathlib import Path

import pytest

from cdk_braket_local.control import client_environment

LOCAL_AWS = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "local"}

# What may be set on a machine whose user works with real accounts.
REAL_ACCOUNT = {
    "AWS_PROFILE": "production",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/x",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-2.amazonaws.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CONFIG_FILE": "/home/user/.aws/config",
}


def test_nothing_of_a_real_account_is_left(tmp_path: Path) -> None:
    found = client_environment.command_environment(
        {"HOME": "/home/user"} | REAL_ACCOUNT, LOCAL_AWS, tmp_path
    )
    assert {name: found[name] for name in found if name.startswith("AWS_")} == LOCAL_AWS
    assert found["HOME"] == "/home/user"


def test_variables_without_an_account_are_kept(tmp_path: Path) -> None:
    found = client_environment.command_environment(
        {"AWS_CA_BUNDLE": "/ca.pem"}, LOCAL_AWS, tmp_path
    )
    assert found["AWS_CA_BUNDLE"] == "/ca.pem"


def test_node_programs_of_the_project_come_before_those_on_the_path(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "inner"
    for folder in (inner, tmp_path / "project"):
        (folder / "node_modules" / ".bin").mkdir(parents=True)
    found = client_environment.command_environment({"PATH": "/usr/bin"}, LOCAL_AWS, inner)
    assert found["PATH"].split(os.pathsep) == [
        str(inner / "node_modules/.bin"),
        str(tmp_path / "project/node_modules/.bin"),
        "/usr/bin",
    ]


@pytest.mark.parametrize("value", ["a b", "it's", '"$HOME" `id` \\', "$(touch pwned)", "a\nb", ""])
def test_a_shell_reads_the_exports_as_they_were_meant(tmp_path: Path, value: str) -> None:
    lines = "\n".join(
        client_environment.exports(REAL_ACCOUNT, LOCAL_AWS | {"AWS_ACCESS_KEY_ID": value})
    )
    run = subprocess.run(
        ["sh", "-eu", "-c", 'eval "$1"; printf "%s\\0" "$AWS_ACCESS_KEY_ID"; env -0', "sh", lines],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **REAL_ACCOUNT},
        capture_output=True,
        text=True,
        check=True,
    )
    seen, *variables = run.stdout.rstrip("\0").split("\0")
    assert seen == value
    assert list(tmp_path.iterdir()) == []
    names = {variable.partition("=")[0] for variable in variables}
    assert names & REAL_ACCOUNT.keys() == set()
