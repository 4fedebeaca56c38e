"""One local AWS for the whole session: starting it is quick, but bootstrapping it is not."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_local.instance import LocalAws
from tests.local import environments


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS; what tests put in it needs names of its own."""
    with LocalAws.start(tmp_path_factory.mktemp("local-aws")) as aws:
        yield aws


@pytest.fixture(scope="session")
def bootstrapped_aws(local_aws: LocalAws) -> LocalAws:
    """The same local AWS, ready for `cdk deploy`."""
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
