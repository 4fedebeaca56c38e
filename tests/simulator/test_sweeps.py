"""Ten thousand points in virtual time: the rate of starts, the jobs, the histories, the price."""

from collections.abc import Mapping

from cdk_braket.jobs.sweep_states import SweepSettings, sweep_states
from cdk_braket.request.sweep_points import PointsFormat
from tests.length import steps
from tests.simulator.sweeps import DEFINITION, Braket, Simulation

POINTS = steps(320, 10_000)
MOST_EVENTS = 25_000


def _states(max_concurrency: int, poll_seconds: float = 300) -> Mapping[str, object]:
    return sweep_states(
        SweepSettings(
            partition="aws",
            function_arn="arn:aws:lambda:us-east-1:123456789012:function:handler",
            points=("assets", "points.json"),
            format=PointsFormat.JSON,
            results=("results", "sweeps/S"),
            records="s3://amazon-braket-inputs/.cdk-braket/jobs",
            properties=DEFINITION,
            max_concurrency=max_concurrency,
            tolerated={},
            poll_seconds=poll_seconds,
        )
    )


def _is_whole(simulation: Simulation) -> None:
    """Every point has one job, which has completed, and every history has room."""
    assert simulation.statuses() == {"SUCCEEDED": len(simulation.children)}
    assert set(simulation.jobs_of_points().values()) == {1}
    assert len(simulation.jobs_of_points()) == len(simulation.children)
    assert simulation.world.alive() == []
    assert max(child.events for child in simulation.children) < MOST_EVENTS


def test_starts_are_as_fast_as_the_quota_and_none_is_twice() -> None:
    """Jobs of a minute in a hundred slots: the rate of CreateJob limits the sweep."""
    braket = Braket(slots=100)
    simulation = Simulation(_states(100), POINTS, braket, kills=0.0)
    simulation.run()
    _is_whole(simulation)
    # While points are left to begin: the last ones wait for their own retries.
    steady = braket.starts[: len(braket.starts) * 3 // 4]
    rate = (len(steady) - braket.burst) / (steady[-1] - steady[0])
    assert 0.95 <= rate <= 1.0
    # The page and the decision record state less than two dollars for ten thousand points.
    assert simulation.dollars() / POINTS * 10_000 < 2


def test_killed_functions_and_lost_events_lose_and_double_no_job() -> None:
    braket = Braket(slots=20)
    simulation = Simulation(_states(20), POINTS // 4, braket, kills=0.1, lost_events=0.1)
    simulation.run()
    _is_whole(simulation)


def test_few_slots_are_never_idle_for_long() -> None:
    """Jobs of two minutes in the five slots of a new account: the slots limit the sweep."""
    points = POINTS // 4
    braket = Braket(slots=5)
    simulation = Simulation(_states(5), points, braket, job_seconds=120)
    simulation.run()
    _is_whole(simulation)
    duration = braket.starts[-1] - braket.starts[0]
    least = points / 5 * 120
    assert duration < 1.15 * least
    assert not braket.refusals["ServiceQuotaExceededException"]


def test_slots_that_others_use_delay_the_points_and_fail_none() -> None:
    """The account has two slots left for a sweep that would use eight."""
    points = POINTS // 8
    braket = Braket(slots=2)
    simulation = Simulation(_states(8), points, braket, job_seconds=60)
    simulation.run()
    _is_whole(simulation)
    assert braket.refusals["ServiceQuotaExceededException"]
