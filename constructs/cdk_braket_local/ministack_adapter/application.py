"""MiniStack's ASGI application with our services and patches in it.

To be imported once `environment` has been entered and `names` has been checked.
"""

from typing import TYPE_CHECKING, cast

from ministack import app
from ministack.core import lambda_runtime

from cdk_braket_local.ministack_adapter import braket_handler
from cdk_braket_local.ministack_adapter.patches import (
    braket_images,
    bucket_hosts,
    buckets,
    custom_resources,
    default_jobs_role,
    distributed_maps,
    event_conditions,
    function_errors,
    function_needs,
    iam_delay,
    key_conditions,
    log_keys,
    log_names,
    log_resources,
    metric_conditions,
    missing_objects,
    object_keys,
    passed_roles,
    principal_arn,
    redriven_executions,
    rollback,
    schedule_attributes,
    service_linked_role,
    spending_limits,
    state_machine_roles,
    state_retries,
    stopped_executions,
)

if TYPE_CHECKING:
    from cdk_braket_local.ministack_adapter.braket_handler import Service
    from cdk_braket_local.request_guard import Application

_PATCHES = (
    braket_images,
    bucket_hosts,
    buckets,
    custom_resources,
    default_jobs_role,
    distributed_maps,
    event_conditions,
    function_errors,
    iam_delay,
    key_conditions,
    log_keys,
    log_names,
    function_needs,
    log_resources,
    metric_conditions,
    missing_objects,
    object_keys,
    passed_roles,
    principal_arn,
    redriven_executions,
    rollback,
    schedule_attributes,
    service_linked_role,
    state_machine_roles,
    state_retries,
    stopped_executions,
)


class LocalAwsApplication:
    """The local AWS as one ASGI application.

    Args:
        braket: The Braket service that it gets.
    """

    def __init__(self, braket: "Service") -> None:
        self._braket = braket
        braket_handler.register(braket)
        for patch in _PATCHES:
            patch.install()
        spending_limits.install(braket)
        self.asgi = custom_resources.with_responses(cast("Application", app.app))

    def close(self) -> None:
        """End its processes: jobs first, then Lambda functions."""
        self._braket.close()
        lambda_runtime.reset()
