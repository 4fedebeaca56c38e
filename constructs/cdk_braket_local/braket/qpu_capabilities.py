"""The capabilities of quantum devices, as far as they are public.

The gates of a device, the connections of its qubits and its error rates change with each
calibration, and only AWS knows them. The local AWS computes tasks of a quantum device without
noise: it lists the gates and result types of its simulator, no connections, and no errors.

Part of the process that computes quantum tasks; it alone imports the Braket SDK.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

# Everything here is JSON or comes from the SDK, which has no types.
Json = dict[str, Any]

_OPENQASM: Final = "braket.ir.openqasm.program"
_AHS: Final = "braket.ir.ahs.program"
_ALWAYS_OPEN: Final = {
    "executionDay": "Everyday",
    "windowStartHour": "00:00",
    "windowEndHour": "23:59:59",
}
# Result types that a quantum device can measure.
_MEASURABLE: Final = frozenset({"Expectation", "Variance", "Sample", "Probability"})
# Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-submit-tasks.html
_FULLY_CONNECTED: Final = frozenset({"aqt", "ionq"})
# Longer than any program.
_LONG_SECONDS = 1
_EPOCH = "1970-01-01T00:00:00Z"

# The limits of Aquila, in SI units. Source:
# https://docs.aws.amazon.com/braket/latest/developerguide/braket-quera-submitting-analog-program-aquila.html
_LATTICE: Final = {
    "area": {"width": 7.5e-05, "height": 7.6e-05},
    "geometry": {
        "spacingRadialMin": 4e-06,
        "spacingVerticalMin": 4e-06,
        "positionResolution": 1e-08,
        "numberSitesMax": 256,
    },
}
_RYDBERG: Final = {
    "c6Coefficient": 5.42e-24,
    "rydbergGlobal": {
        "rabiFrequencyRange": [0, 1.58e7],
        "rabiFrequencyResolution": 400,
        "rabiFrequencySlewRateMax": 4e14,
        "detuningRange": [-1.25e8, 1.25e8],
        "detuningResolution": 0.2,
        "detuningSlewRateMax": 6e15,
        "phaseRange": [-99, 99],
        "phaseResolution": 5e-07,
        "timeResolution": 1e-09,
        "timeDeltaMin": 5e-08,
        "timeMin": 0,
        "timeMax": 4e-06,
    },
}


def of_schema(order: Json, simulator: Any) -> str:  # noqa: ANN401 - of the SDK
    """Return the capabilities of a quantum device as JSON in its schema.

    Args:
        order: `schema`, the name of the device's package in `braket.device_schema`, its `qubits`
            and its `shots`, the fewest and the most.
        simulator: The simulator that computes its tasks.
    """
    from braket.device_schema.aqt import AqtDeviceCapabilities  # noqa: PLC0415
    from braket.device_schema.ionq import IonqDeviceCapabilities  # noqa: PLC0415
    from braket.device_schema.iqm import IqmDeviceCapabilities  # noqa: PLC0415
    from braket.device_schema.oqc import OqcDeviceCapabilities  # noqa: PLC0415
    from braket.device_schema.quera import QueraDeviceCapabilities  # noqa: PLC0415
    from braket.device_schema.rigetti.rigetti_device_capabilities_v2 import (  # noqa: PLC0415
        RigettiDeviceCapabilities,
    )

    schemas = {
        "aqt": AqtDeviceCapabilities,
        "ionq": IonqDeviceCapabilities,
        "iqm": IqmDeviceCapabilities,
        "oqc": OqcDeviceCapabilities,
        "quera": QueraDeviceCapabilities,
        "rigetti": RigettiDeviceCapabilities,
    }
    is_analog = order["schema"] == "quera"
    parts = _analog(order) if is_analog else _gates(order, simulator)
    service = {"executionWindows": [_ALWAYS_OPEN], "shotsRange": order["shots"]}
    content = {"service": service, "deviceParameters": {}, **parts}
    return str(schemas[order["schema"]].parse_obj(content).json())


def _analog(order: Json) -> Json:
    from braket.device_schema.quera import quera_ahs_paradigm_properties_v1 as schema  # noqa: PLC0415

    return {
        "action": {_AHS: {"actionType": _AHS, "version": ["1"]}},
        "paradigm": {
            "qubitCount": order["qubits"],
            "lattice": _LATTICE,
            "rydberg": _RYDBERG,
            "performance": {
                "lattice": dict(_without_errors(schema.PerformanceLattice)),
                "rydberg": {
                    "rydbergGlobal": dict(_without_errors(schema.PerformanceRydbergGlobal)),
                },
            },
        },
    }


def _without_errors(model: Any) -> Iterator[tuple[str, object]]:  # noqa: ANN401 - of the SDK
    """Yield the members of a device without errors: coherence times are long, the rest is 0."""
    for name, member in model.__fields__.items():
        is_list = "list" in str(member.outer_type_).lower()
        yield name, [] if is_list else _LONG_SECONDS if name.startswith("T") else 0


def _gates(order: Json, simulator: Any) -> Json:  # noqa: ANN401 - of the SDK
    computed = json.loads(simulator.properties.json())["action"][_OPENQASM]
    results = [
        each | {"minShots": order["shots"][0], "maxShots": order["shots"][1]}
        for each in computed["supportedResultTypes"]
        if each["name"] in _MEASURABLE
    ]
    return {
        "action": {
            _OPENQASM: {
                "actionType": _OPENQASM,
                "version": ["1"],
                "supportedOperations": computed["supportedOperations"],
                "supportedResultTypes": results,
                "supportedPragmas": ["verbatim"],
                "supportPhysicalQubits": True,
            }
        },
        "paradigm": {
            "connectivity": {
                "fullyConnected": order["schema"] in _FULLY_CONNECTED,
                "connectivityGraph": {},
            },
            "qubitCount": order["qubits"],
            "nativeGateSet": [],
        },
        **(_AQT if order["schema"] == "aqt" else {}),
    }


# Its schema requires the figures of a calibration.
_AQT: Final = {
    "standardized": {},
    "provider": {
        "properties": {
            "single_qubit_gate_fidelity": {},
            "mean_two_qubit_gate_fidelity": {"value": 100, "uncertainty": 0},
            "spam_fidelity_lower_bound": 100,
            "t2_coherence_time_s": {"value": _LONG_SECONDS, "uncertainty": 0},
            "t1_s": {"value": _LONG_SECONDS, "uncertainty": 0},
            "readout_time_micros": 0,
            "single_qubit_gate_duration_micros": 0,
            "two_qubit_gate_duration_micros": 0,
            "updated_at": _EPOCH,
        }
    },
}
