"""The encryption context and the caller's account of a call to KMS, as conditions of policies.

MiniStack supplies neither `kms:EncryptionContext:<key>` nor `kms:CallerAccount`, so that a policy
which limits a key to one log group, one bucket or one account would refuse.
Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

import json
from collections.abc import Mapping
from typing import Final

from ministack.core import iam_actions, responses

_SERVICE: Final = "kms"
_KEY: Final = "kms:EncryptionContext"
_ACCOUNT: Final = "kms:CallerAccount"


def install() -> None:
    """Have MiniStack evaluate conditions on the encryption context and the account."""
    context = iam_actions.request_tag_context

    def request_tag_context(
        service: str, iam_action: str, body: bytes, params: dict[str, object]
    ) -> dict[str, object]:
        found: dict[str, object] = context(service, iam_action, body, params)
        if service != _SERVICE:
            return found
        return found | {_ACCOUNT: responses.get_account_id()} | _conditions(body)

    iam_actions.request_tag_context = request_tag_context


def _conditions(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    context = document.get("EncryptionContext") if isinstance(document, Mapping) else None
    if not isinstance(context, Mapping) or not context:
        return {}
    named: dict[str, object] = {f"{_KEY}:{name}": value for name, value in context.items()}
    return named | {f"{_KEY}Keys": list(context)}
