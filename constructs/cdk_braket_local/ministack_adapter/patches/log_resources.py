"""The resource of a call to CloudWatch Logs, in the form that policies have.

MiniStack uses the log group's ARN without the `:*` that AWS requires in policies. A policy that is
right on AWS would be refused here, and a wrong one would pass.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl
"""

import json
from typing import Final

from ministack.core import iam_actions

_GROUP: Final = ":log-group:"
_STREAM: Final = ":log-stream:"
# These three take the ARN of the group as it stands.
_TAG_ACTIONS: Final = ("TagResource", "UntagResource", "ListTagsForResource")


def install() -> None:
    """Have MiniStack check permissions on log streams and on the contents of a log group."""
    extract, context = iam_actions.extract_resource_arn, iam_actions.logs_service_context

    def extract_resource_arn(  # noqa: PLR0917 - as MiniStack calls it
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, object],
        region: str,
        account_id: str,
    ) -> str:
        arn: str = extract(service, method, path, headers, body, query_params, region, account_id)
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if service != "logs" or _GROUP not in arn or action in _TAG_ACTIONS:
            return arn
        return f"{arn}{_STREAM}{_stream_name(body)}"

    def logs_service_context(
        action: str, body: bytes, resource_arn: str, region: str, account_id: str
    ) -> dict[str, object]:
        # It finds the group's tags by the group's own ARN.
        group = resource_arn.partition(_STREAM)[0]
        found: dict[str, object] = context(action, body, group, region, account_id)
        return found

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_actions.logs_service_context = logs_service_context


def _stream_name(body: bytes) -> str:
    """Return the stream that a request names; a call on the group alone names none."""
    request = json.loads(body)  # MiniStack has read it before
    name = request.get("logStreamName")
    return name if isinstance(name, str) else ""
