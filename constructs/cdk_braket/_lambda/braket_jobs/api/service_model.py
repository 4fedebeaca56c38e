"""Braket's API as the installed botocore describes it.

The one place that opens the service model. All other modules look shapes up by name, so that no
limit, pattern or enumeration of the API is ever typed by hand. Only `botocore.loaders` is
imported: it reads the bundled JSON and starts neither boto3 nor a client.

Source: botocore's `data/braket/<version>/service-2.json`, described at
https://smithy.io/2.0/spec/constraint-traits.html (the traits it was generated from).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from botocore.loaders import Loader

SERVICE = "braket"
"""The service whose model is read."""

_Json = Mapping[str, object]


class UnknownShapeError(LookupError):
    """The service model has no shape, member or operation of that name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of the service model, with the constraints on its values.

    Attributes:
        name: The shape's name in the model.
        type: `structure`, `list`, `map`, `string`, `integer`, `long`, `float`, `double`,
            `boolean`, `timestamp` or `blob`.
        minimum: Least length (text), size (list, map) or value (number); None without a bound.
        maximum: Greatest length, size or value; None without a bound.
        pattern: Regular expression that the whole text must match; None without one.
        enum: The values that are allowed; empty when any value is.
        required: Names of the members that must be there.
        members: A structure's members: name to shape name.
        element: Name of a list's or a map's value shape.
        key: Name of a map's key shape.
        union: Whether exactly one member must be there.
        error_status: HTTP status, when the shape is an error; None for other shapes.
    """

    name: str
    type: str
    minimum: int | None
    maximum: int | None
    pattern: str | None
    enum: tuple[str, ...]
    required: tuple[str, ...]
    members: Mapping[str, str]
    element: str | None
    key: str | None
    union: bool
    error_status: int | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service.

    Attributes:
        name: The operation's name, such as `CreateJob`.
        method: HTTP method.
        uri: Request URI template.
        status: HTTP status of a successful answer.
        input_shape: Name of the request's shape.
        output_shape: Name of the response's shape.
        errors: Names of the error shapes that the operation may answer with.
    """

    name: str
    method: str
    uri: str
    status: int
    input_shape: str
    output_shape: str
    errors: tuple[str, ...]


class _Loader(Loader):
    """A loader of models that does not look for all models of each service first: that is slow."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        """Return the names of the services."""
        return [each.name for each in Path(self.BUILTIN_DATA_PATH).iterdir()]


# The built-in data alone: a model in ~/.aws/models would make synth differ by machine.
LOADER: Final = _Loader(
    extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False
)
"""Loads each model once, also those of the handler's clients."""


@cache
def _model() -> _Json:
    return cast("_Json", LOADER.load_service_model(SERVICE, "service-2"))


def _section(name: str) -> Mapping[str, _Json]:
    return cast("Mapping[str, _Json]", _model()[name])


def shape_names() -> tuple[str, ...]:
    """Return the names of all shapes, sorted."""
    return tuple(sorted(_section("shapes")))


def operation_names() -> tuple[str, ...]:
    """Return the names of all operations, sorted."""
    return tuple(sorted(_section("operations")))


@cache
def shape(name: str) -> Shape:
    """Return a shape of the model.

    Args:
        name: The shape's name, such as `CreateJobRequest`.

    Raises:
        UnknownShapeError: The model has no such shape.
    """
    raw = _section("shapes").get(name)
    if raw is None:
        raise UnknownShapeError(f"the service model of {SERVICE} has no shape {name!r}")
    return Shape(
        name=name,
        type=cast("str", raw["type"]),
        minimum=cast("int | None", raw.get("min")),
        maximum=cast("int | None", raw.get("max")),
        pattern=cast("str | None", raw.get("pattern")),
        enum=tuple(cast("list[str]", raw.get("enum", []))),
        required=tuple(cast("list[str]", raw.get("required", []))),
        members=_members(raw),
        element=_target(raw, "member") or _target(raw, "value"),
        key=_target(raw, "key"),
        union=bool(raw.get("union", False)),
        error_status=_error_status(raw),
    )


def _members(raw: _Json) -> Mapping[str, str]:
    members = cast("Mapping[str, Mapping[str, str]]", raw.get("members", {}))
    return MappingProxyType({name: member["shape"] for name, member in members.items()})


def _target(raw: _Json, key: str) -> str | None:
    reference = cast("Mapping[str, str] | None", raw.get(key))
    return None if reference is None else reference["shape"]


def _error_status(raw: _Json) -> int | None:
    error = cast("Mapping[str, int]", raw.get("error", {}))
    return error.get("httpStatusCode")


@cache
def operation(name: str) -> Operation:
    """Return an operation of the model.

    Args:
        name: The operation's name, such as `CreateJob`.

    Raises:
        UnknownShapeError: The model has no such operation.
    """
    raw = _section("operations").get(name)
    if raw is None:
        raise UnknownShapeError(f"the service model of {SERVICE} has no operation {name!r}")
    http = cast("Mapping[str, str]", raw["http"])
    errors = cast("list[Mapping[str, str]]", raw.get("errors", []))
    return Operation(
        name=name,
        method=http["method"],
        uri=http["requestUri"],
        status=int(http["responseCode"]),
        input_shape=cast("Mapping[str, str]", raw["input"])["shape"],
        output_shape=cast("Mapping[str, str]", raw["output"])["shape"],
        errors=tuple(error["shape"] for error in errors),
    )
