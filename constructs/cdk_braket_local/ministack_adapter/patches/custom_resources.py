"""Custom resources as CloudFormation handles them, in place of MiniStack's implementation.

Sources in the CloudFormation user guide, for the messages and their limits: "Custom resource
provider request and response objects" and "Custom resource reference". For the retries:
"Asynchronous invocation" in the Lambda developer guide.
"""

import contextvars
import json
import secrets
import string
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from ministack.core import responses
from ministack.core.arn import parse_arn
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource

if TYPE_CHECKING:
    from cdk_braket_local.request_guard import Application, Receive, Scope, Send

RESPONSE_PATH = "/_ministack/cfn-response/"
RESPONSE_BYTES = 4096
PHYSICAL_ID_BYTES = 1024
SERVICE_TIMEOUT_SECONDS = range(1, 3601)

# JSON, as it comes out of a template or a response.
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Properties: TypeAlias = dict[str, Json]


class CustomResourceError(Exception):
    """A custom resource's request failed; the message is the reason that the stack shows."""

    def __init__(self, reason: str, physical_id: str | None = None) -> None:
        super().__init__(reason)
        self.physical_id = physical_id


@dataclass(slots=True)
class _Exchange:
    """A request that waits for its response; the first response counts."""

    settled: threading.Event = field(default_factory=threading.Event)
    body: bytes | None = None
    given_up: str = ""

    def answer(self, body: bytes) -> None:
        if not self.settled.is_set():
            self.body = body
            self.settled.set()

    def give_up(self, reason: str) -> None:
        if not self.settled.is_set():
            self.given_up = reason
            self.settled.set()


_exchanges: dict[str, _Exchange] = {}


def install() -> None:
    """Replace the function with which MiniStack's CloudFormation sends custom resource requests."""
    custom_resource.invoke_custom_resource = invoke_custom_resource


def with_responses(application: "Application") -> "Application":
    """Wrap MiniStack's application so that responses to a ResponseURL arrive here."""

    async def receiving(scope: "Scope", receive: "Receive", send: "Send") -> None:
        is_response = scope["type"] == "http" and scope["path"].startswith(RESPONSE_PATH)
        if not is_response or scope["method"] != "PUT":
            await application(scope, receive, send)
            return
        body = await _body(receive)
        name = scope["path"].removeprefix(RESPONSE_PATH)
        exchange = _exchanges.get(f"{name}?{scope['query_string'].decode('latin-1')}")
        if exchange:
            exchange.answer(body)
        # As S3 does with a presigned URL: it accepts any body, and nothing after it expired.
        status = 200 if exchange else 403
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return receiving


async def _body(receive: "Receive") -> bytes:
    """Return the body of a request, or its beginning if it is longer than any valid response."""
    body = b""
    while True:
        message = await receive()
        if len(body) <= RESPONSE_BYTES:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def invoke_custom_resource(  # noqa: PLR0917 - MiniStack calls it so
    request_type: str,
    logical_id: str,
    props: Properties,
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: Properties | None = None,
) -> tuple[str, Properties]:
    """Send a request to a custom resource's function and wait for its response.

    Run it in a separate thread: the response arrives over HTTP.

    Returns:
        The physical id and the attributes that the response gives.

    Raises:
        CustomResourceError: It failed. The resource of a failed Create is recorded in its stack,
            so that it gets the Delete that CloudFormation sends after it.
    """
    function, config, _ = lambda_svc._get_func_record_for_ref(_function_arn(props))
    if function is None or config is None:
        raise CustomResourceError(f"the function {props.get('ServiceToken')} does not exist")
    event: Properties = {
        "RequestType": request_type,
        "ServiceToken": props["ServiceToken"],
        "RequestId": responses.new_uuid(),
        "StackId": stack_id,
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": _sent(resource_type, props),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = _sent(resource_type, old_props)
    timeout = _service_timeout(props)
    try:
        return _converse(lambda_svc._execution_record_for_config(function, config), event, timeout)
    except CustomResourceError as error:
        if request_type == "Create":
            _record_failed_create(stack_name, event, props, error)
        raise


def _sent(resource_type: str, props: Properties) -> Properties:
    """Return the properties as the function receives them: all values are strings."""
    sent: Properties = custom_resource._normalise_resource_properties(props)
    if resource_type == "Custom::AWS":
        # CDK's function would install modules into /tmp, which here is the whole machine's, and
        # load them from there. It uses those of NODE_PATH, as with `install_latest_aws_sdk=False`.
        return {**sent, "InstallLatestAwsSdk": "false"}
    return sent


def _function_arn(props: Properties) -> str:
    token = props.get("ServiceToken")
    if not isinstance(token, str) or not token.startswith("arn:"):
        raise CustomResourceError("ServiceToken must be the ARN of a function")
    region = parse_arn(token).region
    if region != responses.get_region():
        raise CustomResourceError(
            f"ServiceToken {token} must be in the stack's region, {responses.get_region()}"
        )
    return token


def _converse(
    function: Mapping[str, object], event: Properties, timeout: int
) -> tuple[str, Properties]:
    """Send one request and evaluate its response."""
    name = presigned(responses.new_uuid())
    exchange = _exchanges[name] = _Exchange()
    event["ResponseURL"] = custom_resource._response_url(name)
    delivery = threading.Thread(
        target=contextvars.copy_context().run,
        args=(_deliver, function, event, exchange),
        daemon=True,
        name=f"custom-resource-{event['LogicalResourceId']}",
    )
    delivery.start()
    try:
        in_time = exchange.settled.wait(timeout)
    finally:
        del _exchanges[name]
    if not in_time:
        raise CustomResourceError(
            f"CloudFormation did not receive a response from the custom resource within {timeout} "
            f"s (RequestId: {event['RequestId']})"
        )
    if exchange.body is None:
        raise CustomResourceError(exchange.given_up)
    return _judged(exchange.body, event)


def presigned(name: str) -> str:
    """Add the secret to the name of a request, without which it cannot be answered.

    As on AWS, that is in the query: libraries, the CDK's own among them, log the rest of the URL.
    """
    return f"{name}?X-Amz-Signature={secrets.token_hex(32)}"


def _service_timeout(props: Properties) -> int:
    text = str(props.get("ServiceTimeout", SERVICE_TIMEOUT_SECONDS[-1]))
    if not text.isdigit() or int(text) not in SERVICE_TIMEOUT_SECONDS:
        raise CustomResourceError(f"ServiceTimeout {text} must be 1 to 3600 seconds")
    return int(text)


def _deliver(function: Mapping[str, object], event: Properties, exchange: _Exchange) -> None:
    """Invoke a function as asynchronous invocation does, with retries if it fails."""
    attempts = 1 + _retries(function)
    for attempt in range(attempts):
        if attempt:
            time.sleep(_delay(attempt))
        result = lambda_svc._execute_function_with_config_scope(function, event)
        if not result.get("error"):
            return
    # AWS would wait until the ServiceTimeout, an hour by default, which is too long for tests.
    exchange.give_up(
        f"the function ended in an error {attempts} times and gave no response: "
        f"{_shown_error(result.get('body'), event)}"
    )


def _retries(function: Mapping[str, object]) -> int:
    configurations = function.get("event_invoke_configs") or {}
    latest = configurations.get("$LATEST") if isinstance(configurations, dict) else None
    configuration = function.get("event_invoke_config") or latest
    given = configuration.get("MaximumRetryAttempts") if isinstance(configuration, dict) else None
    return 2 if given is None else int(given)


def _delay(attempt: int) -> float:
    delay: float = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS * 2 ** (attempt - 1)
    longest: float = lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS
    return min(delay, longest)


def _shown_error(body: object, event: Properties) -> str:
    message = body.get("errorMessage", "") if isinstance(body, dict) else ""
    # An error of urllib may show the URL, with which anyone could respond.
    return str(message).replace(str(event["ResponseURL"]), "<ResponseURL>")


def _judged(body: bytes, event: Properties) -> tuple[str, Properties]:
    """Return the content of a response, checked by CloudFormation's rules."""
    if len(body) > RESPONSE_BYTES:
        raise CustomResourceError("Response object is too long.")
    try:
        response = json.loads(body)
    except ValueError:
        response = None
    if not isinstance(response, dict):
        raise CustomResourceError("Error parsing response object.")
    physical_id = response.get("PhysicalResourceId")
    if response.get("Status") == "FAILED":
        raise CustomResourceError(
            "Received response status [FAILED] from custom resource. Message returned: "
            f"{response.get('Reason', '')} (RequestId: {event['RequestId']})",
            physical_id if _is_physical_id(physical_id) else None,
        )
    if response.get("Status") != "SUCCESS":
        raise CustomResourceError("Invalid Status: must be SUCCESS or FAILED")
    if not _is_physical_id(physical_id):
        raise CustomResourceError("Invalid PhysicalResourceId")
    data = response.get("Data") or {}
    if not isinstance(data, dict):
        raise CustomResourceError("Invalid Data: must be an object")
    return physical_id, data


def _is_physical_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value.encode()) <= PHYSICAL_ID_BYTES


def _record_failed_create(
    stack_name: str, event: Properties, props: Properties, error: CustomResourceError
) -> None:
    """Record a resource whose Create failed. It may be incomplete, so it is deleted later."""
    stack = cloudformation._stacks.get(stack_name)
    if stack is None:
        return
    logical_id = event["LogicalResourceId"]
    stack.setdefault("_resources", {})[logical_id] = {
        "PhysicalResourceId": error.physical_id or _generated_id(stack_name, str(logical_id)),
        "ResourceType": event["ResourceType"],
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": str(error),
        "LogicalResourceId": logical_id,
        "Properties": props,
        "Attributes": {},
        "Timestamp": responses.now_iso(),
    }


def _generated_id(stack_name: str, logical_id: str) -> str:
    letters = string.ascii_uppercase + string.digits
    return f"{stack_name}-{logical_id}-{''.join(secrets.choice(letters) for _ in range(12))}"
