"""Fixtures and settings of the whole suite."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from cdk_braket_local.control.instance import LocalAws
from cdk_braket_local.settings import IMAGE_STANDIN
from tests.deploy import environments
from tests.deploy.cdk import CdkApp
from tests.emulator import leaks
from tests.exit_code import pytest_configure
from tests.length import (
    pytest_collection_modifyitems,
    pytest_report_header,
    pytest_terminal_summary,
    pytest_testnodedown,
)

# aws-cdk-lib checks templates against CloudFormation's schemas in every process that synthesizes,
# which takes longer than the rest. tests/quality/test_templates.py turns it on.
os.environ["CDK_VALIDATION"] = "false"

# A slow machine makes a test slow, and not red.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

__all__ = [
    "bootstrapped_aws",
    "local_aws",
    "no_leaks",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_report_header",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]


@pytest.fixture(scope="session", autouse=True)
def no_leaks() -> Iterator[None]:
    """Every local AWS of the session is looked through for secrets when it is stopped."""
    with leaks.watched():
        yield


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS for the whole session; resources of tests in it need unique names.

    It accepts stand-ins: examples have several instances and images with GPUs.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(IMAGE_STANDIN, "1")
        aws = LocalAws.start(tmp_path_factory.mktemp("local-aws"))
    with aws:
        yield aws


@pytest.fixture(scope="session")
def bootstrapped_aws(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> LocalAws:
    """The same local AWS, ready for `cdk deploy`: bootstrapping takes longer than starting."""
    scratch = tmp_path_factory.mktemp("bootstrap")
    CdkApp(environments.ROOT, scratch, environments.of_command(local_aws)).bootstrap()
    return local_aws
