"""The record: its table of states, its versions, and the order of events."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cdk_braket._lambda.braket_jobs.contract import CANCELLED, OnDelete
from cdk_braket._lambda.braket_jobs.handler.job_record import (
    CLOCK_SKEW_SECONDS,
    CREATE,
    DELETE,
    LET_GO,
    TRANSITIONS,
    UPDATE,
    VERSION,
    JobRecord,
    Run,
    Seen,
    State,
    Step,
    UnreadableRecordError,
    load,
)
from tests.unit.handler.worlds import Killed, Stack, World, properties

OLD = json.loads((Path(__file__).parent / "records_of_version_1.json").read_text())


def run(state: State = State.WANTED, **facts: object) -> Run:
    return Run("definition", 1, "token", {}, 0.0, state=state, **facts)  # type: ignore[arg-type]


# --- The table. ---


@pytest.mark.parametrize(("state", "step"), list(itertools.product(State, Step)))
def test_every_step_in_every_state_follows_the_table(state: State, step: Step) -> None:
    after = run(state).after(step, failure="new")
    expected = TRANSITIONS[state].get(step)
    assert after.state is (state if expected is None else expected)
    assert (after.failure == "new") is (expected is not None)


def test_the_table_has_every_state_and_each_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {State.WANTED}
    for _ in State:
        reached |= {to for state in reached for to in TRANSITIONS[state].values()}
    assert reached == set(State)


@pytest.mark.parametrize("state", State)
def test_a_released_run_is_never_called_or_returned_without_a_request(
    state: State,
) -> None:
    """For any order of the other steps."""
    held = {State.CALLING, State.HELD}
    if state not in LET_GO:
        return
    for steps in itertools.product(set(Step) - {Step.REQUEST}, repeat=3):
        now = run(state)
        for step in steps:
            now = now.after(step)
        assert now.state not in held, steps


def test_the_job_of_another_resource_is_never_released() -> None:
    """The handler cancels every released job. For any order of the steps."""
    for steps in itertools.product(Step, repeat=4):
        now = replace(run(State.HELD), is_ours=False)
        for step in steps:
            now = now.after(step)
            assert now.state is not State.RELEASED, steps


def test_a_job_that_may_run_is_ended_only_in_a_terminal_state() -> None:
    may_run = {State.CALLING, State.STARTED, State.HELD, State.RELEASED, State.RETAINED}
    for state, step in itertools.product(may_run, Step):
        ends = TRANSITIONS[state].get(step) is State.ENDED
        assert ends is ((state, step) == (State.RELEASED, Step.END))


@pytest.mark.parametrize("state", State)
def test_a_release_keeps_only_the_job_of_its_holder(state: State) -> None:
    record = JobRecord(runs={"token": run(state)})
    released = record.release_orphans(()).runs["token"].state
    assert released in LET_GO
    assert record.release_orphans({"token"}) == record
    retained = record.release_orphans((), retained={"token"}).runs["token"].state
    assert retained is (State.RETAINED if state is State.HELD else released)


# --- The order of events. ---


def seen(*events: Seen) -> JobRecord:
    record = JobRecord()
    for event in events:
        record = record.with_event(event)
    return record


def test_the_last_event_is_not_overtaken_and_those_before_it_are() -> None:
    record = seen(Seen("a", 10.0, CREATE), Seen("b", 20.0, UPDATE))
    assert record.is_overtaken(Seen("a", 10.0, CREATE))
    assert not record.is_overtaken(Seen("b", 20.0, UPDATE))


@pytest.mark.parametrize(
    ("at", "late"),
    [
        (None, False),
        (100.0, False),
        (20.0 - CLOCK_SKEW_SECONDS, False),
        (19.0 - CLOCK_SKEW_SECONDS, True),
    ],
)
def test_an_event_that_was_not_seen_may_be_dated_some_seconds_before_the_last(
    at: float | None, late: bool
) -> None:
    record = seen(Seen("a", 20.0, CREATE), Seen("undated", None, UPDATE))
    assert record.is_overtaken(Seen("new", at, UPDATE)) is late


@pytest.mark.parametrize(("at", "late"), [(None, False), (20.0, True), (21.0, False)])
@pytest.mark.parametrize("kind", [CREATE, UPDATE])
def test_where_an_event_is_known_to_be_missing_the_date_is_strict(
    kind: str, at: float | None, late: bool
) -> None:
    record = seen(Seen("a", 20.0, DELETE, follows_unseen=True))
    assert record.is_overtaken(Seen("new", at, kind)) is late


def test_old_events_are_forgotten_and_the_last_ones_are_not() -> None:
    record = seen(*(Seen(str(number)) for number in range(200)))
    assert len(record.events) == 50
    assert record.knows("199")
    assert not record.knows("1")


# --- Runs. ---


def test_ended_attempts_are_forgotten_once_there_is_a_later_one() -> None:
    first, second = run(State.ENDED), replace(run(), attempt=2, token="second")
    alive = replace(run(State.RELEASED), token="alive", attempt=1)
    record = JobRecord(runs={"token": first}).with_run(alive).with_run(second)
    assert set(record.runs) == {"alive", "second"}
    assert record.latest_run("definition") == second


# --- Versions. ---


def test_a_record_is_read_as_it_was_written() -> None:
    record = JobRecord(
        resource="r",
        revision=3,
        runs={"token": run(State.HELD, job="arn", tag_keys=("a",), unknown={"x": 1})},
        current="token",
        events=(Seen("a", 1.0, CREATE, "d", is_answered=True, unknown={"y": [1]}),),
        places=("s3://a/b", "s3://c/d"),
        unknown={"z": {"deep": [1, 2]}},
    )
    assert load(record.dump()) == record


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "not JSON", '{"version": 0}', '{"version": "2"}', '{"version": 2}', "null",
     '{"version": 2, "runs": [], "events": []}', "[" * 100_000,
     '{"version": 2, "runs": {"a": {"state": "UNHEARD"}}, "events": []}'],
)  # fmt: skip
def test_an_invalid_record_is_damaged(text: str) -> None:
    with pytest.raises(UnreadableRecordError):
        load(text)


ODD: tuple[object, ...] = (None, True, 5, "text", [], [7], {}, {"a": 7})


def _with_one_damaged_member(text: str) -> Iterator[str]:
    """A record with each member of each kind damaged in each way."""
    stored = json.loads(text)
    [run] = stored["runs"].values()
    for part in (stored, run, stored["events"][0]):
        for name, kept in list(part.items()):
            for odd in ODD:
                part[name] = odd
                yield json.dumps(stored)
            part[name] = kept


def test_a_record_with_a_damaged_member_is_read_or_replaced_and_never_stops_an_event() -> None:
    world = World()
    Stack(world).create(properties("A"))
    [(place, (text, _))] = world.objects.items()
    for number, damaged in enumerate(_with_one_damaged_member(text)):
        world = World()
        stack = Stack(world)
        held = str(stack.create(properties("A"))["PhysicalResourceId"])
        world.objects[place] = (damaged, f"damaged {number}")
        answer = stack.update(properties("A", {"team": "other"}))
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", held), damaged
        world.objects[place] = (damaged, f"damaged again {number}")
        assert stack.delete()["Status"] == "SUCCESS", damaged
        assert world.alive() == [], damaged


EXPECTED = {
    "held": [State.HELD],
    "replaced": [State.HELD, State.HELD],
    "cleaned": [State.ENDED, State.HELD],
    "calling": [State.CALLING, State.HELD],
    "retained": [State.HELD, State.RETAINED],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_record_of_version_1_has_the_same_meaning(name: str) -> None:
    record = load(json.dumps(OLD[name]))
    assert sorted(one.state for one in record.runs.values()) == sorted(EXPECTED[name])
    assert record.version == VERSION
    assert load(record.dump()) == record


def deployed_with_version_1(name: str, on_delete: OnDelete = OnDelete.CANCEL_JOB) -> Stack:
    """A stack of the previous release, with the record of that release."""
    stack = Stack(World())
    stack.create(properties("A", on_delete=on_delete))
    if name == "replaced":
        stack.update(properties("B"))
    if name in {"cleaned", "retained"}:
        stack.replace_with(properties("B"))
    if name == "calling":
        stack.world.after = _killing
        with pytest.raises(Killed):
            stack.update(properties("B"))
        stack.world.after = lambda _name, _number: None
    [place] = stack.world.objects
    stack.world.objects[place] = (json.dumps(OLD[name]), "old")
    return stack


def _killing(name: str, _number: int) -> None:
    if name == "create_job":
        raise Killed


@pytest.mark.parametrize("name", ["held", "replaced", "cleaned", "calling"])
def test_a_stack_of_version_1_is_updated_rolled_back_and_removed(name: str) -> None:
    stack = deployed_with_version_1(name)
    held, old = stack.physical_id, stack.props
    jobs = len(stack.world.jobs)
    assert stack.update(properties("C"))["Status"] == "SUCCESS"
    third = stack.physical_id
    assert stack.update(old)["PhysicalResourceId"] == held
    assert stack.delete(third, properties("C"))["Status"] == "SUCCESS"
    assert [job.arn for job in stack.world.alive()] == [held]
    assert len(stack.world.jobs) == jobs + 1
    assert stack.delete(held, old)["Status"] == "SUCCESS"
    assert {job.status for job in stack.world.jobs.values()} == {CANCELLED}


def test_an_update_by_version_1_whose_clean_up_comes_after_the_upgrade() -> None:
    stack = deployed_with_version_1("replaced")
    first = next(iter(stack.world.jobs))
    assert stack.delete(first, properties("A"))["Status"] == "SUCCESS"
    assert [job.arn for job in stack.world.alive()] == [stack.physical_id]


def test_a_job_that_version_1_retained_runs_on() -> None:
    stack = deployed_with_version_1("retained", OnDelete.RETAIN_JOB)
    assert stack.update(properties("B", tags={"new": "1"}))["Status"] == "SUCCESS"
    assert len(stack.world.alive()) == 2


def test_an_event_that_version_1_has_seen_is_known() -> None:
    stack = deployed_with_version_1("cleaned")
    events = cast("list[str]", next(iter(OLD["cleaned"]["runs"].values()))["asked_by"])
    record = load(json.dumps(OLD["cleaned"]))
    assert all(record.knows(event) for event in events)
    assert stack.physical_id
