"""The roles that are passed to Lambda, Step Functions and EventBridge Scheduler.

The service must be able to assume the role, and the caller needs `iam:PassRole`. MiniStack checks
neither, so that a role which trusts somebody else would go unnoticed. Sources:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ministack import app
from ministack.core import iam_actions, responses, router
from ministack.services.cloudformation import provisioners

from cdk_braket_local.ministack_adapter import authorization

_Properties = Mapping[str, Any]
_Query = Mapping[str, Any]
_Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True, slots=True)
class _Service:
    """A service that roles are passed to.

    Attributes:
        principal: Its service principal.
        actions: The actions of IAM that pass it a role.
        resource_type: The resource type of CloudFormation that names a role.
        path: The members of the request, and of the resource, that lead to the role.
        error: The error code for a role that the service cannot assume.
        message: The message for it.
        source: The resource for which it assumes the role, without partition, region and account.
        has_regional_principal: Whether a role may trust the service in one region alone.
    """

    principal: str
    actions: frozenset[str]
    resource_type: str
    path: tuple[str, ...]
    error: str
    message: str
    source: str
    has_regional_principal: bool = False

    def regional_principals(self, region: str) -> tuple[str, ...]:
        """Return the service's principal in a region, if it has one."""
        name, _, domain = self.principal.partition(".")
        return (f"{name}.{region}.{domain}",) if self.has_regional_principal else ()


# By the name that MiniStack has for the service.
_SERVICES: Final[Mapping[str, _Service]] = {
    "lambda": _Service(
        "lambda.amazonaws.com",
        frozenset({"lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"}),
        "AWS::Lambda::Function",
        ("Role",),
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
        "lambda:function:new",
    ),
    "states": _Service(
        "states.amazonaws.com",
        frozenset({"states:CreateStateMachine", "states:UpdateStateMachine"}),
        "AWS::StepFunctions::StateMachine",
        ("RoleArn",),
        "AccessDeniedException",
        "Neither the global service principal states.amazonaws.com, nor the regional one is "
        "authorized to assume the provided role.",
        "states:stateMachine:new",
        has_regional_principal=True,
    ),
    "scheduler": _Service(
        "scheduler.amazonaws.com",
        frozenset({"scheduler:CreateSchedule", "scheduler:UpdateSchedule"}),
        "AWS::Scheduler::Schedule",
        ("Target", "RoleArn"),
        "ValidationException",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        # A schedule is known to its role by its group. Source:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        "scheduler:schedule-group/default",
    ),
}


def install() -> None:
    """Have MiniStack check the roles that calls and templates pass."""
    for name, service in _SERVICES.items():
        _check_calls(name, service)
        _check_templates(service)


def _check_calls(name: str, service: _Service) -> None:
    handle = app.SERVICE_HANDLERS[name]

    async def handle_checked(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: _Query
    ) -> object:
        action = iam_actions.extract_iam_action(name, method, path, headers, body, query_params)
        role = _role(_document(body), service.path) if action in service.actions else None
        if role is not None:
            access_key_id = router.extract_access_key_id(headers, query_params)
            if refusal := _refusal(service, role, access_key_id):
                return refusal
        return await handle(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS[name] = handle_checked


def _refusal(service: _Service, role: str, access_key_id: str) -> _Answer | None:
    # Without a caller, it is a service of AWS that has checked the request.
    if access_key_id:
        message = authorization.denial(
            access_key_id, "iam:PassRole", role, {"iam:PassedToService": service.principal}
        )
        if message is not None:
            return _error("AccessDeniedException", message, 403)
    if not _is_assumable(service, role):
        return _error(service.error, service.message, 400)
    return None


def _error(code: str, message: str, status: int) -> _Answer:
    answer: _Answer = responses.error_response_json(code, message, status)
    return answer


def _check_templates(service: _Service) -> None:
    handler = provisioners._RESOURCE_HANDLERS[service.resource_type]

    def checked(function: Callable[..., object], position: int) -> Callable[..., object]:
        def call(*args: Any, **more: Any) -> object:  # noqa: ANN401 - as MiniStack calls it
            role = _role(args[position], service.path)
            if role is not None and not _is_assumable(service, role):
                raise ValueError(service.message)
            return function(*args, **more)

        return call

    # The properties come second in a creation, and third, after the old ones, in an update.
    handler |= {"create": checked(handler["create"], 1), "update": checked(handler["update"], 2)}


def _is_assumable(service: _Service, role: str) -> bool:
    account, region = responses.get_account_id(), responses.get_region()
    name, _, resource = service.source.partition(":")
    source = f"arn:aws:{name}:{region}:{account}:{resource}"
    return any(
        authorization.trusts_service(role, principal, account, source)
        for principal in (service.principal, *service.regional_principals(region))
    )


def _role(document: object, path: tuple[str, ...]) -> str | None:
    """Return the role that a request or a resource names; the first letter's case may differ."""
    for name in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(name, document.get(name[0].lower() + name[1:]))
    return document if isinstance(document, str) else None


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
