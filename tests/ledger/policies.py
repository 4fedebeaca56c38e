"""The policies of a deployment: of roles, and of resources."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.ledger.deployment import Deployment, Resource

Document = dict[str, Any]

_ROLE_POLICIES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")


@dataclass(frozen=True)
class Attached:
    """A policy of a role, by where it is in the app."""

    path: str
    role: str
    document: Document


@dataclass(frozen=True)
class Held:
    """A statement of a resource's policy, or of a role's trust policy.

    Attributes:
        kind: The type of the resource that it is of.
        arn: The resource.
        document: The policy.
        index: Its place in the policy.
    """

    kind: str
    arn: str
    document: Document
    index: int

    @property
    def statement(self) -> Document:
        """The statement itself."""
        return dict(self.document["Statement"][self.index])

    def removed(self) -> Document | None:
        """The policy without it; None if it was the only one."""
        rest = [
            each for number, each in enumerate(self.document["Statement"]) if number != self.index
        ]
        return {**self.document, "Statement": rest} if rest else None


class Policies:
    """All policies of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.roles = {each.ref: each for each in deployment.resources("AWS::IAM::Role")}
        self.attached = [
            Attached(
                f"{each.stack.name}/{each.logical_id}", role, each.properties["PolicyDocument"]
            )
            for each in deployment.resources(*_ROLE_POLICIES)
            for role in each.properties.get("Roles", [])
        ]
        self._of_resources = {
            arn: (kind, document) for kind, arn, document in self._resource_policies()
        }

    def of_role(self, name: str) -> tuple[Document, ...]:
        """The documents of a role's policies."""
        return tuple(each.document for each in self.attached if each.role == name)

    def of_resource(self, arn: str) -> Document | None:
        """The policy of the resource that an ARN is of, or is in."""
        for holder, (_, document) in self._of_resources.items():
            if arn == holder or (":s3:::" in holder and arn.startswith(f"{holder}/")):
                return document
        return None

    def trust(self, role: Resource) -> Document:
        """A role's trust policy."""
        return dict(role.properties["AssumeRolePolicyDocument"])

    def held(self) -> Iterator[Held]:
        """The statements of all policies of resources, and of all trust policies."""
        documents = [(kind, arn, document) for arn, (kind, document) in self._of_resources.items()]
        documents += [("AWS::IAM::Role", r.arn, self.trust(r)) for r in self.roles.values()]
        for kind, arn, document in documents:
            for index in range(len(document["Statement"])):
                yield Held(kind, arn, document, index)

    def decides_on(self, held: Held, resource: str) -> bool:
        """Whether a statement is of the policy for a resource."""
        if held.kind == "AWS::IAM::Role":
            return held.arn == resource
        return self.of_resource(resource) is held.document

    def without(self, attached: Attached, index: int) -> tuple[Document, ...]:
        """The documents of a role's policies without one statement."""
        less = copy.deepcopy(attached.document)
        del less["Statement"][index]
        return tuple(
            less if each is attached else each.document
            for each in self.attached
            if each.role == attached.role
        )

    def _resource_policies(self) -> Iterator[tuple[str, str, Document]]:
        buckets = {each.ref: each.arn for each in self.deployment.resources("AWS::S3::Bucket")}
        for each in self.deployment.resources("AWS::S3::BucketPolicy"):
            name = each.properties["Bucket"]
            arn = buckets.get(name, f"arn:aws:s3:::{name}")
            yield "AWS::S3::Bucket", arn, each.properties["PolicyDocument"]
        for each in self.deployment.resources("AWS::KMS::Key"):
            yield each.kind, each.arn, each.properties["KeyPolicy"]
        for each in self.deployment.resources("AWS::SQS::QueuePolicy"):
            for name in each.properties["Queues"]:
                account_and_name = name.rpartition("/")[2]
                arn = f"arn:aws:sqs:{each.stack.region}:111122223333:{account_and_name}"
                yield "AWS::SQS::Queue", arn, each.properties["PolicyDocument"]
        yield from self._functions()

    def _functions(self) -> Iterator[tuple[str, str, Document]]:
        statements: dict[str, list[Document]] = {}
        for each in self.deployment.resources("AWS::Lambda::Permission"):
            given = each.properties
            condition: Document = {}
            if "SourceArn" in given:
                condition["ArnLike"] = {"aws:SourceArn": given["SourceArn"]}
            if "SourceAccount" in given:
                condition["StringEquals"] = {"aws:SourceAccount": given["SourceAccount"]}
            statements.setdefault(given["FunctionName"], []).append(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": given["Principal"]},
                    "Action": given["Action"],
                    "Resource": given["FunctionName"],
                    "Condition": condition,
                }
            )
        for arn, found in statements.items():
            document = {"Version": "2012-10-17", "Statement": found}
            yield "AWS::Lambda::Function", arn, document
