"""Scenarios of deployments, played side by side: most of their time is waiting."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp

Scenario = Callable[[CdkApp, LocalAws], None]


def by_name(*scenarios: Scenario) -> dict[str, Scenario]:
    """Scenarios by their names, for a test to be parametrized with."""
    return {scenario.__name__: scenario for scenario in scenarios}


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest,
    bootstrapped_aws: LocalAws,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[None]]]:
    """The scenarios `SCENARIOS` of a module of tests, on its app `APP`, on their way or over."""
    scratch = tmp_path_factory.mktemp("scenarios")
    module = request.module
    with playing(module.SCENARIOS, bootstrapped_aws, module.APP, scratch) as started:
        yield started


@contextmanager
def playing(
    scenarios: Mapping[str, Scenario], aws: LocalAws, folder: Path, scratch: Path
) -> Iterator[Mapping[str, Future[None]]]:
    """Play scenarios on a CDK app; yields them by name, on their way or over.

    Args:
        scenarios: By name.
        aws: A local AWS that is bootstrapped.
        folder: The app's folder.
        scratch: Where each gets a folder for its output.
    """
    environment = environments.of_command(aws)
    with ThreadPoolExecutor(len(scenarios)) as pool:
        started = {}
        for name, scenario in scenarios.items():
            own = scratch / name
            own.mkdir()
            started[name] = pool.submit(scenario, CdkApp(folder, own, environment), aws)
        yield started
