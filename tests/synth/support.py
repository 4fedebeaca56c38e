"""Stacks to synthesize, and functions that read their templates. One process serves all tests."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from aws_cdk import App, Environment, Stack
from aws_cdk.assertions import Template

from cdk_braket import (
    AlgorithmScript,
    Checkpoint,
    CheckpointSource,
    ContainerImage,
    Device,
    Distribution,
    HybridJob,
    InputChannel,
    InstanceConfig,
    OutputData,
)
from cdk_braket._lambda.braket_jobs.handler.properties import read_request, read_tags

ACCOUNT = "111122223333"
REGION = "us-east-1"
LOCAL = Device.local("braket/default")

Json = Mapping[str, object]

__all__ = [
    "ACCOUNT",
    "LOCAL",
    "REGION",
    "AlgorithmScript",
    "Checkpoint",
    "CheckpointSource",
    "ContainerImage",
    "Device",
    "Distribution",
    "HybridJob",
    "InputChannel",
    "InstanceConfig",
    "OutputData",
]


def new_stack(*, region: str | None = REGION, context: Mapping[str, object] | None = None) -> Stack:
    """A stack in a separate app; without a region it is for any environment."""
    env = None if region is None else Environment(account=ACCOUNT, region=region)
    return Stack(App(context=context), "Stack", env=env)


def script(directory: Path, source: str = "def main(): pass\n") -> AlgorithmScript:
    """A script of one file, whose entry function has no arguments."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "algo.py"
    path.write_text(source, encoding="utf-8")
    return AlgorithmScript.from_asset(path, entry_point="algo:main")


def image_job(stack: Stack, id: str = "Job") -> HybridJob:
    """The arguments of a minimal job."""
    return HybridJob(stack, id, image=ContainerImage.base(), device=LOCAL)


def template_of(stack: Stack) -> Json:
    """The stack's template."""
    return cast("Json", Template.from_stack(stack).to_json())


def resources(stack: Stack, type: str) -> dict[str, Json]:
    """The resources of a type, by logical id."""
    found = cast("Mapping[str, Json]", template_of(stack)["Resources"])
    return {name: resource for name, resource in found.items() if resource["Type"] == type}


def only(stack: Stack, type: str) -> Json:
    """The properties of the one resource of a type."""
    [resource] = resources(stack, type).values()
    return cast("Json", resource["Properties"])


def job_properties(stack: Stack) -> Json:
    """The properties of the one custom resource."""
    return only(stack, "Custom::BraketHybridJob")


def request_of(stack: Stack) -> Json:
    """The CreateJob request of the one job; a token reads as `<its JSON>`."""
    return read_request(as_sent(job_properties(stack)))


def tags_of(stack: Stack) -> Json:
    """The tags of the one job."""
    return read_tags(as_sent(job_properties(stack)))


def assets_of(stack: Stack) -> dict[str, dict[str, str]]:
    """The assets of the one job, by the bucket they come from."""
    entries = as_sent(job_properties(stack)).get("Assets", [])
    return {each["Bucket"]: each["Objects"] for each in cast("list[dict[str, Any]]", entries)}


def as_sent(properties: Json) -> dict[str, object]:
    """Properties as CloudFormation sends them: all values are strings; see `text` for tokens."""
    return {name: _sent(value) for name, value in properties.items()}


def _sent(value: object) -> object:
    if isinstance(value, list):
        return [_sent(each) for each in value]
    if isinstance(value, dict) and not _is_intrinsic(value):
        return {key: _sent(inner) for key, inner in value.items()}
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else text(value)


def _is_intrinsic(value: Json) -> bool:
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)


def text(value: object) -> str:
    """Return a template's value as a string, with references as `<its JSON>`."""
    if isinstance(value, str):
        return value
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(text(part) for part in parts)
        case {"Fn::Sub": str(template)}:
            return _filled_in(template, {})
        case {"Fn::Sub": [str(template), dict(values)]}:
            return _filled_in(template, values)
    return f"<{json.dumps(value, sort_keys=True)}>".replace('"', "'")


def _filled_in(template: str, values: Mapping[str, object]) -> str:
    def intrinsic(name: str) -> object:
        resource, dot, attribute = name.partition(".")
        return values.get(name, {"Fn::GetAtt": [resource, attribute]} if dot else {"Ref": name})

    return re.sub(r"\$\{([^}]+)\}", lambda found: text(intrinsic(found[1])), template)


def policies(stack: Stack) -> dict[str, Json]:
    """The policies of roles: managed ones of the stack, and inline ones."""
    return resources(stack, "AWS::IAM::ManagedPolicy") | resources(stack, "AWS::IAM::Policy")


def statements(stack: Stack, role_part: str) -> list[Json]:
    """The statements of the policies whose name has a part in it."""
    found: list[Json] = []
    for name, resource in policies(stack).items():
        if role_part in name:
            properties = cast("Json", resource["Properties"])
            document = cast("Json", properties["PolicyDocument"])
            found += cast("list[Json]", document["Statement"])
    return found


def allowed(stack: Stack, role_part: str) -> set[tuple[str, str]]:
    """The permissions of the policies: pairs of an action and a resource."""
    return {
        (action, text(resource))
        for statement in statements(stack, role_part)
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
    }


def many(value: object) -> list[str]:
    """The values of a member that a policy may write as one or as a list."""
    return cast("list[str]", value if isinstance(value, list) else [value])


def json_of(value: object) -> dict[str, object]:
    """A template's value that is a JSON object."""
    return cast("dict[str, object]", json.loads(text(value)))


def argument_of(problem: str) -> str:
    """Return the argument that a problem is about."""
    return re.split("[=:]", problem)[0]
