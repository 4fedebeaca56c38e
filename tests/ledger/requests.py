"""Calls as requests to decide, with the policies that decide on them."""

from typing import Any, Final

from tests.ledger.calls import SERVICE_LINKED_ROLE, Call
from tests.ledger.evaluator import Simulation
from tests.ledger.managed_policies import SERVICE_ROLE
from tests.ledger.policies import Held, Policies
from tests.synth.support import ACCOUNT

ADMINISTRATOR: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_DELEGATES: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def simulation(
    policies: Policies,
    call: Call,
    *,
    identity: tuple[dict[str, Any], ...] | None = None,
    without: Held | None = None,
) -> Simulation:
    """Return the request of a call, with the policies that decide on it.

    Args:
        policies: The policies of its deployment.
        call: The call.
        identity: The policies of the caller's role, in place of those it has.
        without: A statement of the resource's policy that is left out.
    """
    principal, documents = call.who, identity
    if call.who == "anybody":
        principal, documents = f"arn:aws:iam::{ACCOUNT}:role/Anybody", (ADMINISTRATOR,)
    elif call.who in policies.roles:
        principal = policies.roles[call.who].arn
        documents = policies.of_role(call.who) if identity is None else identity
    elif call.who == SERVICE_LINKED_ROLE:
        documents = (SERVICE_ROLE.document,)
    resource_policy = policies.of_resource(call.resource)
    if call.action == "sts:AssumeRole":
        [role] = [each for each in policies.roles.values() if each.arn == call.resource]
        resource_policy = policies.trust(role)
    if without is not None:
        resource_policy = without.removed()
    elif call.action.startswith("kms:") and resource_policy is None:
        # Of a key of another app only IAM's half is known.
        resource_policy = _DELEGATES
    context = dict(call.context)
    if principal.startswith("arn:"):
        context["aws:PrincipalArn"] = principal
    return Simulation(
        principal, call.action, call.resource, ACCOUNT, context, documents or (), resource_policy
    )
