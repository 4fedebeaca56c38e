"""Scenarios of deployments: tests that run side by side, as most of their time is waiting.

All selected scenarios of a module start with the first of its tests. Each test waits for its own
scenario, and fails as that one does.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import environments
from tests.deploy.cdk import CdkApp

Scenario = Callable[[CdkApp, LocalAws], None]
Started = Mapping[str, Future[None]]


def scenario(function: Scenario) -> Callable[[Started], None]:
    """Turn a scenario into a test of the same name."""

    def test(started_scenarios: Started) -> None:
        started_scenarios[function.__name__].result()

    # Not functools.wraps: pytest would look for fixtures of the scenario's own arguments.
    test.__name__, test.__doc__ = function.__name__, function.__doc__
    vars(test)["scenario"] = function
    return test


def selected(request: pytest.FixtureRequest) -> dict[str, Scenario]:
    """Return the scenarios of the module of a request that are to run, by name."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    ours = [test.function for test in tests if test.module is request.module]
    return {each.__name__: each.scenario for each in ours if hasattr(each, "scenario")}


@contextmanager
def running(
    scenarios: Mapping[str, Scenario], aws: LocalAws, folder: Path, scratch: Path
) -> Iterator[Started]:
    """Run scenarios on a CDK app.

    Args:
        scenarios: The scenarios, by name.
        aws: A local AWS that is bootstrapped.
        folder: The app's folder.
        scratch: The folder for a folder of output for each.

    Yields:
        The scenarios, running or finished, by name.
    """
    environment = environments.of_command(aws)
    with ThreadPoolExecutor(len(scenarios)) as pool:
        started = {}
        for name, each in scenarios.items():
            output = scratch / name
            output.mkdir()
            started[name] = pool.submit(each, CdkApp(folder, output, environment), aws)
        yield started
