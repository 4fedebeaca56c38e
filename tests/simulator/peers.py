"""Other designs of the handler, reduced to their retries and responses.

The user code is the same in each, and the usual one. Create calls CreateJob and returns the job's
ARN, Update does the same, and Delete calls CancelJob. Only the helper around it differs. These are
models of public behavior, not the helpers' code.

Sources: https://github.com/aws-cloudformation/custom-resource-helper (crhelper/resource_helper.py,
crhelper/utils.py); https://github.com/aws/aws-cdk (custom-resources, provider-framework/runtime);
https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.custom_resources.AwsCustomResource.html
"""

import json
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

from cdk_braket._lambda.braket_jobs.contract import Property
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.simulator.lambda_service import Event
from tests.unit.handler.worlds import Context, World

_T = TypeVar("_T")
_SDK_ATTEMPTS: Final = 5
_CREATE_FAILED: Final = "create-failed"
_ANSWER_ATTEMPTS: Final = 5


def _sdk(world: World, call: Callable[[], _T]) -> _T:
    """Call as an SDK does by default: retry transient errors for a few seconds."""
    for attempt in range(_SDK_ATTEMPTS - 1):
        try:
            return call()
        except ServiceError as error:
            if error.kind is not Kind.TRANSIENT:
                raise
            world.sleep(0.5 * 2**attempt)
    return call()


def _author(event: Event, world: World) -> str:
    """Run the usual user code of a handler; return the physical id."""
    held = str(event.get("PhysicalResourceId", ""))
    if event["RequestType"] == "Delete":
        _sdk(world, lambda: world.cancel_job(held))
        return held
    properties = event["ResourceProperties"]
    assert isinstance(properties, dict)
    request = {
        **json.loads(properties[Property.REQUEST]),
        "clientToken": uuid.uuid4().hex,  # the SDK makes one for each call
        "tags": json.loads(properties[Property.TAGS]),
    }
    return _sdk(world, lambda: world.create_job(request))


def _body(event: Event, physical_id: str, reason: str | None) -> bytes:
    fields = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    status = "SUCCESS" if reason is None else "FAILED"
    document = {**fields, "Status": status, "PhysicalResourceId": physical_id}
    return json.dumps({**document, "Reason": reason or ""}).encode()


def crhelper(event: Event, context: Context, world: World) -> None:
    """Respond once. Any HTTP status counts as success; a lost connection is retried until it works.

    After Delete it sleeps for two minutes, so that logs are complete.
    """
    held = str(event.get("PhysicalResourceId", ""))
    reason = None
    try:
        held = _author(event, world)
    except ServiceError as error:
        reason = str(error)[-240:] or "error"
    if event["RequestType"] == "Delete" and context.get_remaining_time_in_millis() > 135_000:
        world.sleep(120)
    body = _body(event, held or f"Vqe_JobResource_{uuid.uuid4().hex[:8]}", reason)
    while True:
        try:
            world.put_answer(str(event["ResponseURL"]), body)
        except ServiceError:
            world.sleep(5)
            if context.get_remaining_time_in_millis() == 0:
                raise
        else:
            return


def provider_framework(event: Event, _context: Context, world: World) -> None:
    """Respond FAILED with a marker when Create fails; a Delete of the marker does nothing.

    The user's function is called once more when it fails, and the response is tried five times.
    """
    held = str(event.get("PhysicalResourceId", ""))
    reason = None
    if held != _CREATE_FAILED:
        try:
            held = _twice(event, world)
        except ServiceError as error:
            reason = str(error)[:1000] or "error"
            held = held or _CREATE_FAILED
    _answer(event, held, reason, world)


def _twice(event: Event, world: World) -> str:
    try:
        return _author(event, world)
    except ServiceError:
        return _author(event, world)


def aws_custom_resource(event: Event, _context: Context, world: World) -> None:
    """Call the SDK as in the properties; respond once, with FAILED under a random name."""
    reason, held = None, str(event.get("PhysicalResourceId", ""))
    try:
        held = _author(event, world)
    except ServiceError as error:
        reason, held = str(error)[:1000] or "error", held or "log-stream"
    world.put_answer(str(event["ResponseURL"]), _body(event, held, reason))


def _answer(event: Event, physical_id: str, reason: str | None, world: World) -> None:
    for attempt in range(_ANSWER_ATTEMPTS):
        try:
            status = world.put_answer(str(event["ResponseURL"]), _body(event, physical_id, reason))
        except ServiceError:
            status = 0
        if 200 <= status < 300:
            return
        world.sleep(2.0**attempt)
    raise ServiceError("PutAnswer", "Undeliverable", "", Kind.TRANSIENT)
