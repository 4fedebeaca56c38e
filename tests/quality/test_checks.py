"""The static checks of `./dev check`, as tests: CI runs the suite and nothing else."""

import subprocess
from pathlib import Path

import pytest

from tools import checks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.name)
def test_the_checkout_passes(check: checks.Check) -> None:
    run = subprocess.run(check.command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{check.summary}\n{run.stdout}{run.stderr}"
