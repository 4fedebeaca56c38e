"""Rules for jobs that the service model does not contain."""

import pytest

from cdk_braket._lambda.braket_jobs.api.service_rules import (
    device_region,
    is_device,
    is_prefix,
    problems_of_container,
    problems_of_service,
)

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


@pytest.mark.parametrize(
    ("text", "named", "region"),
    [
        (GARNET, True, "eu-north-1"),
        (SV1, True, None),
        ("arn:aws-cn:braket:cn-north-1::device/qpu/a/b", True, "cn-north-1"),
        ("local:braket/default", True, None),
        ("local:pennylane/lightning.qubit", True, None),
        ("local:braket", False, None),
        ("local:/default", False, None),
        ("local:", False, None),
        ("SV1", False, None),
        ("", False, None),
        ("arn:aws:braket:::device/sv1", False, None),
        ("arn:aws:s3:::bucket", False, None),
    ],
)
def test_a_device_is_an_arn_or_a_local_simulator(
    text: str, named: bool, region: str | None
) -> None:
    assert (is_device(text), device_region(text)) == (named, region)


@pytest.mark.parametrize(
    ("key", "prefix"), [("", True), ("a/", True), ("a", False), ("a/b", False)]
)
def test_a_prefix_is_no_object(key: str, prefix: bool) -> None:
    assert is_prefix(key) == prefix
    request = {"algorithmSpecification": {"scriptModeConfig": {"s3Uri": f"s3://bucket/{key}"}}}
    assert bool(problems_of_container(request)) == prefix


def test_a_device_of_another_region_is_reported_with_both() -> None:
    request = {"deviceConfig": {"device": GARNET}}
    assert problems_of_service(request, "eu-north-1") == []
    [problem] = problems_of_service(request, "us-east-1")
    assert "eu-north-1" in problem
    assert "us-east-1" in problem


def test_all_of_it_comes_at_once() -> None:
    request = {"deviceConfig": {"device": "SV1"}, "algorithmSpecification": {}}
    assert len(problems_of_service(request, "us-east-1")) == 2


@pytest.mark.parametrize("request_", [{}, {"deviceConfig": None}, {"algorithmSpecification": []}])
def test_values_that_the_model_refuses_are_skipped(request_: dict[str, object]) -> None:
    assert problems_of_service(request_, "us-east-1") == []
    assert problems_of_container(request_) == []
