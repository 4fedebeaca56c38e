"""The environment of a command that talks to the local AWS, as from `cdk-braket-local run`."""

import os
from pathlib import Path

from cdk_braket_local.control import client_environment
from cdk_braket_local.control.instance import LocalAws

ROOT = Path(__file__).resolve().parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"


def of_command(aws: LocalAws) -> dict[str, str]:
    """The whole environment of a command that talks to this local AWS."""
    return client_environment.command_environment(os.environ, aws.environment, ROOT)
