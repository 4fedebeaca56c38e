"""Deployments that wait for their job, through several invocations, and runs that are forced."""

import json

import pytest

from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    Attribute,
    OnDelete,
    Property,
)
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.worlds import Stack, World, properties, request

REASON = "AlgorithmError: ValueError: no good, exit code: 1"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return Stack(world)


def waiting(
    definition: str = "A",
    seconds: float = 3300,
    *,
    fails_stack: bool = True,
    on_delete: OnDelete = OnDelete.CANCEL_JOB,
) -> dict[str, object]:
    wait = json.dumps({"timeoutSeconds": seconds, "failStack": fails_stack})
    return {**properties(definition, on_delete=on_delete), Property.WAIT_FOR_COMPLETION: wait}


def data(answer: dict[str, object]) -> dict[str, str]:
    found = answer["Data"]
    assert isinstance(found, dict)
    return found


def test_the_answer_comes_when_the_job_completed(world: World, stack: Stack) -> None:
    world.job_takes = 100
    began = world.time
    answer = stack.create(waiting())
    assert answer["Status"] == "SUCCESS"
    assert 100 <= world.time - began < 200
    assert data(answer)[Attribute.JOB_STATUS] == COMPLETED
    assert data(answer)[Attribute.FAILURE_REASON] == ""
    assert data(answer)[Attribute.RESULTS_S3_URI].startswith("s3://")
    assert "invoke_again" not in world.calls


def test_a_wait_that_outlasts_an_invocation_goes_on(world: World, stack: Stack) -> None:
    world.job_takes = 3000
    answer = stack.create(waiting())
    assert answer["Status"] == "SUCCESS"
    assert data(answer)[Attribute.JOB_STATUS] == COMPLETED
    assert 3 <= world.calls.count("invoke_again") <= 7
    assert world.calls.count("create_job") == 1


@pytest.mark.parametrize("end", [FAILED, CANCELLED])
def test_a_job_that_does_not_complete_fails_the_stack_with_a_reason(
    world: World, stack: Stack, end: str
) -> None:
    world.job_takes, world.job_ends_as, world.failure_reason = 100, end, REASON
    answer = stack.create(waiting())
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"] == world.only_job().arn
    assert f"ended as {end}" in str(answer["Reason"])
    assert (REASON in str(answer["Reason"])) == (end == FAILED)
    assert stack.delete(world.only_job().arn, waiting())["Status"] == "SUCCESS"


@pytest.mark.parametrize("end", [FAILED, CANCELLED])
@pytest.mark.parametrize("reason", [REASON, "\u00e9" * 1024])
def test_the_reason_leads_to_log_and_console(
    world: World, stack: Stack, end: str, reason: str
) -> None:
    world.job_takes, world.job_ends_as, world.failure_reason = 100, end, reason
    told = str(stack.create(waiting())["Reason"])
    job = world.only_job()
    region, job_id = job.arn.split(":")[3], job.arn.rpartition("/")[2]
    assert f"log group /aws/braket/jobs, log streams {job.request['jobName']}/{job_id}*" in told
    assert f"https://{region}.console.aws.amazon.com/braket/home?region={region}#/job/" in told
    assert f"#/job/{job.arn} " in told, "a terminal takes what follows for a part of the address"


def test_a_timed_out_wait_names_the_log_of_the_running_job(world: World, stack: Stack) -> None:
    told = str(stack.create(waiting(seconds=1200))["Reason"])
    assert "log group /aws/braket/jobs, log streams" in told
    assert f"#/job/{world.only_job().arn} " in told


def test_a_failed_job_does_not_have_to_fail_the_stack(world: World, stack: Stack) -> None:
    world.job_takes, world.job_ends_as, world.failure_reason = 100, FAILED, "é" * 1000
    answer = stack.create(waiting(fails_stack=False))
    assert answer["Status"] == "SUCCESS"
    assert data(answer)[Attribute.JOB_STATUS] == FAILED
    assert data(answer)[Attribute.FAILURE_REASON] == "é" * 300


@pytest.mark.parametrize("fails_stack", [True, False])
@pytest.mark.parametrize("before", [0, 595])
def test_hyperparameters_in_the_reason_of_a_job_are_redacted(
    world: World, stack: Stack, fails_stack: bool, before: int
) -> None:
    """The reason is cut, but only after the secret is removed."""
    secret = "canary-" + "s" * 20
    world.job_takes, world.job_ends_as = 100, FAILED
    world.failure_reason = "x" * before + secret
    props = waiting(fails_stack=fails_stack)
    props[Property.REQUEST] = json.dumps(request(hyperParameters={"key": secret}))
    answer = stack.create(props)
    assert "cana" not in json.dumps(answer)


def test_a_wait_that_times_out_fails_and_the_rollback_cancels(world: World, stack: Stack) -> None:
    answer = stack.create(waiting(seconds=1200))
    assert answer["Status"] == "FAILED"
    assert "is QUEUED after 1200 s" in str(answer["Reason"])
    stack.delete(str(answer["PhysicalResourceId"]), waiting(seconds=1200))
    assert world.alive() == []


def test_a_job_that_was_waited_for_in_vain_is_cancelled_even_if_jobs_are_retained(
    world: World, stack: Stack
) -> None:
    asked = waiting(seconds=1200, on_delete=OnDelete.RETAIN_JOB)
    answer = stack.create(asked)
    assert answer["Status"] == "FAILED"
    assert stack.delete(str(answer["PhysicalResourceId"]), asked)["Status"] == "SUCCESS"
    assert world.alive() == []


def test_an_update_that_waited_in_vain_leaves_the_earlier_job_only(
    world: World, stack: Stack
) -> None:
    keep = OnDelete.RETAIN_JOB
    earlier = properties("A", on_delete=keep)
    first = str(stack.create(earlier)["PhysicalResourceId"])
    later = waiting("B", 1200, on_delete=keep)
    assert stack.update(later)["Status"] == "FAILED"
    back = stack.send(stack.event("Update", earlier, first, later))
    assert back["PhysicalResourceId"] == first
    assert [job.arn for job in world.alive()] == [first]


def test_a_job_of_a_successful_wait_is_retained_with_retain_job(world: World, stack: Stack) -> None:
    asked = waiting(seconds=1200, fails_stack=False, on_delete=OnDelete.RETAIN_JOB)
    job = str(stack.create(asked)["PhysicalResourceId"])
    stack.delete(job, asked)
    assert [each.arn for each in world.alive()] == [job]


def test_a_retained_job_stays_so_when_a_longer_wait_for_it_fails(
    world: World, stack: Stack
) -> None:
    asked = properties(on_delete=OnDelete.RETAIN_JOB)
    job = str(stack.create(asked)["PhysicalResourceId"])
    later = waiting(seconds=1200, on_delete=OnDelete.RETAIN_JOB)
    assert stack.update(later)["Status"] == "FAILED"
    stack.delete(job, later)
    assert [each.arn for each in world.alive()] == [job]


def test_a_timed_out_wait_does_not_have_to_fail_the_stack(world: World, stack: Stack) -> None:
    answer = stack.create(waiting(seconds=1200, fails_stack=False))
    assert answer["Status"] == "SUCCESS"
    assert data(answer)[Attribute.JOB_STATUS] == "QUEUED"
    assert len(world.alive()) == 1


def test_an_update_waits_for_its_job_and_a_failed_one_can_be_rolled_back(
    world: World, stack: Stack
) -> None:
    world.job_takes = 100
    first = stack.create(waiting("A"))
    world.job_ends_as = FAILED
    failed = stack.update(waiting("B"))
    assert failed["Status"] == "FAILED"
    assert failed["PhysicalResourceId"] == first["PhysicalResourceId"]
    back = stack.send(
        stack.event("Update", waiting("A"), str(first["PhysicalResourceId"]), waiting("B"))
    )
    assert back["Status"] == "SUCCESS"
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 2
    world.job_ends_as = COMPLETED
    again = stack.update(waiting("B"))
    assert again["Status"] == "SUCCESS"
    assert len(world.jobs) == 3, "a later deployment runs what failed"


def test_how_long_to_wait_is_not_part_of_the_definition(world: World, stack: Stack) -> None:
    world.job_takes = 100
    first = stack.create(properties())
    then = stack.update(waiting(seconds=600))
    assert then["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert data(then)[Attribute.JOB_STATUS] == COMPLETED
    assert stack.update(waiting(seconds=900))["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 1


def test_a_delete_while_the_deployment_waits_ends_the_wait(world: World, stack: Stack) -> None:
    event = stack.event("Create", waiting())
    deleted: list[object] = []

    def delete(name: str, _number: int) -> None:
        if name == "invoke_again" and not deleted:
            deleted.append(None)
            stack.send(stack.event("Delete", waiting(), "made-up-by-cloudformation"))

    world.before = delete
    answers_before = len(world.answers)
    world.invoked.append(event)
    from cdk_braket._lambda.braket_jobs.handler import index
    from tests.unit.handler.worlds import Context

    while world.invoked:
        index.respond_to(world.invoked.pop(0), Context(world), world)
    statuses = [answer["Status"] for answer in world.answers[answers_before:]]
    assert statuses == ["SUCCESS", "FAILED"], "the Delete, then the Create that nobody wants"
    assert world.alive() == []
    assert len(world.jobs) == 1


def test_a_wait_that_cannot_go_on_is_answered(world: World, stack: Stack) -> None:
    world.job_takes = 5000
    error = ServiceError("Invoke", "AccessDeniedException", "no", Kind.PERMANENT)

    def refuse(name: str, _number: int) -> None:
        if name == "invoke_again":
            raise error

    world.before = refuse
    answer = stack.create(waiting())
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"] == world.only_job().arn
    assert "could not continue: Invoke: AccessDeniedException" in str(answer["Reason"])


def test_a_wait_goes_on_after_throttling(world: World, stack: Stack) -> None:
    world.job_takes = 1000
    left = [3]

    def throttle(name: str, _number: int) -> None:
        if name == "invoke_again" and left[0]:
            left[0] -= 1
            raise ServiceError("Invoke", "TooManyRequestsException", "", Kind.TRANSIENT)

    world.before = throttle
    assert stack.create(waiting())["Status"] == "SUCCESS"
    assert left == [0]


def test_a_wait_that_is_throttled_to_the_end_leaves_time_for_the_answer() -> None:
    for _ in range(15):  # the pauses are random
        world = World(job_takes=5000)
        stack = Stack(world)
        answered: list[float] = []

        def throttle(
            name: str, _number: int, world: World = world, times: list[float] = answered
        ) -> None:
            if name == "invoke_again":
                raise ServiceError("Invoke", "TooManyRequestsException", "", Kind.TRANSIENT)
            if name == "put_answer":
                times.append(world.time)

        world.before = throttle
        event = stack.event("Create", waiting())
        ends = world.time + stack.seconds
        assert stack.send(event)["Status"] == "FAILED"
        assert ends - 90 < answered[0] <= ends - 4.5


def test_a_rerun_token_forces_a_run_at_any_time(world: World, stack: Stack) -> None:
    stack.create(properties())
    first = world.only_job().arn
    world.finish(first, COMPLETED)
    forced = {**properties(), Property.RERUN_TOKEN: "2026-11-23"}
    answer = stack.replace_with(forced)
    assert answer["PhysicalResourceId"] != first
    assert stack.update(forced)["PhysicalResourceId"] == answer["PhysicalResourceId"]
    assert len(world.jobs) == 2


def test_an_upgrade_that_knows_of_rerun_tokens_runs_nothing_again(
    world: World, stack: Stack
) -> None:
    first = stack.create(properties())
    assert stack.update(properties())["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(world.jobs) == 1
