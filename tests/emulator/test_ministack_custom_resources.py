"""Custom resources behave locally as on AWS."""

import http.client
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.stacks import Stack, recorder
from tests.patience import PATIENCE


@pytest.fixture
def stack(local_aws: LocalAws, tmp_path: Path) -> Stack:
    return Stack(local_aws, tmp_path / "record")


def test_a_request_has_the_members_of_one_on_aws(stack: Stack) -> None:
    assert stack.create({"Resource": recorder({}, Number=30, Flag=True)}) == "CREATE_COMPLETE"
    (request,) = stack.requests()
    assert request["ServiceToken"] == request["ResourceProperties"]["ServiceToken"]
    assert request["ServiceToken"].startswith("arn:aws:lambda:")
    assert request["ResourceProperties"]["Number"] == "30"
    assert request["ResourceProperties"]["Flag"] == "true"
    assert "PhysicalResourceId" not in request
    assert stack.physical_id("Resource") == "made-by-handler"


def test_a_failed_create_is_followed_by_a_delete_with_the_answered_id(stack: Stack) -> None:
    plan = {"Create": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "half-made"}}
    assert stack.create({"Resource": recorder(plan)}) == "ROLLBACK_COMPLETE"
    assert stack.sent() == [("Create", None), ("Delete", "half-made")]
    assert "Received response status [FAILED] from custom resource. Message returned: no" in (
        stack.reasons()
    )


def test_a_failed_create_without_an_id_is_deleted_with_a_generated_one(stack: Stack) -> None:
    plan = {"Create": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": None}}
    assert stack.create({"Resource": recorder(plan)}) == "ROLLBACK_COMPLETE"
    (_, create_id), (kind, delete_id) = stack.sent()
    assert create_id is None
    assert kind == "Delete"
    assert delete_id
    assert delete_id.startswith(f"{stack.name}-Resource-")


def test_a_create_that_is_never_answered_times_out_and_is_deleted(stack: Stack) -> None:
    started = time.monotonic()
    resource = recorder({"Create": "silence"}, ServiceTimeout=1)
    assert stack.create({"Resource": resource}) == "ROLLBACK_COMPLETE"
    assert time.monotonic() - started < 15
    assert [kind for kind, _ in stack.sent()] == ["Create", "Delete"]
    assert "within 1 s" in stack.reasons()


def test_a_failed_create_that_is_not_rolled_back_is_deleted_with_its_stack(stack: Stack) -> None:
    plan = {"Create": {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": "half-made"}}
    assert stack.create({"Resource": recorder(plan)}, roll_back=False) == "CREATE_FAILED"
    assert stack.sent() == [("Create", None)]
    assert stack.delete() == "DELETE_COMPLETE"
    assert stack.sent() == [("Create", None), ("Delete", "half-made")]


def test_a_create_that_fails_in_an_update_is_deleted_in_the_rollback(stack: Stack) -> None:
    good = recorder({})
    bad = recorder({"Create": {"Status": "FAILED", "PhysicalResourceId": "half-made"}})
    assert stack.create({"Resource": good}) == "CREATE_COMPLETE"
    assert stack.update({"Resource": good, "Other": bad}) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.sent("Other") == [("Create", None), ("Delete", "half-made")]
    assert stack.sent() == [("Create", None)]


@pytest.mark.parametrize("end", ["raise", "exit"])
def test_a_function_that_ends_in_an_error_is_run_twice_again(stack: Stack, end: str) -> None:
    started = time.monotonic()
    assert stack.create({"Resource": recorder({"Create": end})}) == "ROLLBACK_COMPLETE"
    assert time.monotonic() - started < PATIENCE, "it does not wait for the ServiceTimeout"
    requests = stack.requests()
    assert [event["RequestType"] for event in requests] == ["Create"] * 3 + ["Delete"]
    assert len({event["RequestId"] for event in requests[:3]}) == 1
    assert "3 times" in stack.reasons()
    assert requests[0]["ResponseURL"] not in stack.reasons()


def test_a_function_that_succeeds_at_the_second_attempt_is_a_success(stack: Stack) -> None:
    assert stack.create({"Resource": recorder({"Create": "raise once"})}) == "CREATE_COMPLETE"
    assert stack.sent() == [("Create", None)] * 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"Data": {"Text": "x" * 4096}}, "Response object is too long."),
        ({"PhysicalResourceId": "x" * 1025}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": "ä" * 513}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": None}, "Invalid PhysicalResourceId"),
        ({"Status": "DONE"}, "Invalid Status"),
    ],
)
def test_a_response_against_the_rules_is_refused(
    stack: Stack, answer: dict[str, object], reason: str
) -> None:
    assert stack.create({"Resource": recorder({"Create": answer})}) == "ROLLBACK_COMPLETE"
    assert reason in stack.reasons()


def test_a_response_of_the_maximum_size_is_accepted(stack: Stack) -> None:
    answer = {"PhysicalResourceId": "x" * 1024, "Data": {"Text": "y" * 2600}}
    assert stack.create({"Resource": recorder({"Create": answer})}) == "CREATE_COMPLETE"
    assert stack.physical_id("Resource") == "x" * 1024


def test_a_service_timeout_out_of_range_is_refused(stack: Stack) -> None:
    assert stack.create({"Resource": recorder({}, ServiceTimeout=3601)}) == "ROLLBACK_COMPLETE"
    assert "ServiceTimeout 3601" in stack.reasons()


def test_a_replaced_resource_is_deleted_in_the_clean_up_of_an_update(stack: Stack) -> None:
    assert stack.create({"Resource": recorder({}, Version="1")}) == "CREATE_COMPLETE"
    replacing = recorder({"Update": {"PhysicalResourceId": "second"}}, Version="2")
    assert stack.update({"Resource": replacing}) == "UPDATE_COMPLETE"
    assert stack.sent() == [
        ("Create", None),
        ("Update", "made-by-handler"),
        ("Delete", "made-by-handler"),
    ]


def test_rolling_a_replacement_back_sends_the_old_properties_and_deletes_the_new(
    stack: Stack,
) -> None:
    # The plan is among the properties: the first one answers the Update back.
    first = recorder({"Update": {"PhysicalResourceId": "made-by-handler"}}, Version="1")
    second = recorder({"Update": {"PhysicalResourceId": "second"}}, Version="2")
    assert stack.create({"Resource": first}) == "CREATE_COMPLETE"
    assert stack.update(_failing(second)) == "UPDATE_ROLLBACK_COMPLETE"

    assert stack.sent() == [
        ("Create", None),
        ("Update", "made-by-handler"),
        ("Update", "second"),
        ("Delete", "second"),
    ]
    back = stack.requests()[2]
    assert back["ResourceProperties"]["Version"] == "1"
    assert back["OldResourceProperties"]["Version"] == "2"
    assert stack.physical_id("Resource") == "made-by-handler"
    ends = [status for name, status in stack.events() if name == stack.name]
    assert ends[-2:] == [
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    assert stack.events()[-2:] == [
        ("Resource", "DELETE_COMPLETE"),
        (stack.name, "UPDATE_ROLLBACK_COMPLETE"),
    ]


def test_a_stack_is_rolled_back_after_its_clean_up(stack: Stack) -> None:
    first = recorder({"Update": {"PhysicalResourceId": "made-by-handler"}}, Version="1")
    slow = {"Update": {"PhysicalResourceId": "second"}, "Delete": "raise once"}
    assert stack.create({"Resource": first}) == "CREATE_COMPLETE"
    assert stack.update(_failing(recorder(slow, Version="2"))) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.sent()[-2:] == [("Delete", "second")] * 2
    assert ("Resource", "DELETE_COMPLETE") in stack.events()


def test_rolling_back_to_the_same_id_deletes_nothing(stack: Stack) -> None:
    second = recorder({"Update": {"PhysicalResourceId": "second"}}, Version="2")
    assert stack.create({"Resource": recorder({}, Version="1")}) == "CREATE_COMPLETE"
    assert stack.update(_failing(second)) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.sent()[1:] == [("Update", "made-by-handler"), ("Update", "second")]
    assert stack.physical_id("Resource") == "second"


def _failing(resource: dict[str, object]) -> dict[str, object]:
    """The resource, and one that fails after it."""
    breaker = recorder({"Create": {"Status": "FAILED"}}, depends_on="Resource")
    return {"Resource": resource, "Breaker": breaker}


def test_only_the_whole_url_answers_a_request(stack: Stack) -> None:
    with ThreadPoolExecutor(1) as pool:
        created = pool.submit(stack.create, {"Resource": recorder({"Create": "silence"})})
        while not stack.requests():
            time.sleep(0.02)
        [request] = stack.requests()
        url, _, signature = request["ResponseURL"].partition("?X-Amz-Signature=")
        answer = {"Status": "SUCCESS", "PhysicalResourceId": "made-by-test"}
        for wrong in (url, f"{url}?X-Amz-Signature=", f"{url}?X-Amz-Signature={signature[:-1]}"):
            assert _put(wrong, answer) == 403
        assert _put(request["ResponseURL"], answer) == 200
        assert created.result(PATIENCE) == "CREATE_COMPLETE"
    assert stack.physical_id("Resource") == "made-by-test"
    assert _put(request["ResponseURL"], answer) == 403


def _put(url: str, answer: Mapping[str, str]) -> int:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    try:
        connection.request("PUT", f"/{path}", body=json.dumps(answer))
        return connection.getresponse().status
    finally:
        connection.close()
