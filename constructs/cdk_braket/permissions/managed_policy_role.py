"""A role that is made here, and what it is allowed."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

# Without white space. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MOST_CHARACTERS: Final = 6144
# What stands around a policy's statements.
_FRAME: Final = len('{"Version":"2012-10-17","Statement":[]}')
# An ARN of what a template declares; function and key ARNs are the longest that policies name.
_REFERENCE_CHARACTERS: Final = 128
_POLICY: Final = "Policy"
# Latin-1, without its control characters. Source:
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
_DESCRIPTION: Final = re.compile(r"[\t\n\r\u0020-\u007E\u00A1-\u00FF]{0,1000}")


def role_description(words: str, path: str) -> str:
    """Return what a role is for; without the construct's path if IAM cannot hold it.

    Args:
        words: What the role does, up to the path.
        path: The construct's path.
    """
    return described(f"{words} {path}", words.removesuffix(" of"))


def described(text: str, otherwise: str) -> str:
    """Return a description if IAM can hold it, else the other one."""
    return text if _DESCRIPTION.fullmatch(text) else otherwise


class OwnRole(iam.Role):
    """A role that is allowed things by managed policies of its stack, not by inline ones.

    Whoever gives it a permission, a construct of ours, one of CDK's or the user's grants, gives it
    to such a policy: these are what catalogues of controls ask for, they can be seen and compared
    by themselves, and together hold more. A policy that is full is followed by another.
    """

    def __init__(
        self, scope: Construct, id: str, *, assumed_by: iam.IPrincipal, description: str
    ) -> None:
        self._policies: list[iam.ManagedPolicy] = []
        self._held: set[str] = set()
        self._characters = 0
        super().__init__(scope, id, assumed_by=assumed_by, description=description)

    def allow(self, statements: Sequence[iam.PolicyStatement]) -> None:
        """Allow the role what the statements say."""
        for statement in statements:
            self.add_to_principal_policy(statement)

    def add_to_principal_policy(
        self, statement: iam.PolicyStatement
    ) -> iam.AddToPrincipalPolicyResult:
        """Allow the role what the statement says. CDK calls it for each grant."""
        rendered = Stack.of(self).resolve(statement.to_statement_json())
        text = json.dumps(rendered, sort_keys=True)
        if text not in self._held:
            self._held.add(text)
            self._policy_with_room(_characters(rendered)).add_statements(statement)
        return iam.AddToPrincipalPolicyResult(
            statement_added=True, policy_dependable=self._policies[0]
        )

    def _policy_with_room(self, characters: int) -> iam.ManagedPolicy:
        if self._policies and self._characters + characters <= _MOST_CHARACTERS:
            self._characters += characters
            return self._policies[-1]
        number = "" if not self._policies else str(len(self._policies) + 1)
        policy = iam.ManagedPolicy(
            self,
            f"{_POLICY}{number}",
            description=described(
                f"What {self.node.path} is allowed (cdk-braket)",
                "What a role is allowed (cdk-braket)",
            ),
            roles=[self],
        )
        if self._policies:
            # What waits for the first has all of them.
            self._policies[0].node.add_dependency(policy)
        self._policies.append(policy)
        self._characters = _FRAME + characters
        return policy


def permissions_of(role: iam.IRole) -> IConstruct | None:
    """What has to be there before a role of the app may what it is allowed; None if nothing is."""
    return role.node.try_find_child(_POLICY if isinstance(role, OwnRole) else "DefaultPolicy")


def _characters(rendered: object) -> int:
    """The most that a part of a policy takes, references filled in."""
    match rendered:
        case {"Fn::Join": [_, list(parts)]}:
            return sum(_characters(part) for part in parts)
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return len("us-gov-west-1")
        case Mapping() if _is_reference(rendered):
            return _REFERENCE_CHARACTERS
        case Mapping():
            return sum(_characters(key) + _characters(value) for key, value in rendered.items())
        case list():
            return sum(_characters(part) for part in rendered) + len("[]")
    return len(json.dumps(rendered)) + len(",")


def _is_reference(rendered: Mapping[str, object]) -> bool:
    return len(rendered) == 1 and all(name == "Ref" or name.startswith("Fn::") for name in rendered)
