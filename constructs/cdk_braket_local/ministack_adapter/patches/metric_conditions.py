"""The namespace of metrics, as a condition of policies.

MiniStack does not supply `cloudwatch:namespace`, so a role that may put metrics into one namespace
alone, as an execution role may, could put none.
Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
"""

import json
from typing import Final

from ministack.core import iam_actions

_ACTION: Final = "cloudwatch:PutMetricData"
_KEY: Final = "cloudwatch:namespace"
_MEMBER: Final = "Namespace"


def install() -> None:
    """Have MiniStack evaluate conditions on the namespace of metrics."""
    context = iam_actions.request_tag_context

    def request_tag_context(
        service: str, iam_action: str, body: bytes, params: dict[str, object]
    ) -> dict[str, object]:
        found: dict[str, object] = context(service, iam_action, body, params)
        namespace = _namespace(body, params) if iam_action == _ACTION else None
        return found if namespace is None else found | {_KEY: namespace}

    iam_actions.request_tag_context = request_tag_context


def _namespace(body: bytes, params: dict[str, object]) -> str | None:
    """Return the namespace of a request, in the protocols that are served: Query and JSON.

    A request that names different namespaces satisfies no condition.
    """
    queried = params.get(_MEMBER)
    named = list(queried) if isinstance(queried, list) else [queried]
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        named.append(document.get(_MEMBER))
    found = {each for each in named if isinstance(each, str)}
    return found.pop() if len(found) == 1 else None
