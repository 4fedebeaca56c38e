"""Single decisions of the handler, each with one deciding condition."""

import json
import random
from collections.abc import Callable, Mapping
from typing import cast

import pytest

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    OnDelete,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.job_record import State
from tests.unit.handler.worlds import Context, Killed, Stack, World, properties

_MADE_UP = "Vqe-JobResource7A1B-1ABCDEFGHIJKL"
_DENIED = ServiceError("S3", "AccessDenied", "no", Kind.PERMANENT, "r-1")
_REFUSED = ServiceError("Any", "ValidationException", "no", Kind.PERMANENT, "r-1")
_THROTTLED = ServiceError("CreateJob", "ThrottlingException", "no", Kind.TRANSIENT, "r-1")
_GONE = ServiceError("GetObject", "NoSuchBucket", "", Kind.NOT_FOUND, "r-1")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return Stack(world)


def _runs(world: World) -> list[dict[str, object]]:
    return list(cast("dict[str, dict[str, object]]", world.record()["runs"]).values())


def _events(world: World) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", world.record()["events"])


def _run(world: World) -> dict[str, object]:
    [run] = _runs(world)
    return run


def _once(method: str, happens: Callable[[], None]) -> Callable[[str, int], None]:
    """Run a function at the first call of a method."""
    left = [happens]

    def hook(name: str, _number: int) -> None:
        if name == method and left:
            left.pop()()

    return hook


def _raising(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def _damage(world: World) -> None:
    for place in world.objects:
        world.objects[place] = ("not JSON", "another version")


# --- What an Update that keeps the job leaves on record. ---


def test_an_update_that_keeps_the_job_is_recorded_as_its_request(
    world: World, stack: Stack
) -> None:
    stack.create(properties())
    before = _run(world)["asked_by"]
    stack.update(properties(tags={"team": "chemistry"}))
    assert _run(world)["asked_by"] != before
    assert [seen["kind"] for seen in _events(world)] == ["Create", "Update"]


def test_a_job_whose_record_is_lost_is_kept_and_tagged(world: World, stack: Stack) -> None:
    stack.create(properties())
    world.objects.clear()
    answer = stack.update(properties(tags={"stage": "late"}))
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == world.only_job().arn
    assert world.only_job().tags["stage"] == "late"
    assert "team" not in world.only_job().tags


def test_the_tags_that_are_ours_are_on_record(world: World, stack: Stack) -> None:
    stack.create(properties(tags={"a": "1"}))
    assert _run(world)["tag_keys"] == ["a"]
    stack.update(properties(tags={"a": "1", "b": "2"}))
    assert _run(world)["tag_keys"] == ["a", "b"]


@pytest.mark.parametrize("tags", [{"team": "quantum", "more": "1"}, {}])
def test_a_change_of_tags_is_logged(
    stack: Stack, tags: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    stack.create(properties())
    stack.update(properties(tags=tags))
    assert "retagged" in capsys.readouterr().out


def test_attempts_are_counted_one_by_one(world: World, stack: Stack) -> None:
    stack.create(properties("A"))
    for attempt in (2, 3):
        world.finish(stack.physical_id, FAILED)
        stack.replace_with(properties("B"))
        stack.replace_with(properties("A"))
        assert max(cast("int", run["attempt"]) for run in _runs(world)) == attempt


# --- CreateJob: announced, found, given up. ---


def test_a_call_that_was_announced_long_ago_is_announced_again(world: World, stack: Stack) -> None:
    announced: list[float] = []

    def slow(name: str, _number: int) -> None:
        is_announcement = name == "write_record" and _run(world)["calling_until"] is not None
        if is_announcement and not announced:
            announced.append(world.time)
            world.time += 30

    remaining: list[float] = []

    def look(name: str, _number: int) -> None:
        if name == "create_job":
            remaining.append(cast("float", _run(world)["calling_until"]) - world.time)

    world.after, world.before = slow, look
    assert stack.create(properties())["Status"] == "SUCCESS"
    assert announced
    assert remaining == [pytest.approx(60, abs=5)]


def test_a_conflict_at_the_first_call_finds_the_job_of_a_lost_record(
    world: World, stack: Stack
) -> None:
    """The record was lost, and the same token now has other tags."""
    event = stack.event("Create", properties())
    stack.send(event)
    job = world.only_job()
    world.objects.clear()
    again = stack.send({**event, "ResourceProperties": properties(tags={"other": "1"})})
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", job.arn)
    assert len(world.jobs) == 1


def test_an_error_of_the_first_call_needs_no_search(world: World, stack: Stack) -> None:
    world.before = _once("create_job", _raising(_REFUSED))
    assert stack.create(properties())["Status"] == "FAILED"
    assert "find_jobs" not in world.calls


def test_a_job_whose_record_vanishes_while_it_is_created_is_ended(
    world: World, stack: Stack
) -> None:
    world.after = _once("create_job", world.objects.clear)
    answer = stack.create(properties())
    assert answer["Status"] == "FAILED"
    assert world.only_job().status == CANCELLED


def test_a_job_is_cancelled_even_if_its_failure_cannot_be_noted(world: World, stack: Stack) -> None:
    def fail() -> None:
        _damage(world)
        raise _REFUSED

    assert _created_with_other_tags(world, stack, fail)["Status"] == "FAILED"
    assert world.only_job().status == CANCELLED


def _created_with_other_tags(
    world: World, stack: Stack, fail: Callable[[], None]
) -> dict[str, object]:
    """A retried deployment finds the job of the first, and fails while it sets its own tags."""
    world.after = _once("create_job", _raising(Killed()))
    with pytest.raises(Killed):
        stack.create(properties())
    world.time += 600
    world.before = _once("tag_job", fail)
    return stack.create(properties(tags={"team": "other"}))


def test_only_jobs_of_the_same_name_are_looked_into(world: World, stack: Stack) -> None:
    for number in range(3):
        Stack(world, stack_id=stack.stack_id.replace("5d3f1a90", f"5d3f1a9{number + 1}")).create(
            properties()
        )
    world.search_tells_tags = False
    world.after = _once("create_job", _raising(Killed()))
    event = stack.event("Create", properties())
    with pytest.raises(Killed):
        stack.send(event)
    world.time += 120
    before = len(world.calls)
    answer = stack.send(event)
    assert answer["PhysicalResourceId"] == list(world.jobs)[-1]
    since = world.calls[before:]
    search = since.index("find_jobs")
    until_found = since[search : since.index("write_record", search)]
    assert until_found.count("get_job") == 1, "of four jobs, one has the name"


def test_a_search_that_returns_tags_needs_no_further_call(world: World, stack: Stack) -> None:
    world.after = _once("create_job", _raising(Killed()))
    event = stack.event("Create", properties())
    with pytest.raises(Killed):
        stack.send(event)
    world.time += 120
    before = len(world.calls)
    stack.send(event)
    since = world.calls[before:]
    search = since.index("find_jobs")
    assert "get_job" not in since[search : since.index("write_record", search)]


# --- Delete: which job, and whether it is there. ---


def test_a_deletion_is_logged_with_the_job(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.create(properties())
    arn = stack.physical_id
    capsys.readouterr()
    stack.delete()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [deleted] = [line for line in lines if "deleted" in line.values()]
    assert arn in deleted.values()


@pytest.mark.parametrize(
    ("physical_id", "error", "status"),
    [
        # Where the bucket is gone, nothing was started.
        (_MADE_UP, _GONE, "SUCCESS"),
        # Where it cannot be read, it is not known.
        (_MADE_UP, _DENIED, "FAILED"),
    ],
)
def test_a_generated_id_needs_the_record(
    world: World, stack: Stack, physical_id: str, error: ServiceError, status: str
) -> None:
    def refuse(name: str, _number: int) -> None:
        if name == "read_record":
            raise error

    world.before = refuse
    assert stack.delete(physical_id, properties())["Status"] == status


def test_a_job_that_is_known_is_cancelled_without_the_record(world: World, stack: Stack) -> None:
    stack.create(properties())
    _damage(world)
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


def test_a_damaged_record_fails_a_delete_that_needs_it(world: World, stack: Stack) -> None:
    stack.create(properties())
    _damage(world)
    answer = stack.delete(_MADE_UP, properties())
    assert answer["Status"] == "FAILED"
    assert "Restore an earlier version" in str(answer["Reason"])


@pytest.mark.parametrize("on_delete", list(OnDelete))
def test_only_a_retained_job_is_on_record_as_retained(
    world: World, stack: Stack, on_delete: OnDelete
) -> None:
    stack.create(properties(on_delete=on_delete))
    stack.delete()
    retained = on_delete is OnDelete.RETAIN_JOB
    assert _run(world)["state"] == (State.RETAINED if retained else State.ENDED)


def test_a_late_first_clean_up_keeps_the_reused_job(world: World, stack: Stack) -> None:
    keep = OnDelete.RETAIN_JOB
    stack.create(properties("A", on_delete=keep))
    old = stack.physical_id
    stack.update(properties("B"))
    overdue = stack.event("Delete", properties("A"), old)
    stack.update(properties("A"))
    assert stack.physical_id == old
    assert stack.send(overdue)["Status"] == "FAILED", "nobody may take it for a cancelled job"
    assert old in [job.arn for job in world.alive()]


def test_a_delete_of_the_same_second_is_no_late_one(world: World, stack: Stack) -> None:
    world.time = float(int(world.time))
    event = stack.event("Create", properties())
    asked = world.time
    arn = str(stack.send(event)["PhysicalResourceId"])
    now, world.time = world.time, asked - 10
    deletion = stack.event("Delete", properties(), arn)
    world.time = now
    assert stack.send(deletion)["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


@pytest.mark.parametrize(("created_dated", "deleted_dated"), [(False, True), (True, False)])
def test_a_delete_whose_order_is_not_known_is_obeyed(
    world: World, created_dated: bool, deleted_dated: bool
) -> None:
    stack = Stack(world, dated=created_dated)
    stack.create(properties())
    stack.dated = deleted_dated
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


def test_a_cancel_of_a_job_that_is_just_over_is_no_failure(world: World, stack: Stack) -> None:
    stack.create(properties())
    world.before = _once("cancel_job", lambda: world.finish(world.only_job().arn, COMPLETED))
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.only_job().status == COMPLETED


def test_a_cancel_that_is_not_allowed_fails_at_once(world: World, stack: Stack) -> None:
    stack.create(properties())
    started = world.time

    def refuse(name: str, _number: int) -> None:
        if name == "cancel_job":
            raise _DENIED

    world.before = refuse
    assert stack.delete()["Status"] == "FAILED"
    assert world.time - started < 60


@pytest.mark.parametrize("damages", [True, False])
def test_a_delete_succeeds_though_its_end_cannot_be_noted(
    world: World, stack: Stack, damages: bool
) -> None:
    stack.create(properties())
    job = world.only_job()

    def refuse(name: str, _number: int) -> None:
        if job.status != CANCELLED or name not in {"read_record", "write_record"}:
            return
        if damages:
            _damage(world)
        elif name == "write_record":
            raise _DENIED

    world.before = refuse
    assert stack.delete()["Status"] == "SUCCESS"


@pytest.mark.parametrize(("seconds_later", "is_settled"), [(300, False), (900, True)])
def test_a_search_that_finds_nothing_is_believed_for_good_after_ten_minutes(
    world: World, stack: Stack, seconds_later: float, is_settled: bool
) -> None:
    world.before = _once("create_job", _raising(Killed()))
    with pytest.raises(Killed):
        stack.send(stack.event("Create", properties()))
    world.time += seconds_later
    assert stack.delete(_MADE_UP, properties())["Status"] == "SUCCESS"
    assert _run(world)["state"] == (State.ENDED if is_settled else State.RELEASED)


def test_a_job_that_was_deleted_while_it_was_waited_for_was_never_held(
    world: World, stack: Stack
) -> None:
    wait = json.dumps({"timeoutSeconds": 3300, "failStack": False})
    waiting = {**properties(), Property.WAIT_FOR_COMPLETION: wait}
    event = stack.event("Create", waiting)
    world.before = _once("invoke_again", lambda: _deliver(stack, waiting))
    world.invoked.append(event)
    while world.invoked:
        index.respond_to(world.invoked.pop(0), Context(world), world)
    assert world.only_job().status == CANCELLED
    assert _run(world)["state"] == State.ENDED
    assert world.record()["current"] is None


def _deliver(stack: Stack, waiting: Mapping[str, object]) -> None:
    others, stack.world.invoked = stack.world.invoked, []
    stack.send(stack.event("Delete", waiting, _MADE_UP))
    stack.world.invoked = others


# --- Checkpoints. ---


def _from(uri: str) -> dict[str, object]:
    return {**properties(), Property.COPY_CHECKPOINTS_FROM: uri}


def test_checkpoints_elsewhere_below_a_path_like_ours_are_copied(
    world: World, stack: Stack
) -> None:
    """The same keys in another bucket are not the run's own."""
    place = {("amazon-braket-other", f"jobs/vqe/{name}"): "x" for name in ("a", "deep/b")}
    world.assets.update(place)
    stack.create(_from("s3://amazon-braket-other/jobs/vqe"))
    run_id = contract.run_id(world.only_job().token)
    copied = {key for bucket, key in world.assets if bucket == "amazon-braket-results"}
    assert copied == {
        f"jobs/vqe/{run_id}/checkpoints/a",
        f"jobs/vqe/{run_id}/checkpoints/deep/b",
    }


def test_checkpoints_above_the_run_s_own_are_copied_and_its_own_are_not(
    world: World, stack: Stack
) -> None:
    world.assets["amazon-braket-results", "jobs/vqe/earlier/checkpoints/a"] = "x"
    event = stack.event("Create", _from("s3://amazon-braket-results/jobs/vqe/"))
    world.before = _once("create_job", _raising(Killed()))
    with pytest.raises(Killed):
        stack.send(event)
    world.time += 120
    stack.send(event)
    run_id = contract.run_id(world.only_job().token)
    own = f"jobs/vqe/{run_id}/checkpoints"
    assert {key for _, key in world.assets if key.startswith(own)} == {
        f"{own}/earlier/checkpoints/a"
    }


# --- What else tells right from wrong. ---


def test_old_tags_that_cannot_be_read_are_left_as_they_are(world: World, stack: Stack) -> None:
    stack.create(properties())
    old = {**properties(), Property.TAGS: "[]"}
    event = stack.event("Update", properties(tags={"b": "2"}), stack.physical_id, old)
    assert stack.send(event)["Status"] == "SUCCESS"
    assert world.only_job().tags["b"] == "2"


def test_a_job_whose_record_is_lost_is_answered_with_its_own_name(
    world: World, stack: Stack
) -> None:
    stack.create(properties())
    world.objects.clear()
    answer = stack.update(properties(tags={"stage": "late"}))
    data = cast("dict[str, str]", answer["Data"])
    assert data["JobName"] == world.only_job().request["jobName"]


def test_a_retained_job_whose_record_is_lost_is_retained(world: World, stack: Stack) -> None:
    keep = properties(on_delete=OnDelete.RETAIN_JOB)
    stack.create(keep)
    world.objects.clear()
    assert stack.delete(props=keep)["Status"] == "SUCCESS"
    assert len(world.alive()) == 1


def test_a_job_that_is_let_go_during_one_invocation_was_never_held(
    world: World, stack: Stack
) -> None:
    wait = json.dumps({"timeoutSeconds": 600, "failStack": False})
    waiting = {**properties(), Property.WAIT_FOR_COMPLETION: wait}
    started = world.time
    deleted: list[None] = []

    def delete_meanwhile(name: str, _number: int) -> None:
        if name == "get_job" and world.time - started > 60 and not deleted:
            deleted.append(None)
            _deliver(stack, waiting)

    world.before = delete_meanwhile
    index.respond_to(stack.event("Create", waiting), Context(world), world)
    assert deleted
    assert world.only_job().status == CANCELLED
    assert _run(world)["state"] == State.ENDED


def test_a_duplicate_waits_until_the_call_of_the_other_must_have_ended(
    world: World, stack: Stack
) -> None:
    event = stack.event("Create", properties())
    called_at: list[float] = []

    def duplicate(name: str, _number: int) -> None:
        if name == "create_job":
            called_at.append(world.time)
            if len(called_at) == 1:
                stack.send(event)

    world.before = duplicate
    index.respond_to(event, Context(world), world)
    assert len(world.jobs) == 1
    assert called_at[1] - called_at[0] > 55


def test_a_job_is_cancelled_though_its_record_vanished(world: World, stack: Stack) -> None:
    def fail() -> None:
        world.objects.clear()
        raise _REFUSED

    assert _created_with_other_tags(world, stack, fail)["Status"] == "FAILED"
    assert world.only_job().status == CANCELLED


@pytest.mark.parametrize("later", list(OnDelete))
def test_a_replaced_job_is_retained_if_either_definition_specifies_it(
    world: World, stack: Stack, later: OnDelete
) -> None:
    stack.create(properties("A", on_delete=OnDelete.RETAIN_JOB))
    left_behind = stack.physical_id
    stack.update(properties("B"))  # and no clean-up follows
    stack.update(properties("C", on_delete=later))
    is_alive = left_behind in [job.arn for job in world.alive()]
    assert is_alive is (later is OnDelete.RETAIN_JOB)


def test_a_timeout_between_two_calls_is_reported_with_the_last_error() -> None:
    """The time may end in a pause, or in the call that follows."""
    for rng in range(40):
        world = World()
        world.before = _always("create_job", _THROTTLED)
        event = Stack(world).event("Create", properties())
        jitter = random.Random(rng)  # noqa: S311 - it must be repeatable
        index.respond_to(event, Context(world, 10.0), world, jitter)
        assert "ThrottlingException" in str(world.answers[-1]["Reason"])


def _always(method: str, error: ServiceError) -> Callable[[str, int], None]:
    def hook(name: str, _number: int) -> None:
        if name == method:
            raise error

    return hook


def test_a_lost_job_is_still_looked_for_after_others_are_settled(
    world: World, stack: Stack
) -> None:
    stack.create(properties("A"))
    world.after = _once("create_job", _raising(Killed()))
    with pytest.raises(Killed):
        stack.update(properties("B"))
    [lost] = [job for job in world.alive() if job.arn != stack.physical_id]
    del world.jobs[lost.arn]  # the service does not tell of it yet
    stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("B")))
    stack.replace_with(properties("C"))  # and the clean-up of A's job, which is seen to be over
    world.jobs[lost.arn] = lost
    assert lost in world.alive()
    stack.update(properties("C", tags={"later": "1"}))
    assert lost not in world.alive()
