"""The request of CreateJob as nested properties of a CloudFormation resource, and back.

A template names members as CloudFormation does, `HyperParameters` for `hyperParameters`, so that a
diff shows one changed value. CloudFormation sends every number and bool of a custom resource as a
string, so the types are restored from the service model. Pure: no AWS CDK, no client.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requests.html
and https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
for the keys that CloudFormation evaluates.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from .service_model import Shape, shape

_LONGEST_NUMBER = 400  # characters; Python needs long for the digits of larger ones

# Keys of maps that no reader of a template evaluates: `Ref` and `Fn::…` are functions to
# CloudFormation, and a `$` begins a path in a state machine or a marker of jsii.
_PLAIN_KEY = re.compile(r"(?!(?:Ref|Condition)\Z|Fn::)[A-Za-z0-9_][A-Za-z0-9_.:/@+=\- ]*\Z")


def is_plain_map(value: Mapping[str, object]) -> bool:
    """Return whether a map can be nested in a template as it is.

    If not, it has to be a JSON string there.

    Args:
        value: A map whose keys users choose.

    Example:
        >>> is_plain_map({"shots": "100"}), is_plain_map({"Ref": "100"})
        (True, False)
    """
    return all(_PLAIN_KEY.match(key) for key in value)


def nested(
    shape_name: str, value: object, as_text: Callable[[Mapping[str, object]], object]
) -> object:
    """Return a value of the API as nested properties.

    Args:
        shape_name: Name of the value's shape, such as `CreateJobRequest`.
        value: The value, as one would pass it to boto3.
        as_text: Renders a map as a JSON string if its keys cannot be in a template.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> nested("InstanceConfig", {"volumeSizeInGb": 30}, str)
        {'VolumeSizeInGb': 30}
    """
    found = shape(shape_name)
    if isinstance(value, list):
        return [nested(found.element or "", each, as_text) for each in value]
    if not isinstance(value, Mapping):
        return value
    if found.type == "map":
        return value if is_plain_map(value) else as_text(value)
    return {
        _capitalized(name): nested(found.members[name], inner, as_text)
        for name, inner in value.items()
    }


def restored(shape_name: str, properties: object) -> object:
    """Return nested properties as the API's value.

    Names that are the API's already and values of the right type are kept, so that events of
    earlier releases are read as well. A value that does not fit its shape is kept for the checks to
    report.

    Args:
        shape_name: Name of the value's shape.
        properties: The properties, as CloudFormation sends them.

    Raises:
        UnknownShapeError: The model has no shape of that name.

    Example:
        >>> restored("InstanceConfig", {"VolumeSizeInGb": "30"})
        {'volumeSizeInGb': 30}
    """
    found = shape(shape_name)
    if found.type == "structure" and isinstance(properties, Mapping):
        return _restored_structure(found, properties)
    if found.type == "list" and isinstance(properties, list):
        return [restored(found.element or "", each) for each in properties]
    parse = _PARSERS.get(found.type)
    return parse(properties) if parse and isinstance(properties, str) else properties


def _restored_structure(found: Shape, properties: Mapping[str, object]) -> dict[str, object]:
    names = {_capitalized(name): name for name in found.members}
    value: dict[str, object] = {}
    for key, inner in properties.items():
        name = names.get(key, key)
        member = found.members.get(name)
        value[name] = inner if member is None else restored(member, inner)
    return value


def _parsed_map(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _integer(text: str) -> object:
    """CloudFormation may write a large number as 1.0E9."""
    number = _decimal(text)
    return text if number is None or number != number.to_integral_value() else int(number)


def _number(text: str) -> object:
    return text if _decimal(text) is None else float(text)


def _decimal(text: str) -> Decimal | None:
    if len(text) > _LONGEST_NUMBER or not text.isascii() or text != text.strip() or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else None


def _bool(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "map": _parsed_map,
    "integer": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "boolean": _bool,
}


def _capitalized(name: str) -> str:
    return name[:1].upper() + name[1:]
