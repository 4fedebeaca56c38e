"""Stacks with a custom resource, whose function records its requests and follows a plan."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from cdk_braket_local.control.instance import LocalAws
from tests.patience import PATIENCE

_CODE = """
import json, os, subprocess, urllib.request

def handler(event, context):
    with open(os.environ["RECORD"], "a") as record:
        record.write(json.dumps(event) + "\\n")
    plan = json.loads(event["ResourceProperties"]["Plan"]).get(event["RequestType"], {})
    if plan == "raise once":
        with open(os.environ["RECORD"]) as record:
            if record.read().count(event["RequestId"]) == 1:
                raise RuntimeError("once " + event["ResponseURL"])
        plan = {}
    if plan == "raise":
        raise RuntimeError("never again " + event["ResponseURL"])
    if plan == "exit":
        os._exit(3)
    if plan == "leave a process":
        subprocess.Popen(["sleep", "600"])
        plan = {}
    if plan == "silence":
        return
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "made-by-handler"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    } | plan
    body = json.dumps({name: value for name, value in answer.items() if value is not None})
    request = urllib.request.Request(event["ResponseURL"], data=body.encode(), method="PUT")
    urllib.request.urlopen(request, timeout=10).read()
"""

Plan = Mapping[str, object]


def recorder(plan: Plan, depends_on: str | None = None, **properties: object) -> dict[str, Any]:
    """Return a custom resource; `plan` controls its function for each request type."""
    resource: dict[str, Any] = {
        "Type": "Custom::Recorder",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
            "Plan": json.dumps(plan),
            **properties,
        },
    }
    return resource | ({"DependsOn": depends_on} if depends_on else {})


@dataclass
class Stack:
    """A stack of a local AWS, under a separate name."""

    aws: LocalAws
    record: Path
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.client = boto3.client("cloudformation", **self.aws.client_settings)

    def create(
        self,
        resources: Mapping[str, object],
        *,
        roll_back: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Create it; return its last status."""
        self.client.create_stack(
            StackName=self.name,
            TemplateBody=self._template(resources),
            Capabilities=["CAPABILITY_IAM"],
            DisableRollback=not roll_back,
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )
        return self._settled()

    def update(self, resources: Mapping[str, object], *, roll_back: bool = True) -> str:
        """Update it; return its last status."""
        self.client.update_stack(
            StackName=self.name,
            TemplateBody=self._template(resources),
            Capabilities=["CAPABILITY_IAM"],
            DisableRollback=not roll_back,
        )
        return self._settled()

    def delete(self) -> str:
        """Delete it; return its last status."""
        arn = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self.client.delete_stack(StackName=self.name)
        return self._settled(arn)

    def physical_id(self, logical_id: str) -> str:
        """The physical id of one of its resources."""
        described = self.client.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    def events(self) -> list[tuple[str, str]]:
        """Its resources' events, in order: logical id and status."""
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]

    def reasons(self) -> str:
        """The reasons of all its events."""
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def requests(self, logical_id: str = "Resource") -> list[dict[str, Any]]:
        """The requests that a custom resource's function was sent, in order."""
        if not self.record.exists():
            return []
        sent = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [event for event in sent if event["LogicalResourceId"] == logical_id]

    def sent(self, logical_id: str = "Resource") -> list[tuple[str, str | None]]:
        """The type and physical id of each of these requests."""
        requests = self.requests(logical_id)
        return [(event["RequestType"], event.get("PhysicalResourceId")) for event in requests]

    def _template(self, resources: Mapping[str, object]) -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        function = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": _CODE},
                "Timeout": 20,
                "Environment": {"Variables": {"RECORD": str(self.record)}},
            },
        }
        role = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}
            },
        }
        return json.dumps({"Resources": {"Role": role, "Function": function, **resources}})

    def _settled(self, arn: str | None = None) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            (stack,) = self.client.describe_stacks(StackName=arn or self.name)["Stacks"]
            status = str(stack["StackStatus"])
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(0.05)
        raise TimeoutError(status)
