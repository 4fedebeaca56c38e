"""Shorter strings in templates: hundreds of jobs in a stack have to fit CloudFormation's limits."""

from collections.abc import Mapping
from typing import Final, cast

# The functions whose values may be filled in. Source:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
_TAKEN: Final = frozenset(
    {"Ref"}
    | {
        f"Fn::{name}"
        for name in (
            *("Base64", "FindInMap", "GetAtt", "GetAZs", "If"),
            *("ImportValue", "Join", "Select", "Sub"),
        )
    }
)


def substituted_in(rendered: object) -> object:
    """Return a part of a template with `substituted` applied to all its values.

    Args:
        rendered: A part of a template, resolved.
    """
    shorter = substituted(rendered)
    if shorter is not rendered:
        return shorter
    if isinstance(rendered, Mapping):
        return {key: substituted_in(value) for key, value in rendered.items()}
    if isinstance(rendered, list):
        return [substituted_in(value) for value in rendered]
    return rendered


def substituted(rendered: object) -> object:
    """Turn an `Fn::Join` without a delimiter into the same `Fn::Sub`.

    A form that would need escaping is not changed.

    Args:
        rendered: The rendered form of a string with tokens.
    """
    parts = _parts_of(rendered)
    if not parts or not all(_can_be_substituted(part) for part in parts):
        return rendered
    values: dict[str, object] = {}
    text = "".join(_as_string(part, values) for part in parts)
    return {"Fn::Sub": [text, values] if values else text}


def _can_be_substituted(part: object) -> bool:
    if isinstance(part, str):
        return "${" not in part and not part.endswith("$")
    return isinstance(part, Mapping) and set(part) <= _TAKEN


def _parts_of(rendered: object) -> list[object]:
    join = rendered.get("Fn::Join") if isinstance(rendered, Mapping) else None
    if not isinstance(join, list) or join[0] != "":
        return []
    return cast("list[object]", join[1])


def _as_string(part: object, values: dict[str, object]) -> str:
    if isinstance(part, str):
        return part
    match part:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)}:
            return text
    name = f"Value{len(values)}"
    values[name] = part
    return f"${{{name}}}"
