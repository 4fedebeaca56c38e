"""Braket's wire protocol, read from botocore's service model: nothing of it is typed by hand.

A request is parsed into an operation's name and its parameters; an answer is JSON as the model
describes it. Validation is not done here but by the rules, on the parameters.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to the caller.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class BraketError(Exception):
    """An error of the service.

    Attributes:
        code: The error's shape in the model, such as `ValidationException`.
        message: The problem, for the caller.
    """

    code: str
    message: str

    def response(self) -> Response:
        """Return the error as the service answers it."""
        status = service_model.shape(self.code).error_status or 500
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.code}
        return Response(status, headers, json.dumps({"message": self.message}).encode())


@dataclass(frozen=True, slots=True)
class Request:
    """An operation and its parameters, as boto3 would be called with them."""

    operation: str
    parameters: Mapping[str, object]


def parse(method: str, path: str, query: Mapping[str, Sequence[str]], body: bytes) -> Request:
    """Find the operation that a request is for, and read its parameters.

    Raises:
        BraketError: There is no such operation, or the body is not JSON.
    """
    for route in _routes():
        found = route.pattern.fullmatch(path) if route.method == method else None
        if found:
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            return Request(route.operation, _parameters(route.operation, labels, query, body))
    raise BraketError("ValidationException", f"there is no operation at {method} {path}")


def answer(operation: str, result: Mapping[str, object]) -> Response:
    """Return a result as the service answers it: the model's members, in the model's forms."""
    model = _operation_model(operation)
    content = _rendered(model.output_shape, result) if model.output_shape else {}
    status = int(model.http.get("responseCode", 200))
    headers = {"Content-Type": "application/json"}
    return Response(status, headers, json.dumps(content).encode())


@dataclass(frozen=True, slots=True)
class _Route:
    operation: str
    method: str
    pattern: re.Pattern[str]
    weight: int


@cache
def _model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service_model.SERVICE, "service-2"))


def _operation_model(name: str) -> OperationModel:
    return _model().operation_model(name)


@cache
def _routes() -> Sequence[_Route]:
    """All operations, those with the longest fixed text first: it is more specific than a label."""
    return sorted(_created_routes(), key=lambda route: -route.weight)


def _created_routes() -> Iterator[_Route]:
    for name in service_model.operation_names():
        operation = service_model.operation(name)
        parts = re.split(r"{(\w+)}", operation.uri)
        # A label is an ARN and may hold slashes: some clients and servers decode them on the way.
        pattern = "".join(
            f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
        )
        weight = sum(len(part) for part in parts[::2])
        yield _Route(name, operation.method, re.compile(pattern), weight)


def _parameters(
    operation: str,
    labels: Mapping[str, str],
    query: Mapping[str, Sequence[str]],
    body: bytes,
) -> Mapping[str, object]:
    members = _members(_operation_model(operation).input_shape)
    parameters: dict[str, object] = dict(_json_object(body))
    for name, shape in members.items():
        location = shape.serialization.get("location")
        wire_name = shape.serialization.get("name", name)
        if location == "uri":
            parameters[name] = labels[wire_name]
        elif location == "querystring" and wire_name in query:
            values = [unquote(value) for value in query[wire_name]]
            parameters[name] = values if isinstance(shape, ListShape) else values[0]
    return parameters


def _json_object(body: bytes) -> Mapping[str, object]:
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BraketError("ValidationException", "the body is not JSON") from error
    if not isinstance(content, dict):
        raise BraketError("ValidationException", "the body is not a JSON object")
    return content


def _members(shape: Shape | None) -> Mapping[str, Shape]:
    return shape.members if isinstance(shape, StructureShape) else {}


def _rendered(shape: Shape, value: object) -> object:
    """Render a value in the model's form; members that the model does not know are left out."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {
            member.serialization.get("name", name): _rendered(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, Sequence):
        return [_rendered(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {str(key): _rendered(shape.value, item) for key, item in value.items()}
    if isinstance(value, datetime):
        is_number = shape.serialization.get("timestampFormat") == "unixTimestamp"
        return value.timestamp() if is_number else timestamp(value)
    return value


def timestamp(time: datetime) -> str:
    """Return a time in the form of the API."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def checked(request: Request) -> Request:
    """Return the request if it keeps to the model.

    Raises:
        BraketError: It does not; all that is wrong is named, but no value: it may be a secret.
    """
    shape = service_model.operation(request.operation).input_shape
    problems = model_rules.check(shape, request.parameters)
    if not problems:
        return request
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    texts = [f"{_dotted(problem.path)} {problem.message}" for problem in problems]
    raise BraketError("ValidationException", f"The request has {count}: {'; '.join(texts)}")


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in path) or "the request"
