"""The platform of the Braket service, by MiniStack's IAM, STS and EventBridge."""

import contextvars
import json
from collections.abc import Mapping, Sequence

from ministack.core import iam_evaluator, responses
from ministack.core.arn import parse_arn
from ministack.services import eventbridge, iam, s3, sts

from cdk_braket._lambda.braket_jobs.api.service_rules import SERVICE_LINKED_ROLE
from cdk_braket_local.braket.platform import (
    AccessDeniedError,
    Caller,
    Credentials,
    RoleNotAssumableError,
)
from cdk_braket_local.ministack_adapter import authorization
from cdk_braket_local.ministack_adapter.sessions import new_session

_SERVICE_PRINCIPAL = "braket.amazonaws.com"
_EVENT_SOURCE = "aws.braket"
_OWN_ADDRESS = "127.0.0.1"


class MinistackPlatform:
    """`cdk_braket_local.braket.platform.Platform` for the MiniStack of this process."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    @property
    def endpoint_url(self) -> str:
        """The one HTTP endpoint of the local AWS."""
        return self._endpoint_url

    def authorize(
        self, caller: Caller, action: str, resource_arn: str, context: Mapping[str, str]
    ) -> None:
        """Evaluate the caller's policies for one action, as `Platform.authorize` specifies."""
        if not caller.access_key_id:
            raise AccessDeniedError("Missing Authentication Token")
        with responses.request_scope(caller.account, caller.region):
            message = authorization.denial(caller.access_key_id, action, resource_arn, context)
        if message is not None:
            raise AccessDeniedError(message)

    def bucket_tags(self, caller: Caller, bucket: str) -> Mapping[str, str]:
        """The tags of a bucket, as `Platform.bucket_tags` specifies."""
        with responses.request_scope(caller.account, caller.region):
            tags: Mapping[str, str] = s3._bucket_tags.get(bucket, {})
            return dict(tags)

    def role_session(self, role_arn: str, session_name: str, source_arn: str) -> Credentials:
        """Assume a role as braket.amazonaws.com, as `Platform.role_session` specifies.

        The trust policy is given aws:SourceAccount and aws:SourceArn, as most services give them;
        whether Braket does is not known.
        """
        role = authorization.role(role_arn)
        if role is None:
            raise RoleNotAssumableError(f"the role {role_arn} does not exist")
        account = parse_arn(source_arn).account_id
        if not authorization.trusts_service(role_arn, _SERVICE_PRINCIPAL, account, source_arn):
            raise RoleNotAssumableError(
                f"{_SERVICE_PRINCIPAL} is not authorized to perform: sts:AssumeRole on resource: "
                f"{role_arn}; the role's trust policy does not allow it"
            )
        return new_session(role, session_name)

    def service_linked_session(self, caller: Caller, session_name: str) -> Credentials:
        """Assume the service-linked role, as `Platform.service_linked_session` specifies."""
        role = iam._roles.get_scoped(caller.account, None, SERVICE_LINKED_ROLE)
        if role is None:
            raise RoleNotAssumableError(
                f"the role {SERVICE_LINKED_ROLE} does not exist in the account {caller.account}"
            )
        return new_session(role, session_name)

    def bucket_region(self, caller: Caller, bucket: str) -> str | None:
        """The region of a bucket, as `Platform.bucket_region` specifies."""
        with responses.request_scope(caller.account, caller.region):
            region: str | None = s3.bucket_region(bucket)
            return region

    def end_session(self, credentials: Credentials) -> None:
        """Forget a role session, as `Platform.end_session` specifies."""
        sts._sessions.pop(credentials.access_key_id, None)

    def put_event(
        self,
        caller: Caller,
        detail_type: str,
        detail: Mapping[str, object],
        resources: Sequence[str],
    ) -> None:
        """Put an event with source `aws.braket`, as `Platform.put_event` specifies."""
        entry = {
            "Source": _EVENT_SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": list(resources),
            "EventBusName": "default",
        }
        contextvars.copy_context().run(_put, caller, entry)


def _put(caller: Caller, entry: Mapping[str, object]) -> None:
    # Services speak TLS to each other: queues and topics may deny all else.
    iam_evaluator.pin_request_origin(_OWN_ADDRESS, secure_transport=True)
    with responses.request_scope(caller.account, caller.region):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
