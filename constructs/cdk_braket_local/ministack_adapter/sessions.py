"""Sessions of roles that a service of the local AWS acts as."""

import secrets
import string
from collections.abc import Mapping

from ministack.core.arn import parse_arn
from ministack.services import sts

from cdk_braket_local.braket.platform import Credentials

_known: dict[tuple[str, str], Credentials] = {}


def new_session(role: Mapping[str, str], session_name: str) -> Credentials:
    """Start a session of a role.

    Without an expiry: AWS renews the credentials that its services act with.
    """
    name, account = role["RoleName"], parse_arn(role["Arn"]).account_id
    credentials = Credentials(
        access_key_id="ASIA" + _random(string.ascii_uppercase + string.digits, 16),
        secret_access_key=_random(string.ascii_letters + string.digits, 40),
        session_token=_random(string.ascii_letters + string.digits, 300),
    )
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


def session_of(role: Mapping[str, str], session_name: str) -> Credentials:
    """Return a session of a role that its callers share."""
    key = (role["RoleId"], session_name)
    if key not in _known:
        _known[key] = new_session(role, session_name)
    return _known[key]


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))
