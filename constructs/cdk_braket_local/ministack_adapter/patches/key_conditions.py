"""The encryption context of a call to KMS, as a condition of policies.

MiniStack does not supply `kms:EncryptionContext:<key>`, so that a policy which limits a key to one
log group or one bucket would refuse.
Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

import json
from collections.abc import Mapping
from typing import Final

from ministack.core import iam_actions

_SERVICE: Final = "kms"
_KEY: Final = "kms:EncryptionContext"


def install() -> None:
    """Have MiniStack evaluate conditions on the encryption context."""
    context = iam_actions.request_tag_context

    def request_tag_context(
        service: str, iam_action: str, body: bytes, params: dict[str, object]
    ) -> dict[str, object]:
        found: dict[str, object] = context(service, iam_action, body, params)
        return found | (_conditions(body) if service == _SERVICE else {})

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
