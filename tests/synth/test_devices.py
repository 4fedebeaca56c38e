"""Devices: how they are named, and where they may be used."""

from importlib.metadata import entry_points

import pytest
from aws_cdk import Stack, Token
from aws_cdk.assertions import Annotations, Match

from cdk_braket import ContainerImage, Device, HybridJob, ValidationError
from tests.synth.support import new_stack, request_of, resources


@pytest.mark.parametrize(
    ("device", "region", "is_local", "is_qpu"),
    [
        (Device.AMAZON_SV1, None, False, False),
        (Device.IQM_GARNET, "eu-north-1", False, True),
        (Device.local("braket/default"), None, True, False),
        (Device.from_arn(Token.as_string({"Ref": "Device"})), None, False, False),
    ],
)
def test_a_device_has_the_properties_of_its_arn(
    device: Device, region: str | None, is_local: bool, is_qpu: bool
) -> None:
    assert (device.region, device.is_local, device.is_qpu) == (region, is_local, is_qpu)


def _job(device: Device, region: str | None) -> HybridJob:
    return HybridJob(new_stack(region=region), "Job", image=ContainerImage.base(), device=device)


def test_a_device_of_another_region_is_an_error_that_names_both() -> None:
    with pytest.raises(ValidationError) as caught:
        _job(Device.IQM_GARNET, "us-east-1")
    [problem] = caught.value.problems
    assert "the device is in eu-north-1, and the stack is in us-east-1" in problem


@pytest.mark.parametrize(
    ("device", "region"),
    [
        (Device.IQM_GARNET, "eu-north-1"),
        (Device.IQM_GARNET, None),
        (Device.AMAZON_SV1, "us-west-2"),
        (Device.local("braket/default"), "us-west-2"),
    ],
)
def test_a_device_of_the_stacks_region_or_of_any_is_right(
    device: Device, region: str | None
) -> None:
    job = _job(device, region)
    assert request_of(Stack.of(job))["deviceConfig"] == {"device": device.arn}


@pytest.mark.parametrize("arn", ["SV1", "arn:aws:braket:::device/x", "local:braket", "local:/x"])
def test_an_invalid_device_is_an_error_with_a_fix(arn: str) -> None:
    with pytest.raises(ValidationError, match=r"Device\.local\('braket/default'\)"):
        _job(Device.from_arn(arn), "us-east-1")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("braket/defualt", "braket/default"),
        ("Braket/Default", "braket/default"),
        ("braket/braket_vs", "braket/braket_sv"),
        ("pennylane/lightning.qbit", "pennylane/lightning.qubit"),
        ("penylane/lightning.gpu", "pennylane/lightning.gpu"),
        ("nvidia/qpp_cpu", "nvidia/qpp-cpu"),
    ],
)
def test_a_simulator_with_a_typing_error_is_refused_with_its_name(name: str, meant: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _job(Device.local(name), "us-east-1")
    [problem] = caught.value.problems
    assert problem.endswith(f"Did you mean Device.local({meant!r})?")


@pytest.mark.parametrize(
    ("name", "is_warned_of"),
    [("mine/annealer", True), ("braket/tensor_network", True), ("pennylane/lightning.gpu", False)],
)
def test_an_unknown_simulator_is_a_warning(name: str, is_warned_of: bool) -> None:
    stack = new_stack(region="us-east-1")
    HybridJob(stack, "Job", image=ContainerImage.base(), device=Device.local(name))
    found = Annotations.from_stack(stack).find_warning(
        "*", Match.string_like_regexp("no known image of Amazon Braket contains this simulator")
    )
    assert bool(found) == is_warned_of


def test_every_simulator_of_the_installed_sdk_is_known() -> None:
    installed = entry_points(group="braket.simulators")
    assert len(installed) >= 4
    for simulator in installed:
        assert not Device.local(f"braket/{simulator.name}").is_unknown_simulator


def test_nothing_was_created_when_a_job_is_refused() -> None:
    stack = new_stack()
    with pytest.raises(ValidationError):
        HybridJob(stack, "Job", image=ContainerImage.base(), device=Device.from_arn("SV1"))
    assert stack.node.children == []
    HybridJob(stack, "Job", image=ContainerImage.base(), device=Device.AMAZON_SV1)
    assert resources(stack, "Custom::BraketHybridJob")
