"""The platform that the Braket service needs: the local AWS that it runs in.

The Braket service is written against this module alone, and does not depend on the emulator
beneath. The adapter of the emulator implements `Platform`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, as far as the local AWS knows.

    Attributes:
        account: The twelve-digit account that the request acts in.
        region: The region that the request was signed for.
        access_key_id: The access key that signed the request; empty when it was not signed.
    """

    account: str
    region: str
    access_key_id: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials of a role session. The secrets are kept out of `repr`."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


class AccessDeniedError(Exception):
    """The caller has no permission for the request; the message is AWS's."""


class RoleNotAssumableError(Exception):
    """The role does not exist, or does not trust braket.amazonaws.com."""


class Platform(Protocol):
    """The local AWS as the Braket service sees it."""

    @property
    def endpoint_url(self) -> str:
        """The one HTTP endpoint of the local AWS, for boto3 clients (http://127.0.0.1:port)."""

    def authorize(
        self, caller: Caller, action: str, resource_arn: str, context: Mapping[str, str]
    ) -> None:
        """Evaluate the caller's policies for one action.

        Args:
            caller: The sender of the request.
            action: The IAM action, such as `braket:CreateJob` or `iam:PassRole`.
            resource_arn: The ARN that the action is evaluated on.
            context: Condition keys and their values, such as `iam:PassedToService`.

        Raises:
            AccessDeniedError: The policies do not allow it.
        """

    def bucket_tags(self, caller: Caller, bucket: str) -> Mapping[str, str]:
        """The tags of a bucket of the caller's account; none where there is no such bucket."""

    def bucket_region(self, caller: Caller, bucket: str) -> str | None:
        """Return the region of a bucket of the caller's account, or None if there is none."""

    def role_session(self, role_arn: str, session_name: str, source_arn: str) -> Credentials:
        """Assume a role as the service principal braket.amazonaws.com.

        Args:
            role_arn: The role.
            session_name: The session's name.
            source_arn: The ARN of its job; the trust policy may have a condition on it.

        Raises:
            RoleNotAssumableError: The role does not exist or its trust policy refuses.
        """

    def service_linked_session(self, caller: Caller, session_name: str) -> Credentials:
        """Assume the service-linked role of Amazon Braket, which writes the results of tasks.

        Args:
            caller: The account that the role is of.
            session_name: A name for the session.

        Raises:
            RoleNotAssumableError: Amazon Braket is not enabled in the account.
        """

    def end_session(self, credentials: Credentials) -> None:
        """Revoke the credentials of a role session."""

    def put_event(
        self,
        caller: Caller,
        detail_type: str,
        detail: Mapping[str, object],
        resources: Sequence[str],
    ) -> None:
        """Put an event with source `aws.braket` on the account's default event bus."""
