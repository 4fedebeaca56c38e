"""A role with its permissions in managed policies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_braket.core.naming import description
from cdk_braket.core.statement import Statement

# Without white space. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MOST_CHARACTERS: Final = 6144
# What stands around a policy's statements.
_FRAME: Final = len('{"Version":"2012-10-17","Statement":[]}')
# An ARN of what a template declares; function and key ARNs are the longest that policies name.
_REFERENCE_CHARACTERS: Final = 128
_POLICY: Final = "Policy"


@dataclass(slots=True)
class _Held:
    """The last statement of its kind: one with the same actions and conditions.

    Attributes:
        policy: Where it is.
        statement: The statement.
        resources: All resources of statements of this kind, as JSON.
    """

    policy: iam.ManagedPolicy
    statement: iam.PolicyStatement
    resources: set[str]


class OwnRole(iam.Role):
    """A role that is allowed things by managed policies of its stack, not by inline ones.

    Each permission, of our constructs, of CDK's or of the user's grants, goes to such a policy.
    Catalogues of controls require managed policies, they can be read and compared by themselves,
    and together hold more. A policy that is full is followed by another.
    """

    def __init__(
        self, scope: Construct, id: str, *, assumed_by: iam.IPrincipal, description: str
    ) -> None:
        self._policies: list[iam.ManagedPolicy] = []
        self._held: dict[str, _Held] = {}
        self._characters = 0
        super().__init__(scope, id, assumed_by=assumed_by, description=description)

    def allow(self, statements: Sequence[Statement]) -> None:
        """Add the permissions of statements to the role."""
        for statement in statements:
            self.add_to_principal_policy(statement.rendered())

    @property
    def first_policy(self) -> iam.ManagedPolicy | None:
        """The policy that has all others as its dependencies; None if nothing is allowed."""
        return self._policies[0] if self._policies else None

    def add_to_principal_policy(
        self, statement: iam.PolicyStatement
    ) -> iam.AddToPrincipalPolicyResult:
        """Add the permissions of a statement to the role. CDK calls it for each grant.

        Statements that differ in their resources alone are merged: a role has room for few.
        """
        stack = Stack.of(self)
        texts = {json.dumps(stack.resolve(each)): each for each in statement.resources}
        rendered = stack.resolve(statement.to_statement_json())
        rendered.pop("Resource", None)
        alike = json.dumps(rendered, sort_keys=True)
        held = self._held.get(alike)
        if held is None:
            self._hold(alike, statement.copy(), set(texts))
        elif missing := texts.keys() - held.resources:
            more = sum(characters(json.loads(text)) for text in missing)
            resources = [texts[text] for text in sorted(missing)]
            if held.policy is self._policies[-1] and self._has_room(more):
                held.statement.add_resources(*resources)
                held.resources |= missing
                self._characters += more
            else:
                self._hold(alike, statement.copy(resources=resources), held.resources | missing)
        return iam.AddToPrincipalPolicyResult(
            statement_added=True, policy_dependable=self._policies[0]
        )

    def _hold(self, alike: str, statement: iam.PolicyStatement, resources: set[str]) -> None:
        more = characters(Stack.of(self).resolve(statement.to_statement_json()))
        if not self._has_room(more):
            self._add_policy()
        self._characters += more
        policy = self._policies[-1]
        policy.add_statements(statement)
        self._held[alike] = _Held(policy, statement, resources)

    def _has_room(self, more: int) -> bool:
        return bool(self._policies) and self._characters + more <= _MOST_CHARACTERS

    def _add_policy(self) -> None:
        number = "" if not self._policies else str(len(self._policies) + 1)
        policy = iam.ManagedPolicy(
            self,
            f"{_POLICY}{number}",
            description=description("What", self.node.path, " is allowed (cdk-braket)"),
            roles=[self],
        )
        if self._policies:
            # What waits for the first has all of them.
            self._policies[0].node.add_dependency(policy)
        self._policies.append(policy)
        self._characters = _FRAME


def permissions_of(role: iam.IRole) -> IConstruct | None:
    """The resource that holds the permissions of a role of the app; None without one."""
    if isinstance(role, OwnRole):
        return role.first_policy
    return role.node.try_find_child("DefaultPolicy")


def characters(rendered: object, longest: Mapping[str, int] = MappingProxyType({})) -> int:
    """Return the most characters that a part of a policy has, with its references filled in.

    Args:
        rendered: The part, as in a template.
        longest: The most characters of references, by logical id. Default: those of the longest
            ARN.
    """
    match rendered:
        case {"Fn::Join": [_, list(parts)]}:
            return sum(characters(part, longest) for part in parts)
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return len("us-gov-west-1")
        case Mapping() if _is_reference(rendered):
            return longest.get(_referenced(rendered), _REFERENCE_CHARACTERS)
        case Mapping():
            return sum(
                characters(key) + characters(value, longest) for key, value in rendered.items()
            )
        case list():
            return sum(characters(part, longest) for part in rendered) + len("[]")
    return len(json.dumps(rendered)) + len(",")


def _is_reference(rendered: Mapping[str, object]) -> bool:
    return len(rendered) == 1 and all(name == "Ref" or name.startswith("Fn::") for name in rendered)


def _referenced(rendered: Mapping[str, object]) -> str:
    """The logical id that a reference names; empty when it is of another form."""
    match rendered:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return name
    return ""
