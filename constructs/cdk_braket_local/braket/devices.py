"""The devices of Amazon Braket that the local AWS knows: two simulators compute, the rest refuse.

Sources: https://docs.aws.amazon.com/braket/latest/developerguide/braket-devices.html (ARNs,
regions, qubits), https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
(shots).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cdk_braket._lambda.braket_jobs.api.service_rules import device_region

_SIMULATOR_REGIONS: Final = frozenset({"us-east-1", "us-west-1", "us-west-2", "eu-west-2"})

# Shots of one task on SV1 and DM1; without shots the result is exact.
MAXIMUM_SHOTS: Final = 100_000

# A simulation holds the state a few times over: before and after a gate, and for its results.
_COPIES_OF_STATE = 4
_BYTES_OF_AMPLITUDE = 16


class DeviceStatus(StrEnum):
    """The states of a device here.

    Quantum devices are online, so that jobs on them deploy as on AWS; their tasks are refused.
    """

    ONLINE = "ONLINE"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of Amazon Braket.

    Attributes:
        arn: Its ARN.
        name: Its name.
        provider: The name of its provider.
        status: Its state in the local AWS.
        qubits: The qubits that it has on AWS.
        schema: The schema of its capabilities, by the name of its package in
            `braket.device_schema`; None if public facts are not enough for it.
        simulator: The name of the SDK's simulator that stands for it; None for a QPU.
        exponent: A state of n qubits has 2 to the power of `exponent` * n amplitudes.
    """

    arn: str
    name: str
    provider: str
    status: DeviceStatus
    qubits: int = 0
    schema: str | None = None
    simulator: str | None = None
    exponent: int = 1

    @property
    def kind(self) -> str:
        """The type of device, as the API names it."""
        return "SIMULATOR" if self.simulator else "QPU"

    @property
    def description(self) -> Mapping[str, object]:
        """The members that SearchDevices and GetDevice share."""
        return {
            "deviceArn": self.arn,
            "deviceName": self.name,
            "providerName": self.provider,
            "deviceType": self.kind,
            "deviceStatus": self.status.value,
        }

    def is_in(self, region: str) -> bool:
        """Whether the service of a region knows the device."""
        own = device_region(self.arn)
        return region == own if own else region in _SIMULATOR_REGIONS

    def local_qubits(self, workers: int) -> int:
        """Return the most qubits of a task here: as many as fit in this machine's memory.

        Args:
            workers: The tasks that may run at once, and share the memory.
        """
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // workers
        amplitudes = memory // (_BYTES_OF_AMPLITUDE * _COPIES_OF_STATE)
        return min(self.qubits, (amplitudes.bit_length() - 1) // self.exponent)


def _devices() -> Iterator[Device]:
    simulators = "arn:aws:braket:::device/quantum-simulator/amazon"
    amazon = "Amazon Braket"
    on, gone = DeviceStatus.ONLINE, DeviceStatus.RETIRED
    state_vector, density_matrix = "braket_sv", "braket_dm"
    yield Device(f"{simulators}/sv1", "SV1", amazon, on, 34, "simulators", state_vector)
    yield Device(f"{simulators}/dm1", "DM1", amazon, on, 17, "simulators", density_matrix, 2)
    yield Device(f"{simulators}/tn1", "TN1", amazon, gone, 50, "simulators", state_vector)
    for region, provider, schema, name, qubits, status in (
        ("eu-north-1", "AQT", None, "Ibex-Q1", 12, on),
        ("us-east-1", "IonQ", "ionq", "Forte-1", 36, on),
        ("us-east-1", "IonQ", "ionq", "Forte-Enterprise-1", 36, on),
        ("us-east-1", "IonQ", "ionq", "Aria-1", 25, gone),
        ("us-east-1", "IonQ", "ionq", "Aria-2", 25, gone),
        ("us-east-1", "IonQ", "ionq", "Harmony", 11, gone),
        ("eu-north-1", "IQM", "iqm", "Garnet", 20, on),
        ("eu-north-1", "IQM", "iqm", "Emerald", 54, on),
        ("eu-west-2", "OQC", "oqc", "Lucy", 8, gone),
        ("us-east-1", "QuEra", None, "Aquila", 256, on),
        ("us-west-1", "Rigetti", "rigetti", "Cepheus-1-108Q", 108, on),
        ("us-west-1", "Rigetti", "rigetti", "Ankaa-2", 84, gone),
        ("us-west-1", "Rigetti", "rigetti", "Ankaa-3", 82, gone),
        ("us-west-1", "Rigetti", "rigetti", "Aspen-M-1", 80, gone),
        ("us-west-1", "Rigetti", "rigetti", "Aspen-M-2", 80, gone),
        ("us-west-1", "Rigetti", "rigetti", "Aspen-M-3", 79, gone),
        ("", "Rigetti", "rigetti", "Aspen-8", 31, gone),
        ("", "Rigetti", "rigetti", "Aspen-9", 32, gone),
        ("", "Rigetti", "rigetti", "Aspen-10", 32, gone),
        ("", "Rigetti", "rigetti", "Aspen-11", 40, gone),
        ("us-east-1", "Xanadu", None, "Borealis", 216, gone),
    ):
        arn = f"arn:aws:braket:{region}::device/qpu/{provider.lower()}/{name}"
        yield Device(arn, name, provider, status, qubits, schema)
    for region, name in (
        ("", "DW_2000Q_6"),
        ("", "Advantage_system1"),
        ("", "Advantage_system3"),
        ("", "Advantage_system4"),
        ("us-west-2", "Advantage_system6"),
    ):
        arn = f"arn:aws:braket:{region}::device/qpu/d-wave/{name}"
        yield Device(arn, name, "D-Wave Systems", gone)


DEVICES: Final = {device.arn: device for device in _devices()}
