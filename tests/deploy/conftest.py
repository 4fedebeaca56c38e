"""Fixtures of the deployments."""

from collections.abc import Iterator

import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.deploy import scenarios


@pytest.fixture(scope="module")
def started_scenarios(
    request: pytest.FixtureRequest,
    bootstrapped_aws: LocalAws,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[scenarios.Started]:
    """The selected scenarios of a module of tests, on its app `APP`, running or finished."""
    chosen, app = scenarios.selected(request), request.module.APP
    scratch = tmp_path_factory.mktemp("scenarios")
    with scenarios.running(chosen, bootstrapped_aws, app, scratch) as started:
        yield started
