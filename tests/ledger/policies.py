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
        self._of_resources = dict(self._resource_policies())

    def of_role(self, name: str) -> tuple[Document, ...]:
        """The documents of a role's policies."""
        return tuple(each.document for each in self.attached if each.role == name)

    def of_resource(self, arn: str) -> Document | None:
        """The policy of the resource that an ARN is of, or is in."""
        for holder, document in self._of_resources.items():
            if arn == holder or (":s3:::" in holder and arn.startswith(f"{holder}/")):
                return document
        return None

    def trust(self, role: Resource) -> Document:
        """A role's trust policy."""
        return dict(role.properties["AssumeRolePolicyDocument"])

    def without(self, attached: Attached, index: int) -> tuple[Document, ...]:
        """The documents of a role's policies without one statement."""
        less = copy.deepcopy(attached.document)
        del less["Statement"][index]
        return tuple(
            less if each is attached else each.document
            for each in self.attached
            if each.role == attached.role
        )

    def _resource_policies(self) -> Iterator[tuple[str, Document]]:
        buckets = {each.ref: each.arn for each in self.deployment.resources("AWS::S3::Bucket")}
        for each in self.deployment.resources("AWS::S3::BucketPolicy"):
            name = each.properties["Bucket"]
            yield buckets.get(name, f"arn:aws:s3:::{name}"), each.properties["PolicyDocument"]
        for each in self.deployment.resources("AWS::KMS::Key"):
            yield each.arn, each.properties["KeyPolicy"]
        for each in self.deployment.resources("AWS::SQS::QueuePolicy"):
            for name in each.properties["Queues"]:
                account_and_name = name.rpartition("/")[2]
                arn = f"arn:aws:sqs:{each.stack.region}:111122223333:{account_and_name}"
                yield arn, each.properties["PolicyDocument"]
        yield from self._functions()

    def _functions(self) -> Iterator[tuple[str, Document]]:
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
            yield arn, {"Version": "2012-10-17", "Statement": found}
