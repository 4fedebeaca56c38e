"""Buckets that only the deployment knows: no job starts whose policies would be of all buckets."""

import json

import pytest

from cdk_braket._lambda.braket_jobs.contract import Property
from cdk_braket._lambda.braket_jobs.handler.properties import problems_of, read_definition
from tests.unit.handler.worlds import properties, request

_SCRIPT = "algorithmSpecification.scriptModeConfig.s3Uri"
_CHANNEL = "inputDataConfig.1.dataSource.s3DataSource.s3Uri"


def _problems(script: str, channel: str, checkpoints: str) -> list[str]:
    specification = {"entryPoint": "a:b", "s3Uri": script, "compressionType": "GZIP"}
    channels = [
        {"channelName": f"c{index}", "dataSource": {"s3DataSource": {"s3Uri": uri}}}
        for index, uri in enumerate(("s3://amazon-braket-mine/in", channel))
    ]
    changed = request(
        algorithmSpecification={"scriptModeConfig": specification}, inputDataConfig=channels
    )
    given = {
        **properties(),
        Property.REQUEST: json.dumps(changed),
        Property.COPY_CHECKPOINTS_FROM: checkpoints,
    }
    return [str(issue) for issue in problems_of(read_definition(given), "us-east-1")]


@pytest.mark.parametrize("name", ["*", "amazon-braket-*", "a?c", "${aws:username}", "ab", "A-bc"])
def test_an_impossible_name_is_reported_for_each_place_without_the_value(name: str) -> None:
    problems = _problems(f"s3://{name}/a.tar.gz", f"s3://{name}/a", f"s3://{name}/a")
    rule = "expected a bucket of 3 to 63 lower-case letters, digits, dots and hyphens"
    assert problems == [f"{place}: {rule}." for place in (_SCRIPT, _CHANNEL, "CopyCheckpointsFrom")]


@pytest.mark.parametrize("name", ["abc", "amazon-braket-mine", "a.b-1", "a" * 63])
def test_a_possible_name_of_a_bucket_is_accepted(name: str) -> None:
    assert _problems(f"s3://{name}/a.tar.gz", f"s3://{name}/*", f"s3://{name}/a") == []


def test_an_address_of_another_form_is_left_to_the_model() -> None:
    uri = f"https://{'a' * 63}.s3.us-east-1.amazonaws.com/a"  # the host is no bucket
    assert _problems("s3://amazon-braket-mine/a.tar.gz", uri, "s3://amazon-braket-mine/a") == []
