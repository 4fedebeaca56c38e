"""The timeline of a deployment, from the events of CloudFormation, the handler and the service.

docs/pictures/timeline.json is the timeline of one deployment, and its picture is drawn from it. To
record it again, run the test with CDK_BRAKET_RECORD=1.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from cdk_braket_local.control.instance import LocalAws

FILE = Path(__file__).resolve().parents[2] / "docs/pictures/timeline.json"
RECORD = "CDK_BRAKET_RECORD"


def check(aws: LocalAws, stack: str, job_arn: str) -> None:
    """Compare the events of a deployment with the recorded ones.

    Times differ from run to run. So the texts are compared, in their order for each source.
    """
    events = list(_events(aws, stack, job_arn))
    if os.environ.get(RECORD):
        FILE.write_text(json.dumps(events, indent=1) + "\n", encoding="utf-8")
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    assert _texts(events) == _texts(recorded)


def _texts(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["row"], event["text"]) for event in events]


def _events(aws: LocalAws, stack: str, job_arn: str) -> Iterator[dict[str, Any]]:
    statuses = sorted(_statuses(aws, stack), key=lambda status: status[1])
    begin = statuses[0][1]
    job = boto3.client("braket", **aws.client_settings).get_job(jobArn=job_arn)
    rows = {
        "CloudFormation": statuses,
        "handler": list(_decisions(aws, stack)),
        "Amazon Braket": [("job created", job["createdAt"].timestamp())],
    }
    for row, events in rows.items():
        for text, at in events:
            yield {"row": row, "at": round(at - begin, 2), "text": text}


def _statuses(aws: LocalAws, stack: str) -> Iterator[tuple[str, float]]:
    """The statuses of the job's resource, and when each began."""
    cloudformation = boto3.client("cloudformation", **aws.client_settings)
    for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
        if event.get("ResourceType") == "Custom::BraketHybridJob":
            yield event["ResourceStatus"], event["Timestamp"].timestamp()


def _decisions(aws: LocalAws, stack: str) -> Iterator[tuple[str, float]]:
    """The decisions that the handler logged, and when."""
    logs = boto3.client("logs", **aws.client_settings)
    names = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    [group] = [name for name in names if f"{stack}-BraketHybridJob" in name]
    events = logs.filter_log_events(logGroupName=group)["events"]
    for event in sorted(events, key=lambda each: each["timestamp"]):
        if event["message"].startswith("{"):
            at = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone().timestamp()
            yield json.loads(event["message"])["decision"], at
