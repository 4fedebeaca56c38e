"""The synth tests pass with the lowest versions that the library accepts."""

import subprocess
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT
from tools import lock, setup


def _lowest_python() -> Path:
    """Return the Python of the environment, which is created if its lock has changed."""
    checkout = setup.Checkout(ROOT)
    folder, locked = checkout.cache / "lowest", ROOT / lock.LOWEST_LOCK
    python = folder / "bin" / "python"

    def create(commands: setup.Commands) -> None:
        commands.create_venv(folder)
        commands.sync(python, locked)

    title = f"the lowest versions into .cache/lowest, from {locked.name}"
    fingerprint = setup.digest(locked.read_bytes(), *setup.place(checkout))
    setup.set_up(checkout, print, setup.Step(title, folder, fingerprint, create))
    return python


@pytest.mark.long
def test_the_synth_tests_pass_with_the_lowest_versions() -> None:
    environment = setup.environment(setup.Checkout(ROOT))
    # The fixtures of the suite import the local AWS, which needs newer versions.
    options = ("-q", "-p", "no:cacheprovider", "--noconftest")
    command = (_lowest_python(), "-m", "pytest", *options, "tests/synth")
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
