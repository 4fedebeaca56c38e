"""The synth tests pass with the lowest versions that the library accepts."""

import subprocess

import pytest

from tests.docs.snippets import ROOT
from tests.locked_python import locked_python
from tools import lock, setup


@pytest.mark.long
def test_the_synth_tests_pass_with_the_lowest_versions() -> None:
    environment = setup.environment(setup.Checkout(ROOT))
    # The fixtures of the suite import the local AWS, which needs newer versions.
    options = ("-q", "-p", "no:cacheprovider", "--noconftest")
    python = locked_python(ROOT / lock.LOWEST_LOCK, "lowest", "the lowest versions")
    command = (python, "-m", "pytest", *options, "tests/synth")
    done = subprocess.run(
        command,
        cwd=ROOT,
        # The package is not installed there: its sources are used.
        env=environment | {"PYTHONPATH": str(ROOT / "constructs"), "CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
