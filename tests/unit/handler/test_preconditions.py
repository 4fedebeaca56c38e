"""Missing prerequisites in the account are reported before a job is requested."""

import json

import pytest

from cdk_braket._lambda.braket_jobs.contract import Property
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.worlds import Stack, World, properties, request

QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
THEIRS = "s3://amazon-braket-theirs/algo.tar.gz"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stack(world: World) -> Stack:
    return Stack(world)


def request_with(**changes: object) -> dict[str, object]:
    return {**properties(), Property.REQUEST: json.dumps(request(**changes))}


def script_at(uri: str) -> dict[str, object]:
    script = {"entryPoint": "algo:main", "s3Uri": uri, "compressionType": "GZIP"}
    return {"algorithmSpecification": {"scriptModeConfig": script}}


def test_where_all_is_there_the_job_starts(world: World, stack: Stack) -> None:
    world.assets["amazon-braket-theirs", "algo.tar.gz"] = "theirs"
    wanted = request_with(**script_at(THEIRS), deviceConfig={"device": QPU})
    assert stack.create(wanted)["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (script_at(THEIRS), [THEIRS, "upload it"]),
        ({"deviceConfig": {"device": QPU}}, [QPU, "is OFFLINE", "another device"]),
        (
            {"outputDataConfig": {"s3Path": "s3://mine/out"}},
            ["the bucket mine", "amazon-braket-", "AmazonBraket=true"],
        ),
        (
            {"checkpointConfig": {"s3Uri": "s3://mine/checkpoints"}},
            ["the bucket mine", "amazon-braket-", "AmazonBraket=true"],
        ),
        (
            {
                "inputDataConfig": [
                    {
                        "channelName": "in",
                        "dataSource": {"s3DataSource": {"s3Uri": "s3://mine/in"}},
                    }
                ]
            },
            ["the bucket mine"],
        ),
    ],
)
def test_a_missing_prerequisite_is_reported_with_a_fix_and_nothing_is_created(
    world: World, stack: Stack, changes: dict[str, object], says: list[str]
) -> None:
    world.devices[QPU] = "OFFLINE"
    answer = stack.create(request_with(**changes))
    assert answer["Status"] == "FAILED"
    assert all(text in str(answer["Reason"]) for text in says), answer["Reason"]
    assert "create_job" not in world.calls
    assert "copy_asset" not in world.calls


def test_an_account_without_braket_gets_the_fix(world: World, stack: Stack) -> None:
    world.roles.clear()
    answer = stack.create(properties())
    assert answer["Status"] == "FAILED"
    assert "create-service-linked-role" in str(answer["Reason"])
    assert world.jobs == {}


def test_all_missing_prerequisites_are_reported_at_once(world: World, stack: Stack) -> None:
    world.roles.clear()
    world.devices[QPU] = "RETIRED"
    reason = str(stack.create(request_with(deviceConfig={"device": QPU}))["Reason"])
    assert "create-service-linked-role" in reason
    assert "is RETIRED" in reason


def test_a_bucket_may_be_reached_by_its_tag(world: World, stack: Stack) -> None:
    world.tags_of_buckets["mine"] = {"AmazonBraket": "true"}
    wanted = request_with(outputDataConfig={"s3Path": "s3://mine/out"})
    assert stack.create(wanted)["Status"] == "SUCCESS"


@pytest.mark.parametrize("look", ["has_role", "device_status", "has_object", "bucket_tags"])
def test_a_check_without_permission_is_left_to_the_service(
    world: World, stack: Stack, look: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, _number: int) -> None:
        if name == look:
            raise ServiceError(look, "AccessDenied", "no", Kind.PERMANENT)

    world.assets["amazon-braket-theirs", "algo.tar.gz"] = "theirs"
    world.tags_of_buckets["mine"] = {"AmazonBraket": "true"}
    world.before = refuse
    wanted = request_with(
        **script_at(THEIRS),
        deviceConfig={"device": QPU},
        outputDataConfig={"s3Path": "s3://mine/out"},
    )
    assert stack.create(wanted)["Status"] == "SUCCESS"
    assert '"decision": "unchecked"' in capsys.readouterr().out


def test_a_definition_that_missed_something_runs_in_a_later_deployment(
    world: World, stack: Stack
) -> None:
    world.roles.clear()
    failed = stack.create(properties())
    stack.delete(str(failed["PhysicalResourceId"]), properties())
    world.roles.add("AWSServiceRoleForAmazonBraket")
    assert stack.create(properties())["Status"] == "SUCCESS"


def test_after_a_call_nothing_is_checked_again(world: World, stack: Stack) -> None:
    event = stack.event("Create", properties())
    left = [1]

    def lose(name: str, _number: int) -> None:
        if name == "create_job" and left[0]:
            left[0] -= 1
            world.roles.clear()
            raise KeyboardInterrupt

    world.after = lose
    with pytest.raises(KeyboardInterrupt):
        stack.send(event)
    world.invoked.clear()
    world.time += 120
    assert stack.send(event)["Status"] == "SUCCESS"
    assert len(world.jobs) == 1
