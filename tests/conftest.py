"""What holds for the whole suite."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_local.instance import LocalAws
from tests.exit_code import pytest_configure
from tests.local import environments

__all__ = ["bootstrapped_aws", "local_aws", "pytest_configure"]


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS for the whole session; what tests put in it needs names of its own."""
    with LocalAws.start(tmp_path_factory.mktemp("local-aws")) as aws:
        yield aws


@pytest.fixture(scope="session")
def bootstrapped_aws(local_aws: LocalAws) -> LocalAws:
    """The same local AWS, ready for `cdk deploy`: bootstrapping takes longer than starting."""
    subprocess.run(
        [
            environments.CDK,
            "bootstrap",
            "--no-notices",
            f"aws://{local_aws.account}/{local_aws.region}",
        ],
        cwd=Path(environments.CDK).parents[2],
        env=environments.of_command(local_aws),
        check=True,
        timeout=120,
    )
    return local_aws
