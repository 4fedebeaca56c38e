"""CDK's own validation against CloudFormation's schemas finds nothing in our templates."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import length
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
RESERVATION = (
    "arn:aws:braket:us-east-1:111122223333:reservation/a1b2c3d4-5678-90ab-cdef-1234567890ab"
)

APPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "default": (".", {}),
    "hardened": ("tests/deploy/apps/hardened", {}),
    "reader": (".", {"example": "reader"}),
    "nightly": (".", {"example": "nightly"}),
    "every_argument": (
        "examples/every_argument",
        {"data_bucket": "measured-data", "reservation_arn": RESERVATION},
    ),
    "verify_on_aws": ("examples/verify_on_aws", {}),
}


@pytest.mark.parametrize("app", length.first(1, APPS))
def test_an_app_has_no_violations(app: str, tmp_path: Path) -> None:
    folder, context = APPS[app]
    assert _violations(ROOT / folder / "app.py", tmp_path, context) == []


def test_a_violation_is_found(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        """
from aws_cdk import App, CfnResource, Stack
app = App()
CfnResource(Stack(app, "Stack"), "Bucket", type="AWS::S3::Bucket", properties={"Unknown": 1})
app.synth()
"""
    )
    assert any("Unknown" in each for each in _violations(app, tmp_path, {}))


def _violations(app: Path, scratch: Path, context: Mapping[str, str]) -> list[str]:
    """Synthesize an app as the CDK CLI does, and return the reports of its validation."""
    assembly = scratch / "cdk.out"
    assembly.mkdir()
    settings = json.loads((app.parent / "cdk.json").read_text()) if scratch != app.parent else {}
    environment = {
        **os.environ,
        "CDK_VALIDATION": "true",
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps({**settings.get("context", {}), **context}),
        "CDK_DEFAULT_ACCOUNT": "111122223333",
        "CDK_DEFAULT_REGION": "us-east-1",
    }
    finished = subprocess.run(
        [sys.executable, app.name],
        cwd=app.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return list(_reported(assembly))


def _reported(assembly: Path) -> Iterator[str]:
    # A validation that finds nothing reports nothing; the second test sees that it runs.
    reports = json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
    for report in reports:
        for violation in report["violations"]:
            where = violation["violatingConstructs"][0]["constructPath"]
            yield f"{violation['ruleName']} {where}: {violation['description']}"
