"""The devices of Amazon Braket that the local AWS knows.

SV1 and DM1 compute. Quantum devices are offline, unless the local AWS simulates them.

Sources: https://docs.aws.amazon.com/braket/latest/developerguide/braket-devices.html (ARNs,
regions, qubits), https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
(shots).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from cdk_braket._lambda.braket_jobs.api.service_rules import device_region

_SIMULATOR_REGIONS: Final = frozenset({"us-east-1", "us-west-1", "us-west-2", "eu-west-2"})

MAXIMUM_SHOTS: Final = 50_000
"""The most shots of a task, unless its device allows fewer."""

# The fewest and the most shots of a task, by provider.
_SHOTS: Final[Mapping[str, tuple[int, int]]] = {
    "Amazon Braket": (0, MAXIMUM_SHOTS),
    "AQT": (1, 2_000),
    "IonQ": (100, MAXIMUM_SHOTS),
    "IQM": (1, 20_000),
    "QuEra": (1, 1_000),
}
_SHOTS_OF_OTHERS: Final = (1, MAXIMUM_SHOTS)

TASK_PRICE: Final = Decimal("0.30")
"""The price of a task on any quantum device, in USD, without its shots.

Source of the prices: https://aws.amazon.com/braket/pricing/
"""
# In USD; prices change, and only AWS knows the one of today.
_SHOT_PRICES: Final = {
    "Ibex-Q1": Decimal("0.0235"),
    "Forte-1": Decimal("0.08"),
    "Forte-Enterprise-1": Decimal("0.08"),
    "Garnet": Decimal("0.00145"),
    "Emerald": Decimal("0.0016"),
    "Aquila": Decimal("0.01"),
    "Cepheus-1-108Q": Decimal("0.000425"),
}

STATE_VECTOR: Final = "braket_sv"
DENSITY_MATRIX: Final = "braket_dm"
ANALOG: Final = "braket_ahs"

# A simulation of gates holds the state a few times over: before and after a gate, and for its
# results. That of an analog program keeps the state at each of its 1,000 points in time.
_COPIES_OF_STATE: Final = {STATE_VECTOR: 4, DENSITY_MATRIX: 4, ANALOG: 1000}
_BYTES_OF_AMPLITUDE = 16


class DeviceStatus(StrEnum):
    """The states of a device.

    Source: https://docs.aws.amazon.com/braket/latest/APIReference/API_DeviceSummary.html
    """

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
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
        simulator: The name of the SDK's simulator that computes its tasks here; None if there is
            none.
        regions: The regions in which the service knows it; those of SV1 and DM1 for an ARN
            without a region.
    """

    arn: str
    name: str
    provider: str
    status: DeviceStatus
    qubits: int = 0
    schema: str | None = None
    simulator: str | None = None
    regions: frozenset[str] = _SIMULATOR_REGIONS

    @property
    def is_qpu(self) -> bool:
        """Whether it is quantum hardware on AWS."""
        return ":device/qpu/" in self.arn

    @property
    def kind(self) -> str:
        """The type of device, as the API names it."""
        return "QPU" if self.is_qpu else "SIMULATOR"

    @property
    def shots(self) -> tuple[int, int]:
        """The fewest and the most shots of a task; 0 shots mean an exact result."""
        return _SHOTS.get(self.provider, _SHOTS_OF_OTHERS)

    @property
    def shot_price(self) -> Decimal:
        """The price of a shot, in USD; 0 for simulators and retired devices."""
        return _SHOT_PRICES.get(self.name, Decimal(0))

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
        return region == own if own else region in self.regions

    def local_qubits(self, workers: int) -> int:
        """Return the most qubits of a task here: as many as fit in this machine's memory.

        Args:
            workers: The tasks that may run at once, and share the memory.
        """
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // workers
        if self.simulator is None:
            return 0
        amplitudes = memory // (_BYTES_OF_AMPLITUDE * _COPIES_OF_STATE[self.simulator])
        # A density matrix of n qubits has as many entries as a state of 2 * n has amplitudes.
        exponent = 2 if self.simulator == DENSITY_MATRIX else 1
        return min(self.qubits, (amplitudes.bit_length() - 1) // exponent)


def _devices() -> Iterator[Device]:
    simulators = "arn:aws:braket:::device/quantum-simulator/amazon"
    amazon = "Amazon Braket"
    on, gone = DeviceStatus.ONLINE, DeviceStatus.RETIRED
    yield Device(f"{simulators}/sv1", "SV1", amazon, on, 34, "simulators", STATE_VECTOR)
    yield Device(f"{simulators}/dm1", "DM1", amazon, on, 17, "simulators", DENSITY_MATRIX)
    elsewhere = _SIMULATOR_REGIONS - {"us-west-1"}
    yield Device(
        f"{simulators}/tn1", "TN1", amazon, gone, 50, "simulators", STATE_VECTOR, elsewhere
    )
    for region, provider, schema, name, qubits, status in (
        ("eu-north-1", "AQT", "aqt", "Ibex-Q1", 12, on),
        ("us-east-1", "IonQ", "ionq", "Forte-1", 36, on),
        ("us-east-1", "IonQ", "ionq", "Forte-Enterprise-1", 36, on),
        ("us-east-1", "IonQ", "ionq", "Aria-1", 25, gone),
        ("us-east-1", "IonQ", "ionq", "Aria-2", 25, gone),
        ("us-east-1", "IonQ", "ionq", "Harmony", 11, gone),
        ("eu-north-1", "IQM", "iqm", "Garnet", 20, on),
        ("eu-north-1", "IQM", "iqm", "Emerald", 54, on),
        ("eu-west-2", "OQC", "oqc", "Lucy", 8, gone),
        ("us-east-1", "QuEra", "quera", "Aquila", 256, on),
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
        simulator = ANALOG if schema == "quera" else STATE_VECTOR if schema else None
        yield Device(arn, name, provider, status, qubits, schema, simulator)
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
"""The devices as they are on AWS, by their ARNs."""
