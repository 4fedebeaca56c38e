"""What we touch of MiniStack that is not its public interface, and the check that it is there."""

import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping

# The release whose private names these are; pyproject.toml pins the same.
VERSION = "1.5.33"

# What is called or replaced, with its parameters; None for data.
NAMES: Mapping[str, tuple[str, ...] | None] = {
    "ministack.app:app": ("scope", "receive", "send"),
    "ministack.app:AUTH": None,
    "ministack.app:SERVICE_HANDLERS": None,
    "ministack.core.arn:ArnParseError": None,
    "ministack.core.arn:parse_arn": ("value",),
    "ministack.core.concurrency:run_reentrant": ("fn", "args", "thread_name"),
    "ministack.core.iam_actions:identity_denial_message": (
        "action",
        "principal_arn",
        "resource",
        "explicit_deny",
    ),
    "ministack.core.iam_evaluator:AuthError": None,
    "ministack.core.iam_evaluator:EvalContext": (
        "principal_arn",
        "principal_type",
        "principal_account",
        "action",
        "resource_arn",
        "region",
        "source_ip",
        "secure_transport",
        "request_tags",
        "tag_keys",
        "service_context",
        "principal_keys",
    ),
    "ministack.core.iam_evaluator:_service_principal_matches": ("principal", "service"),
    "ministack.core.iam_evaluator:enforce": (
        "access_key_id",
        "iam_action",
        "service",
        "region",
        "resource_arn",
        "service_context",
    ),
    "ministack.core.iam_evaluator:evaluate_trust_policy": ("trust_doc", "caller_arn", "ctx"),
    "ministack.core.lambda_runtime:reset": (),
    "ministack.core.responses:get_account_id": (),
    "ministack.core.responses:get_region": (),
    "ministack.core.responses:request_scope": ("account_id", "region"),
    "ministack.core.router:SERVICE_PATTERNS": None,
    "ministack.core.router:extract_access_key_id": ("headers", "query_params"),
    "ministack.services.eventbridge:_put_events": ("data", "allow_aws_source"),
    "ministack.services.iam:_roles": None,
    "ministack.services.sts:register_session": ("access_key", "session"),
}


class IncompatibleError(Exception):
    """MiniStack is not the release that the adapter was written for; the message says how."""


def check(version: str = VERSION, names: Mapping[str, tuple[str, ...] | None] = NAMES) -> None:
    """Check that MiniStack is as the adapter expects it.

    Args:
        version: The release expected.
        names: `module:name` of each object touched, with its parameters, or None for data.

    Raises:
        IncompatibleError: It is another release, or something is missing or other than expected.
            The message names all of it.
    """
    found = (_problem(name, expected) for name, expected in names.items())
    problems = [problem for problem in found if problem]
    installed = importlib.metadata.version("ministack")
    if installed != version:
        problems.insert(0, f"it is {installed}, not {version}")
    if problems:
        raise IncompatibleError(
            f"MiniStack {version} is needed; of the one installed: {'; '.join(problems)}. "
            f"Run: pip install ministack=={version}"
        )


def _problem(name: str, expected: tuple[str, ...] | None) -> str | None:
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError):
        return f"{name} is missing"
    if expected is None:
        return None
    parameters = tuple(inspect.signature(found).parameters)
    if parameters != expected:
        return f"{name} takes ({', '.join(parameters)}), not ({', '.join(expected)})"
    return None
