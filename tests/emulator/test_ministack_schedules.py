"""A schedule passes its ARN and its time to its target, as on AWS."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.jobs import TRUST, Jobs
from tests.patience import PATIENCE

_TRUST = TRUST | {"Principal": {"Service": "scheduler.amazonaws.com"}}
_KEYWORDS = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")


def test_the_keywords_of_a_schedules_input_are_filled_in(local_aws: LocalAws) -> None:
    settings = local_aws.client_settings
    sqs = boto3.client("sqs", **settings)
    scheduler: Any = boto3.client("scheduler", **settings)
    url = sqs.create_queue(QueueName="scheduled")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    given = {keyword: f"<aws.scheduler.{keyword}>" for keyword in _KEYWORDS}
    soon = datetime.now(UTC) + timedelta(seconds=1)
    arn = scheduler.create_schedule(
        Name="once",
        ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": queue["QueueArn"],
            "RoleArn": Jobs(local_aws, ("sqs:SendMessage",), _TRUST).role_arn,
            "Input": json.dumps(given),
        },
    )["ScheduleArn"]
    told = _message(sqs, url)
    assert told["schedule-arn"] == arn
    at = datetime.fromisoformat(told["scheduled-time"])
    assert abs(at - soon) < timedelta(seconds=PATIENCE)
    assert told["attempt-number"] == "1"
    assert len(told["execution-id"]) == 16
    scheduler.delete_schedule(Name="once")


def _message(sqs: Any, url: str) -> dict[str, str]:  # noqa: ANN401
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            found: dict[str, str] = json.loads(message["Body"])
            return found
    raise AssertionError("nothing came")
