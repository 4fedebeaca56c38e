"""Conditions of policies on events that are put: their source and their kind.

MiniStack knows neither condition, so that a policy with such a limit is refused here.
Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
"""

import json
from collections.abc import Mapping
from typing import Final

from ministack.core import iam_actions

_ACTION: Final = "events:PutEvents"
_CONDITIONS: Final = {"events:source": "Source", "events:detail-type": "DetailType"}


def install() -> None:
    """Have MiniStack evaluate conditions on the source and the kind of events."""
    context = iam_actions.request_tag_context

    def request_tag_context(
        service: str, iam_action: str, body: bytes, params: dict[str, object]
    ) -> dict[str, object]:
        found: dict[str, object] = context(service, iam_action, body, params)
        return found | (_conditions(body) if iam_action == _ACTION else {})

    iam_actions.request_tag_context = request_tag_context


def _conditions(body: bytes) -> dict[str, object]:
    """Return the common values of all events of a request; a difference satisfies no condition."""
    try:
        entries = json.loads(body)["Entries"]
    except (ValueError, KeyError, TypeError):
        return {}
    entries = [each for each in entries if isinstance(each, Mapping)]
    values = {key: {str(each.get(name)) for each in entries} for key, name in _CONDITIONS.items()}
    return {key: found.pop() for key, found in values.items() if len(found) == 1}
