"""What holds for the whole suite."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk_braket_local.instance import LocalAws
from tests.local import environments


class _ExitCodeOfCtrlC:
    """Ends an interrupted run with the exit code that shells give it: 130, where pytest has 2."""

    def __init__(self) -> None:
        self._interrupted = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # Pytest's own ways to stop, such as --maxfail, derive from the same exception.
        self._interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._interrupted:
            session.exitstatus = 128 + signal.SIGINT


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_ExitCodeOfCtrlC())


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
