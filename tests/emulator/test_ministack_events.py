"""Permissions to put events are checked locally as on AWS."""

import json
from collections.abc import Sequence

import boto3
import pytest
from botocore.exceptions import ClientError

from cdk_braket_local.control.instance import LocalAws
from tests.emulator.users import user_who_may


def _put(aws: LocalAws, sources: Sequence[str], detail_type: str = "Change") -> None:
    bus = f"arn:aws:events:{aws.region}:{aws.account}:event-bus/default"
    conditions = {
        "StringLike": {"events:source": "mine.*"},
        "StringEquals": {"events:detail-type": "Change"},
    }
    events = boto3.client("events", **user_who_may(aws, ["events:PutEvents"], [bus], conditions))
    answer = events.put_events(
        Entries=[
            {"Source": source, "DetailType": detail_type, "Detail": json.dumps({})}
            for source in sources
        ]
    )
    assert answer["FailedEntryCount"] == 0


def test_events_that_meet_the_conditions_may_be_put(local_aws: LocalAws) -> None:
    _put(local_aws, ["mine.a", "mine.a"])


@pytest.mark.parametrize(
    ("sources", "detail_type"),
    [(["yours.a"], "Change"), (["mine.a"], "Other"), (["mine.a", "yours.a"], "Change")],
)
def test_others_may_not(local_aws: LocalAws, sources: Sequence[str], detail_type: str) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied.*PutEvents"):
        _put(local_aws, sources, detail_type)
