"""The import rules find an import in each direction that they forbid."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# One import against each rule.
_FORBIDDEN = {
    "cdk_braket/core/tokens.py": "import cdk_braket.jobs.hybrid_job",
    "cdk_braket/request/device.py": "import cdk_braket._lambda.braket_jobs.handler.errors",
    "cdk_braket/assets/packaging.py": "import boto3",
    "cdk_braket/interfaces.py": "import cdk_braket_local",
    "cdk_braket/_lambda/braket_jobs/api/model_rules.py": "from .. import contract",
    "cdk_braket/_lambda/braket_jobs/handler/lifecycle.py": "from . import aws_gateway",
    "cdk_braket/_lambda/braket_jobs/handler/errors.py": "import aws_cdk",
    "cdk_braket_local/braket/job.py": "import cdk_braket_local.ministack_adapter.names",
    "cdk_braket_local/braket/plan.py": "import cdk_braket.request.device",
    "cdk_braket_local/server.py": "import ministack",
    "cdk_braket_local/control/instance.py": "import cdk_braket_local.server",
    "cdk_braket_client/results.py": "import cdk_braket_cli.output",
    "cdk_braket_client/job_log.py": "import rich",
    "cdk_braket/unknown_folder.py": "",
}


def test_every_rule_is_broken_by_an_import_against_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "constructs", tmp_path / "constructs")
    for name, line in _FORBIDDEN.items():
        with (tmp_path / "constructs" / name).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'constructs'}:{ROOT}"}
    run = subprocess.run(
        [sys.executable, "-m", "tools.import_rules"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "unknown_folder" in run.stdout
    assert " KEPT" not in run.stdout, run.stdout
