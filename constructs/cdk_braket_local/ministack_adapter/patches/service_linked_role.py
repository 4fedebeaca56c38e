"""The role by which Amazon Braket acts in an account: the local AWS is one in which it is enabled.

MiniStack makes up the names of such roles, and this one is named otherwise.
"""

from ministack.core import responses
from ministack.services import iam

from cdk_braket._lambda.braket_jobs.api.service_rules import SERVICE_LINKED_ROLE

_SERVICE = "braket.amazonaws.com"
_MADE_UP = "AWSServiceRoleForBraket"


def install() -> None:
    """Enable Amazon Braket, as its console does at the first visit."""
    iam._create_service_linked_role({"AWSServiceName": _SERVICE})
    role = iam._roles.pop(_MADE_UP)
    arn = f"arn:aws:iam::{responses.get_account_id()}:role{role['Path']}{SERVICE_LINKED_ROLE}"
    iam._roles[SERVICE_LINKED_ROLE] = role | {"RoleName": SERVICE_LINKED_ROLE, "Arn": arn}
