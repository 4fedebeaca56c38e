"""The private names of MiniStack that we use, and the check that they exist."""

import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping

# The release whose private names these are; pyproject.toml pins the same.
VERSION = "1.5.33"

_ROLL_BACK = ("stack_name", "stack_id", "stack", "operation", "reason_override")

# What is called or replaced, with its parameters; None for data.
NAMES: Mapping[str, tuple[str, ...] | None] = {
    "ministack.app:app": ("scope", "receive", "send"),
    "ministack.app:AUTH": None,
    "ministack.app:_MINISTACK_HOST": None,
    "ministack.app:SERVICE_HANDLERS": None,
    "ministack.core.arn:ArnParseError": None,
    "ministack.core.arn:parse_arn": ("value",),
    "ministack.core.concurrency:run_reentrant": ("fn", "args", "thread_name"),
    "ministack.core.iam_actions:_s3_source_object": ("headers",),
    "ministack.core.iam_actions:extract_resource_arn": (
        "service",
        "method",
        "path",
        "headers",
        "body",
        "query_params",
        "region",
        "account_id",
    ),
    "ministack.core.iam_actions:logs_service_context": (
        "action",
        "body",
        "resource_arn",
        "region",
        "account_id",
    ),
    "ministack.core.iam_actions:identity_denial_message": (
        "action",
        "principal_arn",
        "resource",
        "explicit_deny",
    ),
    "ministack.core.iam_actions:request_tag_context": ("service", "iam_action", "body", "params"),
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
    "ministack.core.iam_evaluator:pin_request_origin": ("source_ip", "secure_transport"),
    "ministack.core.lambda_runtime:_NODEJS_WORKER_SCRIPT": None,
    "ministack.core.lambda_runtime:reset": (),
    "ministack.core.responses:get_account_id": (),
    "ministack.core.responses:get_region": (),
    "ministack.core.responses:request_scope": ("account_id", "region"),
    "ministack.core.router:SERVICE_PATTERNS": None,
    "ministack.core.router:extract_access_key_id": ("headers", "query_params"),
    "ministack.core.responses:new_uuid": (),
    "ministack.core.responses:now_iso": (),
    "ministack.services.cloudformation:_stack_events": None,
    "ministack.services.cloudformation:_stacks": None,
    "ministack.services.cloudformation.custom_resource:_normalise_resource_properties": ("value",),
    "ministack.services.cloudformation.custom_resource:_response_url": ("token",),
    "ministack.services.cloudformation.custom_resource:invoke_custom_resource": (
        "request_type",
        "logical_id",
        "props",
        "stack_name",
        "stack_id",
        "resource_type",
        "physical_id",
        "old_props",
    ),
    "ministack.services.cloudformation.engine:_parse_template": ("template_body",),
    "ministack.services.cloudformation.engine:yaml": None,
    "ministack.services.cloudformation.handlers:_ACTION_HANDLERS": None,
    "ministack.services.cloudformation.handlers:_roll_back_operation": _ROLL_BACK,
    "ministack.services.cloudformation.helpers:_error": ("code", "message", "status"),
    "ministack.services.cloudformation.helpers:_resolve_template": ("params",),
    "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS": None,
    "ministack.services.cloudformation.provisioners:_STACK_TAG_PROPERTY": None,
    "ministack.services.cloudformation.provisioners:_delete_resource": (
        "resource_type",
        "physical_id",
        "props",
        "stack_name",
        "logical_id",
    ),
    "ministack.services.cloudformation.provisioners:_physical_name": None,
    "ministack.services.cloudformation.stacks:_add_event": (
        "stack_id",
        "stack_name",
        "logical_id",
        "resource_type",
        "status",
        "reason",
        "physical_id",
        "detailed_status",
    ),
    "ministack.services.cloudformation.stacks:_roll_back_operation": _ROLL_BACK,
    "ministack.services.eventbridge:_invoke_target": ("target", "event", "rule", "view"),
    "ministack.services.eventbridge:_put_events": ("data", "allow_aws_source"),
    "ministack.services.iam:_create_role": ("p",),
    "ministack.services.iam:_create_service_linked_role": ("p",),
    "ministack.services.iam:_roles": None,
    "ministack.services.lambda_svc:_LAMBDA_ASYNC_RETRY_BASE_SECONDS": None,
    "ministack.services.lambda_svc:_LAMBDA_ASYNC_RETRY_MAX_SECONDS": None,
    "ministack.services.lambda_svc:_execute_function_with_config_scope": ("func", "event"),
    "ministack.services.lambda_svc:_execution_record_for_config": ("func", "config"),
    "ministack.services.lambda_svc:_fetch_code_from_s3": ("bucket", "key", "version_id"),
    "ministack.services.lambda_svc:_get_func_record_for_ref": ("function_ref",),
    "ministack.services.s3:_bucket_owner_account": ("name",),
    "ministack.services.s3:_bucket_tags": None,
    "ministack.services.s3:_delete_bucket": ("name",),
    "ministack.services.s3:_delete_bucket_encryption": ("name",),
    "ministack.services.s3:_delete_bucket_lifecycle": ("name",),
    "ministack.services.s3:_delete_bucket_ownership_controls": ("name",),
    "ministack.services.s3:_error": (
        "code",
        "message",
        "status",
        "resource",
        "extra",
        "headers",
    ),
    "ministack.services.s3:_put_bucket_encryption": ("name", "body"),
    "ministack.services.s3:_put_bucket_lifecycle": ("name", "body"),
    "ministack.services.s3:_put_bucket_logging": ("name", "body"),
    "ministack.services.s3:_put_bucket_ownership_controls": ("name", "body"),
    "ministack.services.s3:_put_bucket_versioning": ("name", "body"),
    "ministack.services.s3:_resolve_sse_write_headers": ("headers", "bucket_name"),
    "ministack.core.iam_actions:extract_iam_action": (
        "service",
        "method",
        "path",
        "headers",
        "body",
        "query_params",
    ),
    "ministack.core.iam_evaluator:_gather_role_policies": ("role_name", "account_id"),
    "ministack.core.iam_evaluator:_gather_user_policies": ("user_name", "account_id"),
    "ministack.core.iam_evaluator:_resolve_condition_key": ("key", "ctx"),
    "ministack.core.iam_evaluator:_role_name_from_assumed_arn": ("assumed_arn",),
    "ministack.core.iam_evaluator:evaluate_resource_policy": (
        "doc",
        "ctx",
        "service",
        "named_only",
        "direct_only",
    ),
    "ministack.core.responses:error_response_json": None,
    "ministack.services.cloudwatch_logs:_create_log_group": ("data",),
    "ministack.services.iam:_aws_managed_policies": None,
    "ministack.services.iam:_make_aws_managed_record": None,
    "ministack.services.iam:_users": None,
    "ministack.services.kms:_check_key_state": ("rec",),
    "ministack.services.kms:_resolve_key": ("key_id_or_arn",),
    "ministack.services.s3:_bucket_encryption": None,
    "ministack.services.s3:_check_sse_c_copy_source": ("headers", "src_obj"),
    "ministack.services.s3:_check_sse_c_part": ("headers", "upload"),
    "ministack.services.s3:_check_sse_read_headers": ("headers", "obj"),
    "ministack.services.s3:_dispatch": (
        "method",
        "bucket",
        "key",
        "headers",
        "body",
        "query_params",
    ),
    "ministack.services.s3:_request_access_key": (
        "method",
        "key",
        "headers",
        "query_params",
        "body",
    ),
    "ministack.services.s3:bucket_region": ("name",),
    "ministack.services.s3:url_unquote": None,
    "ministack.core.responses:json_response": ("data", "status", "content_type"),
    "ministack.services.stepfunctions:_ExecutionError": None,
    "ministack.services.stepfunctions:_add_event": ("execution", "event_type", "details"),
    "ministack.services.stepfunctions:_apply_input_path": ("state_def", "data", "ctx"),
    "ministack.services.stepfunctions:_apply_jsonata_output": (
        "state_def",
        "raw_input",
        "ctx",
        "result",
        "error_output",
        "default",
    ),
    "ministack.services.stepfunctions:_apply_jsonata_template": (
        "value",
        "raw_input",
        "ctx",
        "result",
        "error_output",
    ),
    "ministack.services.stepfunctions:_apply_output_path": ("state_def", "data", "ctx"),
    "ministack.services.stepfunctions:_apply_result_path": ("state_def", "original", "result"),
    "ministack.services.stepfunctions:_apply_result_selector": ("state_def", "data"),
    "ministack.services.stepfunctions:_call_lambda": ("func_ref", "event"),
    "ministack.services.stepfunctions:_describe_execution": ("data",),
    "ministack.services.stepfunctions:_emit_execution_status_event": ("execution",),
    "ministack.services.stepfunctions:_execute_choice": ("state_def", "raw_input", "ctx"),
    "ministack.services.stepfunctions:_execute_map": ("state_def", "raw_input", "execution", "ctx"),
    "ministack.services.stepfunctions:_execute_parallel": (
        "state_def",
        "raw_input",
        "execution",
        "ctx",
    ),
    "ministack.services.stepfunctions:_execute_pass": ("state_def", "raw_input", "ctx"),
    "ministack.services.stepfunctions:_execute_task": (
        "state_def",
        "raw_input",
        "execution",
        "ctx",
    ),
    "ministack.services.stepfunctions:_execute_wait": ("state_def", "raw_input", "ctx"),
    "ministack.services.stepfunctions:_executions": None,
    "ministack.services.stepfunctions:_extract_lambda_ref": ("resource",),
    "ministack.services.stepfunctions:_fail_execution": ("execution", "error", "cause"),
    "ministack.services.stepfunctions:_fail_state_error": ("state_def", "raw_input", "ctx"),
    "ministack.services.stepfunctions:_finalize_response": ("response",),
    "ministack.services.stepfunctions:_find_matching_retrier": (
        "retriers",
        "error",
        "retry_counts",
    ),
    "ministack.services.stepfunctions:_invoke_with_callback": (
        "resource",
        "input_data",
        "token",
        "state_def",
    ),
    "ministack.services.stepfunctions:_map_runs": None,
    "ministack.services.stepfunctions:_next_or_end": ("state_def",),
    "ministack.services.stepfunctions:_parse_reader_items": ("text", "config"),
    "ministack.services.stepfunctions:_read_map_items": ("reader", "effective", "ctx"),
    "ministack.services.stepfunctions:_resolve_lambda_function_ref": ("value", "optimized"),
    "ministack.services.stepfunctions:_resolve_params_obj": ("template", "data", "ctx"),
    "ministack.services.stepfunctions:_resolve_path_or_ctx": ("path", "data", "ctx"),
    "ministack.services.stepfunctions:_run_distributed_map": (
        "state_def",
        "raw_input",
        "effective",
        "iterator",
        "execution",
        "ctx",
    ),
    "ministack.services.stepfunctions:_run_execution": ("exec_arn",),
    "ministack.services.stepfunctions:_scaled_sleep": ("seconds",),
    "ministack.services.stepfunctions:_state_machines": None,
    "ministack.services.stepfunctions:_state_query_language": ("state_def", "ctx"),
    "ministack.services.stepfunctions:_task_tokens": None,
    "ministack.services.sts:_sessions": None,
    "ministack.services.sts:register_session": ("access_key", "session"),
}


class IncompatibleError(Exception):
    """MiniStack is not the release that the adapter was written for."""


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
