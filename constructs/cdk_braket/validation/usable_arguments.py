"""The arguments for further checks if others are refused for their types."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Final

from aws_cdk import RemovalPolicy, Token

from cdk_braket.core.issue import Issue
from cdk_braket.request.device import Device

_NEUTRAL: Final[Mapping[str, object]] = {
    "device": Device.local("braket/default"),
    "isolated": False,
    "disabled_checks": (),
}

# Of buckets, keys and log groups, CloudFormation makes no snapshots. Source:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
_NO_POLICIES: Final = frozenset({RemovalPolicy.SNAPSHOT})


def usable_arguments(given: Mapping[str, Any], refused: Collection[str]) -> dict[str, Any]:
    """Return arguments in which nothing of a wrong type is left.

    Args:
        given: Arguments by name.
        refused: The arguments, or parts of them, that are of wrong types.
    """
    usable = dict(given)
    for argument in refused:
        root = argument.partition(".")[0].partition("[")[0]
        if root in usable:
            usable[root] = _without(usable[root], argument.removeprefix(root), root)
    return usable


def _without(value: object, part: str, root: str) -> object:
    if part.startswith("[") and isinstance(value, Mapping):
        return _fitting(value, part) or None
    if (
        part.startswith(".")
        and part.count(".") == 1
        and is_dataclass(value)
        and not isinstance(value, type)
    ):
        return _with_default(value, part[1:], root)
    return _NEUTRAL.get(root)


def _fitting(values: Mapping[object, object], part: str) -> dict[object, object]:
    """Remove the entry that is refused, and all whose keys are no strings."""
    return {
        key: value
        for key, value in values.items()
        if isinstance(key, str) and not part.startswith(f"[{key!r}]")
    }


def _with_default(value: Any, name: str, root: str) -> object:  # noqa: ANN401 - any dataclass
    for field in fields(value):
        if field.name != name:
            continue
        if field.default is not MISSING:
            return replace(value, **{name: field.default})
        if field.default_factory is not MISSING:
            return replace(value, **{name: field.default_factory()})
        if field.type in {str, "str"}:
            return replace(value, **{name: Token.as_string({"Ref": "AWS::NoValue"})})
    return _NEUTRAL.get(root)


def policy_issues(policy: RemovalPolicy | None) -> Iterator[Issue]:
    """Return an issue for a policy that buckets, keys and log groups cannot have."""
    if policy in _NO_POLICIES:
        yield Issue(
            "removal_policy",
            "buckets, keys and log groups have no snapshots",
            "Use RemovalPolicy.RETAIN or RemovalPolicy.DESTROY",
            f"RemovalPolicy.{policy.name}" if policy else "",
        )
