"""What the Braket service needs, out of MiniStack's IAM, STS and EventBridge."""

import contextvars
import json
import secrets
import string
from collections.abc import Mapping, Sequence

from ministack.core import iam_actions, iam_evaluator, responses
from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, iam, s3, sts

from cdk_braket_local.braket.platform import (
    AccessDeniedError,
    Caller,
    Credentials,
    RoleNotAssumableError,
)

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
        """Evaluate the caller's policies for one action, as `Platform.authorize` tells."""
        if not caller.access_key_id:
            raise AccessDeniedError("Missing Authentication Token")
        service = action.partition(":")[0]
        with responses.request_scope(caller.account, caller.region):
            denial = iam_evaluator.enforce(
                caller.access_key_id,
                action,
                service,
                caller.region,
                resource_arn=resource_arn,
                service_context=dict(context),
            )
        if denial is None:
            return
        if isinstance(denial, iam_evaluator.AuthError):
            raise AccessDeniedError(denial.message)
        raise AccessDeniedError(
            iam_actions.identity_denial_message(
                action, denial.principal_arn, resource_arn, denial.decision == "Deny"
            )
        )

    def bucket_tags(self, caller: Caller, bucket: str) -> Mapping[str, str]:
        """The tags of a bucket, as `Platform.bucket_tags` tells."""
        with responses.request_scope(caller.account, caller.region):
            tags: Mapping[str, str] = s3._bucket_tags.get(bucket, {})
            return dict(tags)

    def role_session(self, role_arn: str, session_name: str, source_arn: str) -> Credentials:
        """Assume a role as braket.amazonaws.com, as `Platform.role_session` tells.

        The trust policy is given aws:SourceAccount and aws:SourceArn, as most services give them;
        whether Braket does is not known.
        """
        role = _role(role_arn)
        account = parse_arn(role_arn).account_id
        if not _trusts_braket(role["AssumeRolePolicyDocument"], role_arn, source_arn):
            raise RoleNotAssumableError(
                f"{_SERVICE_PRINCIPAL} is not authorized to perform: sts:AssumeRole on resource: "
                f"{role_arn}; the role's trust policy does not allow it"
            )
        name = role["RoleName"]
        credentials = Credentials(
            access_key_id="ASIA" + _random(string.ascii_uppercase + string.digits, 16),
            secret_access_key=_random(string.ascii_letters + string.digits, 40),
            session_token=_random(string.ascii_letters + string.digits, 300),
        )
        # Without an expiry: AWS renews the credentials of a running job.
        session = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
            "UserId": f"{role['RoleId']}:{session_name}",
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        }
        sts.register_session(credentials.access_key_id, session)
        return credentials

    def end_session(self, credentials: Credentials) -> None:
        """Forget a role session, as `Platform.end_session` tells."""
        sts._sessions.pop(credentials.access_key_id, None)

    def put_event(
        self,
        caller: Caller,
        detail_type: str,
        detail: Mapping[str, object],
        resources: Sequence[str],
    ) -> None:
        """Put an event with source `aws.braket`, as `Platform.put_event` tells."""
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


def _role(role_arn: str) -> Mapping[str, str]:
    try:
        arn = parse_arn(role_arn)
    except ArnParseError as error:
        raise RoleNotAssumableError(f"{role_arn} is not the ARN of a role") from error
    # The resource is `role/path/name`; names are unique, whatever their path.
    name = arn.resource.rpartition("/")[2]
    role: Mapping[str, str] | None = iam._roles.get_scoped(arn.account_id, None, name)
    if role is None or role["Arn"] != role_arn:
        raise RoleNotAssumableError(f"the role {role_arn} does not exist")
    return role


def _trusts_braket(document: str, role_arn: str, source_arn: str) -> bool:
    """Whether a trust policy lets Braket assume its role for a job.

    MiniStack's evaluator knows callers by ARN, and a service has none: the statements that name
    the service are shown to it as naming everyone, and the others are left out.
    """
    policy = json.loads(document)
    statements = policy.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    concerning = [{**each, "Principal": "*"} for each in statements if _concerns_braket(each)]
    account = parse_arn(source_arn).account_id
    context = iam_evaluator.EvalContext(
        principal_arn=_SERVICE_PRINCIPAL,
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region="",
        service_context={"aws:sourceaccount": account, "aws:sourcearn": source_arn},
    )
    allowed: bool = iam_evaluator.evaluate_trust_policy(
        {**policy, "Statement": concerning}, _SERVICE_PRINCIPAL, context
    )
    return allowed


def _concerns_braket(statement: Mapping[str, object]) -> bool:
    principal = statement.get("Principal")
    # `{"AWS": "*"}` is everyone as well. Whether that is enough to let a service in is not known.
    if statement.get("Effect") == "Deny" and _names_every_account(principal):
        return True
    matches: bool = iam_evaluator._service_principal_matches(principal, _SERVICE_PRINCIPAL)
    return principal == "*" or matches


def _names_every_account(principal: object) -> bool:
    accounts = principal.get("AWS") if isinstance(principal, Mapping) else None
    return "*" in (accounts if isinstance(accounts, list) else [accounts])


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))
