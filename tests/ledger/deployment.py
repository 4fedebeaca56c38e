"""An app as CloudFormation would deploy it: templates with every intrinsic function resolved."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aws_cdk import App

from tests.synth.support import ACCOUNT, REGION

# Of a template: JSON.
Value = Any

_PARTITION: Final = "aws"
_NOTHING: Final = object()


@dataclass(eq=False)
class Stack:
    """A stack of an app, or one that is nested in it."""

    name: str
    region: str
    template: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stack_id(self) -> str:
        """Its id, in CloudFormation's format."""
        return (
            f"arn:aws:cloudformation:{self.region}:{ACCOUNT}:stack/{self.name}/{_uuid(self.name)}"
        )


@dataclass(frozen=True)
class Resource:
    """A resource with resolved properties."""

    stack: Stack
    logical_id: str
    kind: str
    properties: dict[str, Any]
    ref: str
    arn: str


class Deployment:
    """All stacks of an app."""

    def __init__(self, app: App) -> None:
        assembly = app.synth()
        self._directory = Path(assembly.directory)
        self.stacks: list[Stack] = []
        for artifact in assembly.stacks:
            region = artifact.environment.region
            template = json.loads(Path(artifact.template_full_path).read_text("utf-8"))
            known = region if region != "unknown-region" else REGION
            self._add(Stack(artifact.stack_name, known, template))
        self._resources: dict[tuple[str, str], Resource] = {}

    def _add(self, stack: Stack) -> None:
        self.stacks.append(stack)
        for logical_id, resource in stack.template["Resources"].items():
            if resource["Type"] == "AWS::CloudFormation::Stack":
                path = self._directory / resource["Metadata"]["aws:asset:path"]
                template = json.loads(path.read_text("utf-8"))
                given = resource["Properties"].get("Parameters", {})
                parameters = {name: (stack, value) for name, value in given.items()}
                name = f"{stack.name}-{logical_id}-1A2B3C"
                self._add(Stack(name, stack.region, template, parameters))

    def resources(self, *kinds: str) -> Iterator[Resource]:
        """The resources of some types, or all."""
        for stack in self.stacks:
            for logical_id, resource in stack.template["Resources"].items():
                if not kinds or resource["Type"] in kinds:
                    yield self.resource(stack, logical_id)

    def resource(self, stack: Stack, logical_id: str) -> Resource:
        """One resource."""
        key = (stack.name, logical_id)
        if key not in self._resources:
            template = stack.template["Resources"][logical_id]
            kind = template["Type"]
            given = template.get("Properties", {})
            naming = _NAMING.get(kind, _any_name)
            ref, arn = naming(stack, logical_id, lambda name: self.resolve(given.get(name), stack))
            resource = Resource(stack, logical_id, kind, {}, ref, arn)
            self._resources[key] = resource
            # Its own ARN may be in it.
            resource.properties.update(self.resolve(given, stack))
        return self._resources[key]

    def resolve(self, value: Value, stack: Stack) -> Value:
        """Fill intrinsic functions in."""
        if isinstance(value, list):
            parts = (self.resolve(each, stack) for each in value)
            return [part for part in parts if part is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref":
                return self._ref(argument, stack)
            if name.startswith("Fn::"):
                return self._function(name, argument, stack)
        members = {name: self.resolve(each, stack) for name, each in value.items()}
        return {name: each for name, each in members.items() if each is not _NOTHING}

    def _ref(self, name: str, stack: Stack) -> Value:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _NOTHING,
            "AWS::Partition": _PARTITION,
            "AWS::Region": stack.region,
            "AWS::StackId": stack.stack_id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in stack.template["Resources"]:
            return self.resource(stack, name).ref
        if name in stack.parameters:
            parent, value = stack.parameters[name]
            return self.resolve(value, parent)
        return stack.template["Parameters"][name].get("Default", f"parameter-{name}")

    def _function(self, name: str, argument: Value, stack: Stack) -> Value:
        if name == "Fn::GetAtt":
            return self._attribute(argument, stack)
        if name == "Fn::Sub":
            return self._substituted(argument, stack)
        given = self.resolve(argument, stack)
        if name == "Fn::FindInMap":
            mapping, first, second = given
            return stack.template["Mappings"][mapping][first][second]
        if name == "Fn::ImportValue":
            return self._exported(str(given))
        if name == "Fn::GetStackOutput":
            [other] = [each for each in self.stacks if each.name == given["StackName"]]
            return self.resolve(other.template["Outputs"][given["OutputName"]]["Value"], other)
        return _PURE[name](given)

    def _attribute(self, argument: Value, stack: Stack) -> Value:
        logical_id, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        resource = stack.template["Resources"][logical_id]
        if resource["Type"] == "AWS::CloudFormation::Stack":
            [nested] = [s for s in self.stacks if s.name == f"{stack.name}-{logical_id}-1A2B3C"]
            output = nested.template["Outputs"][attribute.removeprefix("Outputs.")]
            return self.resolve(output["Value"], nested)
        if attribute in {"Arn", "JobArn", "TopicArn"}:
            return self.resource(stack, logical_id).arn
        return f"{logical_id}-{attribute}"

    def _substituted(self, argument: Value, stack: Stack) -> str:
        template, values = argument if isinstance(argument, list) else (argument, {})

        def filled(found: re.Match[str]) -> str:
            name = found[1]
            if name in values:
                return str(self.resolve(values[name], stack))
            intrinsic = {"Fn::GetAtt": name} if "." in name else {"Ref": name}
            return str(self.resolve(intrinsic, stack))

        return re.sub(r"\$\{([^!}][^}]*)\}", filled, template)

    def _exported(self, name: str) -> Value:
        for stack in self.stacks:
            for output in stack.template.get("Outputs", {}).values():
                if self.resolve(output.get("Export", {}).get("Name"), stack) == name:
                    return self.resolve(output["Value"], stack)
        raise KeyError(name)


_PURE: Final[Mapping[str, Callable[[Value], Value]]] = {
    "Fn::Join": lambda given: given[0].join(str(part) for part in given[1]),
    "Fn::Select": lambda given: given[1][int(given[0])],
    "Fn::Split": lambda given: str(given[1]).split(given[0]),
}


def _uuid(text: str) -> str:
    return str(uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


_Property = Callable[[str], Any]
_Names = tuple[str, str]


def _generated(stack: Stack, logical_id: str) -> str:
    return f"{stack.name[:24]}-{logical_id[-24:]}-X1Y2Z3"


def _any_name(stack: Stack, logical_id: str, _: _Property) -> _Names:
    name = _generated(stack, logical_id)
    return name, f"arn:aws:unknown:{stack.region}:{ACCOUNT}:{name}"


def _bucket(stack: Stack, logical_id: str, given: _Property) -> _Names:
    name = given("BucketName") or _generated(stack, logical_id).lower()
    return name, f"arn:aws:s3:::{name}"


def _role(stack: Stack, logical_id: str, given: _Property) -> _Names:
    name = given("RoleName") or _generated(stack, logical_id)
    return name, f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _managed_policy(stack: Stack, logical_id: str, given: _Property) -> _Names:
    name = given("ManagedPolicyName") or _generated(stack, logical_id)
    arn = f"arn:aws:iam::{ACCOUNT}:policy{given('Path') or '/'}{name}"
    return arn, arn


def _key(stack: Stack, logical_id: str, _: _Property) -> _Names:
    name = _uuid(stack.name + logical_id)
    return name, f"arn:aws:kms:{stack.region}:{ACCOUNT}:key/{name}"


def _job(stack: Stack, logical_id: str, _: _Property) -> _Names:
    name = _uuid(stack.name + logical_id)
    return name, f"arn:aws:braket:{stack.region}:{ACCOUNT}:job/{name}"


def _named(service: str, pattern: str, *, refers_by_arn: bool = False) -> Callable[..., _Names]:
    def names(stack: Stack, logical_id: str, given: _Property) -> _Names:
        name = given("Name") or _generated(stack, logical_id)
        arn = f"arn:aws:{service}:{stack.region}:{ACCOUNT}:{pattern.format(name)}"
        return (arn if refers_by_arn else name), arn

    return names


_NAMING: Final[Mapping[str, Callable[..., _Names]]] = {
    "AWS::CloudWatch::Alarm": _named("cloudwatch", "alarm:{}"),
    "AWS::Events::Rule": _named("events", "rule/{}"),
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": lambda _stack, _id, given: (given("AliasName"), given("TargetKeyId")),
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Function": _named("lambda", "function:{}"),
    "AWS::Logs::LogGroup": _named("logs", "log-group:{}:*"),
    "AWS::S3::Bucket": _bucket,
    "AWS::Scheduler::Schedule": _named("scheduler", "schedule/default/{}"),
    "AWS::SNS::Topic": _named("sns", "{}", refers_by_arn=True),
    "AWS::SQS::Queue": _named("sqs", "{}"),
    "AWS::StepFunctions::StateMachine": _named("states", "stateMachine:{}", refers_by_arn=True),
    "Custom::BraketHybridJob": _job,
}
