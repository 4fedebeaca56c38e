"""Two invocations interleaved at every call, three at random: one job in each order."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from cdk_braket._lambda.braket_jobs.contract import Property, RunAction, RunProperty
from cdk_braket._lambda.braket_jobs.handler import index
from tests import length
from tests.simulator.cloudformation import MADE_UP, CloudFormation
from tests.simulator.schedules import (
    Concurrent,
    at_random,
    delivered,
    in_one_thread,
    run_invocation,
    switching,
)
from tests.unit.handler.worlds import RECORDS, properties

TOKENS = pytest.mark.parametrize("tokens", [0.0, 1e12], ids=["forgets", "remembers"])
EVERY = length.steps(3, 1)
"""The step between points at which the second invocation begins: 1 for all points."""

TEXTS = {k: str(v) for k, v in properties().items() if k != "ServiceToken"}
DEFINITION = {k: json.loads(v) if v.startswith("{") else v for k, v in TEXTS.items()}
NEW_PLACE = "s3://amazon-braket-new-inputs/.cdk-braket/jobs"
Invocations = list[Callable[[], object]]
Case = Callable[[Concurrent, CloudFormation], Invocations]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), in_one_thread():
        yield


def doubled_create(world: Concurrent, cfn: CloudFormation) -> Invocations:
    event = cfn.event("Create", properties("A"))
    return [delivered(world, event)] * 2


def doubled_update(world: Concurrent, cfn: CloudFormation) -> Invocations:
    cfn.create(properties("A"))
    event = cfn.event("Update", properties("B"), cfn.held, cfn.props)
    return [delivered(world, event)] * 2


def doubled_start(world: Concurrent, _cfn: CloudFormation) -> Invocations:
    return [run_invocation(world, run_event(RunAction.START))] * 2


def run_event(action: RunAction) -> Mapping[str, object]:
    return {
        RunProperty.ACTION: action,
        RunProperty.EXECUTION: "arn:aws:states:us-east-1:123456789012:execution:Nightly:1",
        RunProperty.RUN_ID: "run",
        RunProperty.PROPERTIES: DEFINITION,
        RunProperty.RECORDS: RECORDS,
    }


def played(case: Case, tokens: float, schedule: Callable[[list[int]], int]) -> Concurrent:
    world = Concurrent(remembers_tokens=tokens)
    cfn = CloudFormation(world, index.respond_to)
    invocations = case(world, cfn)
    world.play(invocations, schedule)
    return world


def interleavings(case: Case, tokens: float) -> Iterator[tuple[int, int]]:
    """Return the start of the second invocation, and the number of its first turns."""
    alone = played(case, tokens, lambda ready: ready[0]).steps
    for at in range(0, alone, EVERY):
        for back in (1, 3, 6, 10, 1000)[:: 1 if EVERY == 1 else 2]:
            yield at, back


def new_jobs(world: Concurrent, case: Case) -> list[str]:
    return list(world.jobs)[1 if case is doubled_update else 0 :]


@TOKENS
@pytest.mark.parametrize("case", [doubled_create, doubled_update, doubled_start])
def test_an_event_that_is_delivered_twice_at_once_is_one_job(case: Case, tokens: float) -> None:
    for at, back in interleavings(case, tokens):
        world = played(case, tokens, switching(at, back))
        assert len(new_jobs(world, case)) == 1, (at, back)
        assert len(world.alive()) == len(world.jobs), (at, back)
        letters = {letter.physical_id for letter in world.letters.values() if letter.ok}
        assert letters <= set(world.jobs), (at, back)


def create_and_delete(world: Concurrent, cfn: CloudFormation) -> Invocations:
    create = cfn.event("Create", properties("A"))
    delete = cfn.event("Delete", properties("A"), MADE_UP)
    return [delivered(world, create), delivered(world, delete)]


def start_and_stop(world: Concurrent, _cfn: CloudFormation) -> Invocations:
    return [
        run_invocation(world, run_event(RunAction.START)),
        run_invocation(world, run_event(RunAction.EXECUTION_ENDED)),
    ]


def start_and_cancel(world: Concurrent, _cfn: CloudFormation) -> Invocations:
    return [
        run_invocation(world, run_event(RunAction.START)),
        run_invocation(world, run_event(RunAction.CANCEL)),
    ]


def assert_no_job_remains(case: Case, tokens: float) -> None:
    for at, back in interleavings(case, tokens):
        world = played(case, tokens, switching(at, back))
        world.time += 60
        assert world.alive() == [], (at, back)


@TOKENS
@pytest.mark.parametrize("case", [create_and_delete, start_and_stop, start_and_cancel])
def test_a_job_that_is_stopped_while_it_is_started_does_not_run_on(
    case: Case, tokens: float
) -> None:
    assert_no_job_remains(case, tokens)


def update_and_rollback(world: Concurrent, cfn: CloudFormation) -> Invocations:
    cfn.create(properties("A"))
    update = cfn.event("Update", properties("B"), cfn.held, cfn.props)
    back = cfn.event("Update", properties("A"), cfn.held, properties("B"))
    return [delivered(world, update), delivered(world, back)]


@TOKENS
def test_an_update_that_is_rolled_back_while_it_runs_leaves_the_job_that_is_held(
    tokens: float,
) -> None:
    for at, back in interleavings(update_and_rollback, tokens):
        world = played(update_and_rollback, tokens, switching(at, back))
        world.time += 60
        assert [job.arn for job in world.alive()] == list(world.jobs)[:1], (at, back)


def doubled_delete(world: Concurrent, cfn: CloudFormation) -> Invocations:
    cfn.create(properties("A"))
    return [delivered(world, cfn.event("Delete", properties("A"), cfn.held))] * 2


def move_and_removal(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """The clean-up of a failed move reads a place while an invocation still writes it."""
    invocations = move_and_rollback(world, cfn)
    delivered(world, cfn.event("Update", properties("A"), cfn.held, cfn.props))()
    delete = cfn.event("Delete", properties("A"), cfn.held)
    return [invocations[0], delivered(world, delete)]


def late_create_and_removal(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """Lambda delivers the Create once more while the stack is deleted."""
    cfn.create(properties("A"))
    return [
        delivered(world, cfn.sent[0]),
        delivered(world, cfn.event("Delete", properties("A"), cfn.held)),
    ]


@TOKENS
@pytest.mark.parametrize("case", [doubled_delete, move_and_removal, late_create_and_removal])
def test_a_stack_that_is_removed_while_another_invocation_runs_leaves_no_job(
    case: Case, tokens: float
) -> None:
    assert_no_job_remains(case, tokens)


def move_and_rollback(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """The environment is replaced, so that the record moves, while another resource fails."""
    cfn.create(properties("A"))
    moved = {**properties("A"), Property.RECORDS: NEW_PLACE}
    update = cfn.event("Update", moved, cfn.held, cfn.props)
    back = cfn.event("Update", properties("A"), cfn.held, moved)
    return [delivered(world, update), delivered(world, back)]


def doubled_rollback(world: Concurrent, cfn: CloudFormation) -> Invocations:
    cfn.create(properties("A"))
    held, props = cfn.held, cfn.props
    cfn.wait_for(cfn.event("Update", properties("B"), held, props))
    return [delivered(world, cfn.event("Update", props, held, properties("B")))] * 2


def late_create_and_update(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """Lambda delivers the Create once more while an Update of the tags runs."""
    cfn.create(properties("A"))
    tags = properties("A", {"team": "other"})
    return [
        delivered(world, cfn.sent[0]),
        delivered(world, cfn.event("Update", tags, cfn.held, cfn.props)),
    ]


@TOKENS
@pytest.mark.parametrize("case", [doubled_rollback, late_create_and_update, move_and_rollback])
def test_the_job_that_is_held_is_the_one_that_is_left(case: Case, tokens: float) -> None:
    for at, back in interleavings(case, tokens):
        world = played(case, tokens, switching(at, back))
        world.time += 60
        assert [job.arn for job in world.alive()] == list(world.jobs)[:1], (at, back)


def late_clean_up_and_way_back(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """The clean-up of a replaced job still runs when a deployment requests it again."""
    cfn.create(properties("A"))
    first, old = cfn.held, cfn.props
    cfn.update(properties("B"))
    clean_up = cfn.event("Delete", old, first)
    back = cfn.event("Update", properties("A"), cfn.held, cfn.props)
    return [delivered(world, clean_up), delivered(world, back)]


def late_failed_create_and_next_create(world: Concurrent, cfn: CloudFormation) -> Invocations:
    """The Delete of a failed Create still runs when the next Create does."""
    roles, world.roles = world.roles, set()
    failed = cfn.wait_for(cfn.event("Create", properties("A")))
    world.roles = roles
    assert failed is not None
    assert not failed.ok
    delete = cfn.event("Delete", properties("A"), failed.physical_id)
    return [delivered(world, delete), delivered(world, cfn.event("Create", properties("A")))]


@TOKENS
@pytest.mark.parametrize("case", [late_clean_up_and_way_back, late_failed_create_and_next_create])
def test_no_job_is_cancelled_that_an_event_was_answered_with(case: Case, tokens: float) -> None:
    for at, back in interleavings(case, tokens):
        world = played(case, tokens, switching(at, back))
        world.time += 60
        letter = world.letters[last_request(world)]
        alive = {job.arn for job in world.alive()}
        assert not letter.ok or letter.physical_id in alive, (at, back)


def last_request(world: Concurrent) -> str:
    """Return the ResponseURL of the last event that requests a job."""
    asking = [url for url, event in world.expected.items() if event["RequestType"] != "Delete"]
    return asking[-1]


def create_twice_and_delete(world: Concurrent, cfn: CloudFormation) -> Invocations:
    create, delete = create_and_delete(world, cfn)
    return [create, create, delete]


def create_three_times(world: Concurrent, cfn: CloudFormation) -> Invocations:
    return doubled_create(world, cfn)[:1] * 3


@TOKENS
def test_three_at_once_in_any_order_are_one_job_or_none(tokens: float) -> None:
    for seed in range(length.steps(60, 3000)):
        world = played(create_three_times, tokens, at_random(seed))
        assert len(world.jobs) == 1, seed
        assert len(world.alive()) == 1, seed
        world = played(create_twice_and_delete, tokens, at_random(seed))
        world.time += 60
        assert world.alive() == [], seed


@TOKENS
def test_a_removal_after_an_update_and_its_rollback_ran_at_once_leaves_no_job(
    tokens: float,
) -> None:
    for seed in range(length.steps(60, 3000)):
        world = played(update_and_rollback, tokens, at_random(seed))
        cfn = CloudFormation(world, index.respond_to)
        world.time += 60
        assert cfn.delete(next(iter(world.jobs)), properties("A")) is not None
        assert world.alive() == [], seed
