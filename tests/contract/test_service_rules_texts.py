"""Texts that the service model lets through, and that no job can be given."""

import pytest

from cdk_braket._lambda.braket_jobs.api.service_rules import (
    is_device,
    problems_of_service,
    s3_uris,
)


def _with(place: str, text: str) -> dict[str, object]:
    """A request with a string at one of the places that end as keys or variables."""
    script = {"s3Uri": "s3://bucket/script", "entryPoint": "algo:main"}
    source = {"s3Uri": "s3://bucket/input"}
    output, checkpoint = {"s3Path": "s3://bucket/output"}, {"s3Uri": "s3://bucket/checkpoints"}
    holders: dict[str, dict[str, str]] = {
        "algorithmSpecification.scriptModeConfig.s3Uri": script,
        "algorithmSpecification.scriptModeConfig.entryPoint": script,
        "inputDataConfig.0.dataSource.s3DataSource.s3Uri": source,
        "outputDataConfig.s3Path": output,
        "checkpointConfig.s3Uri": checkpoint,
    }
    holders[place][place.rpartition(".")[2]] = text
    return {
        "algorithmSpecification": {"scriptModeConfig": script},
        "inputDataConfig": [{"channelName": "a", "dataSource": {"s3DataSource": source}}],
        "outputDataConfig": output,
        "checkpointConfig": checkpoint,
    }


ENTRY_POINT = "algorithmSpecification.scriptModeConfig.entryPoint"
URIS = [
    "algorithmSpecification.scriptModeConfig.s3Uri",
    "inputDataConfig.0.dataSource.s3DataSource.s3Uri",
    "outputDataConfig.s3Path",
    "checkpointConfig.s3Uri",
]


def test_all_uris_of_a_request_are_found() -> None:
    found = s3_uris(_with(ENTRY_POINT, "algo"))
    assert {".".join(map(str, path)) for path in found} == set(URIS)


@pytest.mark.parametrize("place", [ENTRY_POINT, *URIS])
def test_a_string_that_no_variable_and_no_key_can_hold_is_refused(place: str) -> None:
    for text in ("s3://bucket/a\x00b", "s3://bucket/\ud800", "s3://bucket/\udfff"):
        [problem] = problems_of_service(_with(place, text), "us-east-1")
        assert problem.startswith(f"{place}: expected text without NUL")
    for text in ("s3://bucket/\ud7ff\ue000\U0001f4a5\n", "s3://bucket/[x]?#"):
        assert problems_of_service(_with(place, text), "us-east-1") == []


@pytest.mark.parametrize("place", URIS)
@pytest.mark.parametrize("uri", ["https://[/x", "https://]/]", "s3://[/x"])
def test_a_uri_that_is_none_is_refused(place: str, uri: str) -> None:
    [problem] = problems_of_service(_with(place, uri), "us-east-1")
    assert problem.startswith(f"{place}: expected a URL")


@pytest.mark.parametrize("text", ["local:braket/a\x00b", "local:braket/a\ud800b"])
def test_no_device_has_such_a_name(text: str) -> None:
    assert is_device("local:braket/ab")
    assert not is_device(text)
