"""Histories of events, and the expected states of the jobs: the contract, line by line."""

from collections.abc import Callable

import pytest

from cdk_braket._lambda.braket_jobs import contract
from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    FAILED,
    FINAL,
    Attribute,
    OnDelete,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from cdk_braket._lambda.braket_jobs.handler.invocation import NOTHING_STARTED
from tests.unit.handler.worlds import (
    LOGICAL,
    STACK,
    Context,
    Killed,
    Stack,
    World,
    properties,
    request,
)

OTHER_STACK = STACK.replace("5d3f1a90", "6e4f2b01")
MADE_UP = "Vqe-JobResource7A1B-1ABCDEFGHIJKL"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return Stack(world)


def transient(operation: str = "CreateJob") -> ServiceError:
    return ServiceError(operation, "ThrottlingException", "slow down", Kind.TRANSIENT, "r-1")


def permanent(code: str, message: str = "no", operation: str = "CreateJob") -> ServiceError:
    return ServiceError(operation, code, message, Kind.PERMANENT, "request-77")


def failing(method: str, error: BaseException, times: int = 10**9) -> Callable[[str, int], None]:
    """Raise an error at a method's first calls."""
    left = [times]

    def check(name: str, _number: int) -> None:
        if name == method and left[0] > 0:
            left[0] -= 1
            raise error

    return check


def kill_at(number: int) -> Callable[[str, int], None]:
    def check(_name: str, now: int) -> None:
        if now == number:
            raise Killed

    return check


def deliver(stack: Stack, event: dict[str, object]) -> bool:
    """Deliver an event; return whether it was handled, or the function was killed."""
    try:
        stack.send(event)
    except Killed:
        return False
    return True


# --- 1. One job per definition and stack. ---


def test_create_starts_the_requested_job(world: World, stack: Stack) -> None:
    answer = stack.create(properties())
    job = world.only_job()
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == job.arn
    token = contract.client_token(STACK, LOGICAL, digest("A"), 1)
    run_id = contract.run_id(token)
    assert job.token == token
    assert job.request["jobName"] == f"vqe-{run_id}"
    assert job.tags == {"team": "quantum", contract.TOKEN_TAG: token}
    assert answer["Data"] == {
        Attribute.JOB_ARN: job.arn,
        Attribute.JOB_ID: job.arn.rpartition("/")[2],
        Attribute.JOB_NAME: f"vqe-{run_id}",
        Attribute.RESULTS_S3_URI: (
            f"s3://amazon-braket-results/jobs/vqe/{run_id}/output/model.tar.gz"
        ),
        Attribute.CHECKPOINT_S3_URI: f"s3://amazon-braket-results/jobs/vqe/{run_id}/checkpoints",
        Attribute.LOG_GROUP_NAME: "/aws/braket/jobs",
        Attribute.LOG_STREAM_PREFIX: f"vqe-{run_id}/{job.arn.rpartition('/')[2]}/",
    }


def digest(definition: str) -> str:
    import json

    request = json.loads(str(properties(definition)[Property.REQUEST]))
    return contract.definition_digest(request)


def test_assets_are_copied_before_the_job_is_created(world: World, stack: Stack) -> None:
    stack.create(properties())
    assert world.calls.index("copy_asset") < world.calls.index("create_job")
    assert ("amazon-braket-inputs", "scripts/abc/source.tar.gz") in world.assets


def test_the_intent_is_on_record_before_the_job_is_created(world: World, stack: Stack) -> None:
    def look(name: str, _number: int) -> None:
        if name == "create_job":
            [run] = world.record()["runs"].values()  # type: ignore[attr-defined]  # JSON
            assert run["token"] == contract.client_token(STACK, LOGICAL, digest("A"), 1)
            assert run["calling_until"] > world.time
            assert run["job"] is None

    world.before = look
    stack.create(properties())
    assert "create_job" in world.calls


@pytest.mark.parametrize("dated", [True, False])
def test_an_event_delivered_again_finds_the_same_job(world: World, dated: bool) -> None:
    stack = Stack(world, dated=dated)
    event = stack.event("Create", properties())
    first, second, third = (stack.send(event) for _ in range(3))
    assert first == second == third
    assert len(world.jobs) == 1


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELLED, "RUNNING", CANCELLING])
def test_a_duplicate_never_starts_a_job_again_in_any_state(
    world: World, stack: Stack, status: str
) -> None:
    event = stack.event("Create", properties())
    first = stack.send(event)
    world.finish(world.only_job().arn, status)
    assert stack.send(event) == first
    assert len(world.jobs) == 1


def test_a_changed_definition_is_a_new_job_and_the_old_one_is_cancelled(
    world: World, stack: Stack
) -> None:
    first = stack.create(properties("A"))
    second = stack.replace_with(properties("B"))
    assert second["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert [job.arn for job in world.alive()] == [second["PhysicalResourceId"]]


def test_reverting_a_definition_reuses_its_completed_job(world: World, stack: Stack) -> None:
    first = stack.create(properties("A"))
    world.finish(world.only_job().arn, COMPLETED)
    stack.replace_with(properties("B"))
    again = stack.replace_with(properties("A"))
    assert again["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert again["Data"] == first["Data"]
    assert len(world.jobs) == 2
    assert world.alive() == []


@pytest.mark.parametrize("status", [FAILED, CANCELLED])
def test_reverting_to_an_ended_definition_runs_it_again(
    world: World, stack: Stack, status: str
) -> None:
    first = stack.create(properties("A"))
    world.finish(world.only_job().arn, status)
    stack.replace_with(properties("B"))
    again = stack.replace_with(properties("A"))
    assert again["Status"] == "SUCCESS"
    assert again["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert again["Data"] != first["Data"]  # results of the earlier run are not overwritten
    assert [job.arn for job in world.alive()] == [again["PhysicalResourceId"]]


def test_a_retained_job_that_still_runs_is_reused(world: World, stack: Stack) -> None:
    first = stack.create(properties("A", on_delete=OnDelete.RETAIN_JOB))
    stack.replace_with(properties("B", on_delete=OnDelete.RETAIN_JOB))
    again = stack.replace_with(properties("A", on_delete=OnDelete.RETAIN_JOB))
    assert again["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 2


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELLED, "RUNNING"])
@pytest.mark.parametrize("dated", [True, False])
def test_a_rollback_keeps_the_earlier_job_unchanged(world: World, status: str, dated: bool) -> None:
    stack = Stack(world, dated=dated)
    first = stack.create(properties("A"))
    world.finish(world.only_job().arn, status)
    second = stack.update(properties("B"))
    back = stack.update(properties("A"))  # another resource failed: old and new swapped
    stack.delete(str(second["PhysicalResourceId"]), properties("B"))  # the clean-up after it
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 2
    expected = [first["PhysicalResourceId"]] if status == "RUNNING" else []
    assert [job.arn for job in world.alive()] == expected


def test_a_rollback_after_a_failed_replacement_keeps_the_earlier_job(
    world: World, stack: Stack
) -> None:
    first = stack.create(properties("A"))
    world.before = failing("create_job", permanent("ServiceQuotaExceededException"))
    failed = stack.update(properties("B"))
    assert failed["Status"] == "FAILED"
    assert failed["PhysicalResourceId"] == first["PhysicalResourceId"]
    rollback = stack.event("Update", properties("A"), stack.physical_id, properties("B"))
    back = stack.send(rollback)
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert [job.arn for job in world.alive()] == [first["PhysicalResourceId"]]


def test_a_definition_that_failed_to_start_is_tried_again_by_a_later_deployment(
    world: World, stack: Stack
) -> None:
    stack.create(properties("A"))
    world.before = failing("create_job", permanent("DeviceOfflineException"), times=1)
    assert stack.update(properties("B"))["Status"] == "FAILED"
    stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("B")))
    later = stack.replace_with(properties("B"))
    assert later["Status"] == "SUCCESS"
    assert [job.arn for job in world.alive()] == [later["PhysicalResourceId"]]


def test_a_rollback_to_a_rerun_definition_keeps_its_job(world: World, stack: Stack) -> None:
    stack.create(properties("A"))
    world.finish(world.only_job().arn, FAILED)
    held = stack.replace_with(properties("B"))
    world.finish(str(held["PhysicalResourceId"]), CANCELLED)  # by hand
    rerun = stack.update(properties("A"))
    back = stack.send(
        stack.event("Update", properties("B"), str(rerun["PhysicalResourceId"]), properties("A"))
    )
    assert back["PhysicalResourceId"] == held["PhysicalResourceId"]
    stack.delete(str(rerun["PhysicalResourceId"]), properties("A"))
    assert len(world.jobs) == 3
    assert world.alive() == []


def test_the_stack_deployed_again_after_deletion_gets_a_new_job(world: World) -> None:
    before = Stack(world)
    first = before.create(properties())
    world.finish(world.only_job().arn, COMPLETED)
    before.delete()
    second = Stack(world, stack_id=OTHER_STACK).create(properties())
    assert second["PhysicalResourceId"] != first["PhysicalResourceId"]


@pytest.mark.parametrize("status", [FAILED, CANCELLED])
def test_a_new_create_runs_an_ended_definition_again(
    world: World, stack: Stack, status: str
) -> None:
    """The resource was removed from the stack and added again."""
    stack.create(properties())
    world.finish(world.only_job().arn, status)
    stack.delete()
    again = stack.create(properties())
    assert again["Status"] == "SUCCESS"
    assert len(world.jobs) == 2


def test_another_attempt_under_the_same_request_id_is_a_later_deployment(
    world: World, stack: Stack
) -> None:
    """CloudFormation may reuse the RequestId when a deployment is retried."""
    first = stack.event("Create", properties())
    stack.send(first)
    world.finish(world.only_job().arn, FAILED)
    again = {**stack.event("Create", properties()), "RequestId": first["RequestId"]}
    stack.send(again)
    assert len(world.jobs) == 2


def test_a_resource_put_back_finds_its_completed_job(world: World, stack: Stack) -> None:
    first = stack.create(properties())
    world.finish(world.only_job().arn, COMPLETED)
    stack.delete()
    assert stack.create(properties())["PhysicalResourceId"] == first["PhysicalResourceId"]


# --- Checkpoints to go on from. ---


def going_on(uri: str) -> dict[str, object]:
    return {**properties(), Property.COPY_CHECKPOINTS_FROM: uri}


@pytest.mark.parametrize("uri", ["s3://earlier/jobs/a/c", "s3://earlier/jobs/a/c/"])
def test_checkpoints_are_copied_below_the_run_s_own_before_it_starts(
    world: World, stack: Stack, uri: str
) -> None:
    for key in ("jobs/a/c/1.json", "jobs/a/c/sub/2.json", "jobs/a/c/", "jobs/a/cc/3.json"):
        world.assets["earlier", key] = "there"
    answer = stack.create(going_on(uri))
    data = answer["Data"]
    assert isinstance(data, dict)
    place = str(data[Attribute.CHECKPOINT_S3_URI]).removeprefix("s3://amazon-braket-results/")
    copied = {key: source for (bucket, key), source in world.assets.items() if "results" in bucket}
    assert copied == {
        f"{place}/1.json": "earlier/jobs/a/c/1.json",
        f"{place}/sub/2.json": "earlier/jobs/a/c/sub/2.json",
    }
    assert max(i for i, call in enumerate(world.calls) if call == "copy_asset") < (
        world.calls.index("create_job")
    )


def test_where_checkpoints_come_from_is_part_of_the_definition(world: World, stack: Stack) -> None:
    first = stack.create(properties())
    second = stack.replace_with(going_on("s3://earlier/a"))
    third = stack.replace_with(going_on("s3://earlier/b"))
    ids = {answer["PhysicalResourceId"] for answer in (first, second, third)}
    assert len(ids) == len(world.jobs) == 3


def test_a_retry_does_not_copy_the_run_s_own_checkpoints_into_themselves(world: World) -> None:
    world.assets["amazon-braket-results", "jobs/old"] = "there"
    stack = Stack(world)
    stack.create(going_on("s3://amazon-braket-results/"))
    before = dict(world.assets)
    world.finish(world.only_job().arn, FAILED)
    stack.delete()
    world.assets = before
    assert not any("checkpoints/jobs/vqe" in key for _bucket, key in before)


def test_a_checkpoint_that_vanishes_while_it_is_copied_is_passed_over(
    world: World, stack: Stack
) -> None:
    world.assets["earlier", "a/1"] = "there"
    gone = ServiceError("CopyObject", "AssetNotFound", "gone", Kind.PERMANENT)

    def check(name: str, _number: int) -> None:
        if name == "copy_asset" and world.calls[-2] in {"list_keys", "copy_asset"}:
            raise gone

    world.before = check
    assert stack.create(going_on("s3://earlier/a"))["Status"] == "SUCCESS"


# --- 2. Tags, and what is not the definition. ---


@pytest.mark.parametrize("status", ["RUNNING", COMPLETED, FAILED, CANCELLED])
def test_changed_tags_are_set_and_removed_and_nothing_runs_again(
    world: World, stack: Stack, status: str
) -> None:
    first = stack.create(properties(tags={"keep": "1", "change": "old", "drop": "x"}))
    job = world.only_job()
    job.tags["by-hand"] = "stays"
    world.finish(job.arn, status)
    second = stack.update(properties(tags={"keep": "1", "change": "new", "add": "y"}))
    assert second["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert second["Data"] == first["Data"]
    assert job.tags == {
        "keep": "1",
        "change": "new",
        "add": "y",
        "by-hand": "stays",
        contract.TOKEN_TAG: job.token,
    }


def test_the_tag_with_the_token_cannot_be_removed(world: World, stack: Stack) -> None:
    stack.create(properties(tags={}))
    stack.update(properties(tags={contract.TOKEN_TAG: "mine"}))
    stack.update(properties(tags={}))
    assert contract.TOKEN_TAG in world.only_job().tags


def test_a_reused_job_gets_the_current_tags(world: World, stack: Stack) -> None:
    stack.create(properties("A", tags={"old": "1"}))
    world.finish(world.only_job().arn, COMPLETED)
    stack.replace_with(properties("B", tags={"other": "1"}))
    back = stack.replace_with(properties("A", tags={"new": "1"}))
    job = world.jobs[str(back["PhysicalResourceId"])]
    assert job.tags == {"new": "1", contract.TOKEN_TAG: job.token}


@pytest.mark.parametrize("name", [Property.ASSETS, Property.ON_DELETE, Property.RECORDS])
def test_a_change_beside_the_definition_runs_nothing_again(
    world: World, stack: Stack, name: Property
) -> None:
    first = stack.create(properties())
    changed = {
        Property.ASSETS: "{}",
        Property.ON_DELETE: OnDelete.RETAIN_JOB,
        Property.RECORDS: "s3://elsewhere/records",
    }
    second = stack.update({**properties(), name: changed[name]})
    assert second["Status"] == "SUCCESS"
    assert second["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 1


def test_the_record_moves_when_its_place_does(world: World, stack: Stack) -> None:
    first = stack.create(properties("A"))
    world.finish(world.only_job().arn, COMPLETED)
    elsewhere: dict[str, object] = {Property.RECORDS: "s3://elsewhere/records"}
    stack.update({**properties("A"), **elsewhere})
    stack.replace_with({**properties("B"), **elsewhere})
    again = stack.replace_with({**properties("A"), **elsewhere})
    assert again["PhysicalResourceId"] == first["PhysicalResourceId"]


# --- 3. Nothing keeps billing. ---


def test_delete_cancels_the_job_and_waits_until_it_is(world: World, stack: Stack) -> None:
    world.cancel_takes = 60
    stack.create(properties())
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


@pytest.mark.parametrize("status", sorted(FINAL))
def test_delete_does_not_change_an_ended_job(world: World, stack: Stack, status: str) -> None:
    stack.create(properties())
    world.finish(world.only_job().arn, status)
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.cancels == 0


def test_delete_retains_the_job_with_retain_job(world: World, stack: Stack) -> None:
    stack.create(properties(on_delete=OnDelete.RETAIN_JOB))
    assert stack.delete()["Status"] == "SUCCESS"
    assert len(world.alive()) == 1


def test_delete_of_an_unknown_job_succeeds(world: World, stack: Stack) -> None:
    stack.create(properties())
    world.jobs.clear()
    assert stack.delete()["Status"] == "SUCCESS"


def test_a_cancel_that_cannot_be_confirmed_is_failed_logged_and_a_metric(
    world: World, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    world.cancel_takes = 10**6
    stack.create(properties())
    answer = stack.delete()
    assert answer["Status"] == "FAILED"
    assert world.only_job().arn in str(answer["Reason"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "cancel_unconfirmed" in line]
    assert len(lines) == 1
    assert '"UnconfirmedCancels": 1' in lines[0]
    assert "CloudWatchMetrics" in lines[0]


def test_delete_tried_again_after_an_unconfirmed_cancel_succeeds(
    world: World, stack: Stack
) -> None:
    world.cancel_takes = 2000
    stack.create(properties())
    assert stack.delete()["Status"] == "FAILED"
    world.time += 2000
    assert stack.delete()["Status"] == "SUCCESS"


@pytest.mark.parametrize("physical_id", [MADE_UP, NOTHING_STARTED])
@pytest.mark.parametrize("on_delete", list(OnDelete))
def test_a_generated_physical_id_finds_the_job_that_was_started(
    world: World, stack: Stack, physical_id: str, on_delete: OnDelete
) -> None:
    """The response to Create was lost: only the record knows the job."""
    props = properties(on_delete=on_delete)
    stack.send(stack.event("Create", props))
    assert stack.delete(physical_id, props)["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


def test_a_generated_physical_id_without_a_started_job(world: World, stack: Stack) -> None:
    assert stack.delete(MADE_UP, properties())["Status"] == "SUCCESS"
    assert world.jobs == {}


@pytest.mark.parametrize("tells_tags", [True, False])
@pytest.mark.parametrize("remembers", [0.0, 1e12])
def test_a_generated_physical_id_finds_a_job_whose_arn_was_never_received(
    world: World, stack: Stack, remembers: float, tells_tags: bool
) -> None:
    world.remembers_tokens = remembers
    world.search_tells_tags = tells_tags
    world.after = failing("create_job", Killed())
    with pytest.raises(Killed):
        stack.send(stack.event("Create", properties()))
    assert len(world.alive()) == 1
    answer = stack.delete(MADE_UP, properties())
    assert answer["Status"] == "SUCCESS"
    assert world.only_job().status == CANCELLED


def test_a_job_lost_in_an_update_is_cancelled_by_the_rollback(world: World, stack: Stack) -> None:
    first = stack.create(properties("A"))
    world.after = failing("create_job", Killed(), times=1)
    with pytest.raises(Killed):
        stack.update(properties("B"))
    back = stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("B")))
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert [job.arn for job in world.alive()] == [first["PhysicalResourceId"]]


def test_a_job_lost_in_an_update_is_cancelled_by_the_stack_s_deletion(
    world: World, stack: Stack
) -> None:
    """The rollback never came, or was skipped."""
    stack.create(properties("A"))
    world.after = failing("create_job", Killed(), times=1)
    with pytest.raises(Killed):
        stack.update(properties("B"))
    stack.delete()
    assert world.alive() == []


def test_the_clean_up_of_a_replaced_job_leaves_the_new_one_alone(
    world: World, stack: Stack
) -> None:
    stack.create(properties("A"))
    second = stack.replace_with(properties("B"))
    third = stack.replace_with(properties("C"))
    assert [job.arn for job in world.alive()] == [third["PhysicalResourceId"]]
    assert second["PhysicalResourceId"] != third["PhysicalResourceId"]


def test_the_next_update_retries_a_failed_clean_up(world: World, stack: Stack) -> None:
    stack.create(properties("A"))
    stack.update(properties("B"))  # and no Delete of A's job ever comes
    third = stack.replace_with(properties("C"))
    assert [job.arn for job in world.alive()] == [third["PhysicalResourceId"]]


def test_a_failed_clean_up_keeps_retained_jobs(world: World, stack: Stack) -> None:
    keep = OnDelete.RETAIN_JOB
    stack.create(properties("A", on_delete=keep))
    stack.update(properties("B", on_delete=keep))
    stack.update(properties("C", on_delete=keep))
    assert len(world.alive()) == 3


def test_a_creation_that_fails_after_the_job_was_created_cancels_it(
    world: World, stack: Stack
) -> None:
    """A retried deployment has other tags than the lost call of CreateJob, and may not set them."""

    def lost(name: str, _number: int) -> None:
        if name == "create_job":
            raise Killed

    world.after = lost
    with pytest.raises(Killed):
        stack.create(properties())
    world.after = lambda _name, _number: None
    world.time += 600
    error = permanent("AccessDeniedException", operation="TagResource")
    world.before = failing("tag_job", error)
    answer = stack.create(properties(tags={"team": "other"}))
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"] == world.only_job().arn
    assert world.only_job().status == CANCELLED
    assert stack.delete(world.only_job().arn, properties())["Status"] == "SUCCESS"


def test_a_repeated_event_whose_job_was_refused_starts_none(world: World, stack: Stack) -> None:
    """The service would accept the job by now, but its response was a failure."""
    event = stack.event("Create", properties())
    error = permanent("ServiceQuotaExceededException", operation="CreateJob")
    world.before = failing("create_job", error)
    first = stack.send(event)
    world.before = lambda _name, _number: None
    second = stack.send(event)
    assert (first["Status"], second["Status"]) == ("FAILED", "FAILED")
    assert second["Reason"] == first["Reason"]
    assert world.jobs == {}


@pytest.mark.parametrize("method", ["read_record", "get_job", "find_jobs", "tag_job", "list_keys"])
def test_a_first_create_does_not_need(world: World, stack: Stack, method: str) -> None:
    world.before = failing(method, transient())
    assert stack.create(properties())["Status"] == "SUCCESS"


def test_the_calls_of_a_first_create(world: World, stack: Stack) -> None:
    """The real write of a new record is two calls, the copy three."""
    stack.create(properties())
    assert world.calls == [
        "write_record",  # the request
        "has_role",
        "copy_asset",
        "write_record",  # the announcement
        "create_job",
        "write_record",  # the job
        "put_answer",
        "write_record",  # that it was answered
    ]


def test_a_record_that_another_invocation_has_changed_is_read_again(
    world: World, stack: Stack
) -> None:
    """The last write of this invocation may be out of date: then the condition refuses the next."""

    def deleted(name: str, _number: int) -> None:
        if name == "copy_asset":
            world.after = lambda _name, _number: None
            assert stack.delete("made-up", properties())["Status"] == "SUCCESS"

    world.after = deleted
    index.respond_to(stack.event("Create", properties()), Context(world), world)
    assert world.answers[-1]["Status"] == "FAILED"
    assert world.jobs == {}


@pytest.mark.parametrize(
    ("given", "requested"),
    [
        ({"Key": "arn:aws:kms:us-east-1:123456789012:key/1"}, "aws:kms"),
        ({}, "AES256"),
        (None, None),
    ],
)
def test_records_and_copies_have_the_encryption_of_their_bucket(
    world: World, stack: Stack, given: dict[str, str] | None, requested: str | None
) -> None:
    bucket = "amazon-braket-inputs"
    entries = [] if given is None else [{"Bucket": bucket, **given}]
    assert stack.create({**properties(), Property.ENCRYPTION: entries})["Status"] == "SUCCESS"
    assert stack.update({**properties("B"), Property.ENCRYPTION: entries})["Status"] == "SUCCESS"
    found = [each for (name, _), each in world.encryption.items() if name == bucket]
    assert len(found) == 2  # the record and the script
    assert {each and each.algorithm for each in found} == {requested}
    key = None if given is None else given.get("Key", "")
    assert {each and each.key for each in found} == {key}


def test_a_delete_while_the_job_is_being_created_wins(world: World, stack: Stack) -> None:
    """CloudFormation does not wait for a Create when another resource fails."""
    deletions: list[dict[str, object]] = []

    def interrupt(name: str, _number: int) -> None:
        if name == "create_job" and not deletions:
            deletions.append({})
            world.remembers_tokens = 0.0
            deletion = stack.event("Delete", properties(), MADE_UP)
            deletions[0] = stack.send(deletion)

    world.after = interrupt
    event = stack.event("Create", properties())
    index.respond_to(event, _context(world), world)
    assert deletions[0]["Status"] == "SUCCESS"
    assert world.answers[-1]["Status"] == "FAILED"
    assert world.alive() == []


def _context(world: World) -> "index.Context":
    from tests.unit.handler.worlds import Context

    return Context(world)


def test_a_lost_job_that_a_search_missed_is_looked_for_again(world: World, stack: Stack) -> None:
    stack.create(properties("A"))
    world.after = failing("create_job", Killed(), times=1)
    with pytest.raises(Killed):
        stack.update(properties("B"))
    [lost] = [job for job in world.alive() if job.arn != stack.physical_id]
    world.appears_after = 1000.0
    stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("B")))
    assert lost in world.alive()
    world.appears_after = 0.0
    stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("A")))
    assert lost not in world.alive()


# --- 4. Late events; answers. ---


def test_a_late_create_after_the_delete_starts_nothing(world: World, stack: Stack) -> None:
    late = stack.event("Create", properties())
    stack.delete(MADE_UP, properties())
    assert stack.send(late)["Status"] == "FAILED"
    assert world.jobs == {}


@pytest.mark.parametrize("dated", [True, False])
def test_a_duplicate_create_after_the_delete_starts_nothing(world: World, dated: bool) -> None:
    stack = Stack(world, dated=dated)
    event = stack.event("Create", properties())
    stack.physical_id = str(stack.send(event)["PhysicalResourceId"])
    stack.delete(props=properties())
    assert stack.send(event)["Status"] == "FAILED"
    assert len(world.jobs) == 1
    assert world.alive() == []


@pytest.mark.parametrize("dated", [True, False])
def test_a_retry_of_an_update_after_its_rollback_starts_nothing(world: World, dated: bool) -> None:
    stack = Stack(world, dated=dated)
    first = stack.create(properties("A"))
    update = stack.event("Update", properties("B"), stack.physical_id, properties("A"))
    stack.send(update)
    stack.send(stack.event("Update", properties("A"), stack.physical_id, properties("B")))
    assert stack.send(update)["Status"] == "FAILED"
    assert [job.arn for job in world.alive()] == [first["PhysicalResourceId"]]


@pytest.mark.parametrize("dated", [True, False])
def test_a_late_duplicate_of_a_clean_up_keeps_the_reused_job(world: World, dated: bool) -> None:
    stack = Stack(world, dated=dated)
    keep = OnDelete.RETAIN_JOB
    stack.create(properties("A", on_delete=keep))
    old = stack.physical_id
    stack.update(properties("B"))
    clean_up = stack.event("Delete", properties("A", on_delete=keep), old)
    stack.send(clean_up)
    stack.update(properties("A"))
    assert stack.physical_id == old
    stack.send({**clean_up, "ResourceProperties": properties("A")})
    assert old in [job.arn for job in world.alive()]


def test_an_expired_event_starts_nothing(world: World, stack: Stack) -> None:
    event = stack.event("Create", properties())
    world.time += 7201
    assert stack.send(event)["Status"] == "FAILED"
    assert world.jobs == {}


# --- 5. Transient is retried, permanent is not. ---


@pytest.mark.parametrize("method", ["write_record", "copy_asset", "create_job"])
def test_transient_errors_are_retried(world: World, stack: Stack, method: str) -> None:
    world.before = failing(method, transient(), times=5)
    assert stack.create(properties())["Status"] == "SUCCESS"
    assert len(world.jobs) == 1


@pytest.mark.parametrize("method", ["write_record", "copy_asset", "create_job"])
def test_transient_errors_after_a_successful_call_start_no_second_job(
    world: World, stack: Stack, method: str
) -> None:
    world.after = failing(method, transient(), times=3)
    assert stack.create(properties())["Status"] == "SUCCESS"
    assert len(world.jobs) == 1


@pytest.mark.parametrize("method", ["cancel_job", "get_job", "write_record"])
def test_transient_errors_are_retried_in_delete(world: World, stack: Stack, method: str) -> None:
    stack.create(properties())
    world.before = failing(method, transient(), times=5)
    assert stack.delete()["Status"] == "SUCCESS"
    assert world.alive() == []


@pytest.mark.parametrize("seconds", [10.0, 60.0, 900.0])
@pytest.mark.parametrize("method", ["write_record", "copy_asset", "create_job"])
def test_an_endless_outage_is_answered_in_time_and_leaves_no_job(
    world: World, method: str, seconds: float
) -> None:
    stack = Stack(world, seconds=seconds)
    began = world.time
    world.before = failing(method, transient())
    answer = stack.create(properties())
    assert answer["Status"] == "FAILED"
    assert "ThrottlingException" in str(answer["Reason"])
    assert world.time - began < seconds + 10
    world.before = lambda _name, _number: None
    world.time += 120
    assert stack.delete(str(answer["PhysicalResourceId"]), properties())["Status"] == "SUCCESS"
    assert world.alive() == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ServiceQuotaExceededException", ["us-east-1", "ml.m5.large", "Service Quotas"]),
        ("DeviceRetiredException", ["local:braket/default", "another device"]),
        ("DeviceOfflineException", ["local:braket/default", "online"]),
        ("ValidationException", ["trust braket.amazonaws.com", "amazon-braket-"]),
    ],
)
def test_permanent_errors_fail_at_once_with_a_fix(
    world: World, stack: Stack, code: str, told: list[str]
) -> None:
    world.before = failing("create_job", permanent(code))
    answer = stack.create(properties())
    assert answer["Status"] == "FAILED"
    assert world.calls.count("create_job") == 1
    for words in [*told, "request-77", code]:
        assert words in str(answer["Reason"])


def test_a_refusal_by_iam_fails_after_two_minutes_with_a_fix(world: World, stack: Stack) -> None:
    began = world.time
    world.before = failing("create_job", permanent("AccessDeniedException"))
    reason = str(stack.create(properties())["Reason"])
    assert 100 < world.time - began < 200
    for words in ("braket:CreateJob", "iam:PassRole", ":role/job", "request-77"):
        assert words in reason


def test_every_error_of_create_job_has_its_advice_or_is_retried() -> None:
    from cdk_braket._lambda.braket_jobs.api import service_model
    from cdk_braket._lambda.braket_jobs.handler import errors

    for code in service_model.operation("CreateJob").errors:
        status = service_model.shape(code).error_status
        assert status is not None
        transient_status = status >= 500 or status == 429
        assert transient_status != (("CreateJob", code) in errors._ADVICE)


def test_a_role_that_cannot_be_assumed_yet_is_waited_for(world: World, stack: Stack) -> None:
    not_yet = permanent("ValidationException", "Braket cannot assume the role")
    began = world.time
    world.before = lambda name, number: (
        failing("create_job", not_yet)(name, number) if world.time < began + 100 else None
    )
    assert stack.create(properties())["Status"] == "SUCCESS"


def test_a_role_that_can_never_be_assumed_fails_after_two_minutes(
    world: World, stack: Stack
) -> None:
    began = world.time
    not_ever = permanent("ValidationException", "Braket cannot assume the role")
    world.before = failing("create_job", not_ever)
    assert stack.create(properties())["Status"] == "FAILED"
    assert 100 < world.time - began < 200


def test_a_job_that_appears_late_is_waited_for(world: World, stack: Stack) -> None:
    world.appears_after = 8
    assert stack.create(properties())["Status"] == "SUCCESS"


def test_a_definition_that_braket_would_refuse_is_refused_with_all_problems(
    world: World, stack: Stack
) -> None:
    import json

    props = properties()
    request = json.loads(str(props[Property.REQUEST]))
    request["jobName"] = "not_valid"
    request["hyperParameters"] = {"secret": ""}
    request["stoppingCondition"] = {"maxRuntimeInSeconds": 0}
    answer = stack.create({**props, Property.REQUEST: json.dumps(request)})
    assert answer["Status"] == "FAILED"
    for place in ("jobName", "hyperParameters.secret", "stoppingCondition.maxRuntimeInSeconds"):
        assert place in str(answer["Reason"])
    assert world.calls == ["put_answer"]


def test_values_unknown_to_synth_are_refused_before_the_job_is_created(
    world: World, stack: Stack
) -> None:
    import json

    asked = request(deviceConfig={"device": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"})
    script = {"entryPoint": "a", "s3Uri": "s3://amazon-braket-a/b/", "compressionType": "GZIP"}
    asked["algorithmSpecification"] = {"scriptModeConfig": script}
    answer = stack.create({**properties(), Property.REQUEST: json.dumps(asked)})
    assert answer["Status"] == "FAILED"
    assert "is in eu-north-1, and the job would be in us-east-1" in str(answer["Reason"])
    assert "s3Uri: expected one object" in str(answer["Reason"])
    assert world.calls == ["put_answer"]


def test_an_instance_type_newer_than_the_model_is_left_to_the_service(stack: Stack) -> None:
    import json

    props = properties()
    request = json.loads(str(props[Property.REQUEST]))
    request["instanceConfig"]["instanceType"] = "ml.unheard.of"
    reasons: list[str] = []
    try:
        stack.create({**props, Property.REQUEST: json.dumps(request)})
    except AssertionError as refused_by_the_strict_world:
        reasons.append(str(refused_by_the_strict_world))
    assert "create_job" in stack.world.calls


# --- The function is killed, at any call, and tried again. ---


def steps_of(play: Callable[[Stack], object]) -> int:
    stack = Stack(World())
    play(stack)
    return len(stack.world.calls)


def play_create(stack: Stack) -> None:
    stack.create(properties("A"))


@pytest.mark.parametrize("remembers", [0.0, 30.0, 1e12])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(steps_of(play_create)))
def test_create_killed_at_any_call_then_retried_starts_one_job(
    number: int, moment: str, remembers: float
) -> None:
    world = World(remembers_tokens=remembers)
    stack = Stack(world)
    setattr(world, moment, kill_at(number))
    event = stack.event("Create", properties("A"))
    assert not deliver(stack, event)
    world.time += 60  # Lambda's first retry
    answer = stack.send(event)
    assert answer["Status"] == "SUCCESS"
    assert [job.arn for job in world.alive()] == [answer["PhysicalResourceId"]]


@pytest.mark.parametrize("remembers", [0.0, 1e12])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(steps_of(play_create)))
def test_create_killed_at_any_call_then_deleted_leaves_nothing(
    number: int, moment: str, remembers: float
) -> None:
    world = World(remembers_tokens=remembers, appears_after=5.0)
    stack = Stack(world)
    setattr(world, moment, kill_at(number))
    deliver(stack, stack.event("Create", properties("A")))
    world.before = world.after = lambda _name, _number: None
    assert stack.delete(MADE_UP, properties("A"))["Status"] == "SUCCESS"
    assert world.alive() == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(24))
def test_update_killed_at_any_call_then_rolled_back_keeps_the_old_job_only(
    number: int, moment: str
) -> None:
    world = World(remembers_tokens=0.0)
    stack = Stack(world)
    first = stack.create(properties("A"))
    setattr(world, moment, kill_at(len(world.calls) + number))
    event = stack.event("Update", properties("B"), stack.physical_id, properties("A"))
    held = stack.physical_id
    if deliver(stack, event):
        held = str(world.answers[-1]["PhysicalResourceId"])
    world.before = world.after = lambda _name, _number: None
    back = stack.send(stack.event("Update", properties("A"), held, properties("B")))
    if held != first["PhysicalResourceId"]:
        stack.delete(held, properties("B"))
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert [job.arn for job in world.alive()] == [first["PhysicalResourceId"]]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(9))
def test_delete_killed_at_any_call_then_retried_leaves_nothing(number: int, moment: str) -> None:
    world = World()
    stack = Stack(world)
    stack.create(properties("A"))
    setattr(world, moment, kill_at(len(world.calls) + number))
    event = stack.event("Delete", properties("A"), stack.physical_id)
    deliver(stack, event)
    world.before = world.after = lambda _name, _number: None
    assert stack.send(event)["Status"] == "SUCCESS"
    assert world.alive() == []


def test_statuses_that_the_handler_names_are_the_service_s() -> None:
    assert set(model_rules.enum_values("JobPrimaryStatus")) >= FINAL | {CANCELLING}
