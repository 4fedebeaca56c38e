"""Statements of policies as values, before any construct of them exists."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from aws_cdk import aws_iam as iam


@dataclass(frozen=True)
class Statement:
    """A statement that allows actions on resources.

    Two statements are equal if they have the same parts, in the same order. Only a statement that a
    role lacks is created as an object of the CDK.

    Attributes:
        actions: The actions.
        resources: The resources; may hold tokens.
        conditions: The conditions. Default: none.
    """

    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The statement as a string that only an equal one has."""
        return json.dumps([list(self.actions), list(self.resources), self.conditions])

    def __eq__(self, other: object) -> bool:
        """Compare the statements' text."""
        return isinstance(other, Statement) and self.text == other.text

    def __hash__(self) -> int:
        """Return the hash of the statement's text."""
        return hash(self.text)

    def rendered(self) -> iam.PolicyStatement:
        """Return the statement as an object of the CDK, a new one at each call."""
        return iam.PolicyStatement(
            actions=list(self.actions),
            resources=list(self.resources),
            conditions=dict(self.conditions) or None,
        )


def rendered(statements: Sequence[Statement]) -> list[iam.PolicyStatement]:
    """Return statements as objects of the CDK."""
    return [statement.rendered() for statement in statements]
