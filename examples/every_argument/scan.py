"""Measures <Z> of one qubit over angles; goes on where an earlier scan stopped.

Reads its hyperparameters itself: `data_parallel` adds some that no function of ours accepts, and
the container passes all of them or none.
"""

import json
from pathlib import Path

from braket.aws import AwsDevice
from braket.circuits import Circuit, Observable
from braket.devices import Device, LocalSimulator
from braket.jobs import (
    get_checkpoint_dir,
    get_hyperparameters,
    get_input_data_dir,
    get_job_device_arn,
    save_job_result,
)
from braket.jobs.metrics import log_metric


def measure(device: Device, angle: float, shots: int) -> float:
    """Return <Z> after a rotation about the x axis."""
    circuit = Circuit().rx(0, angle).expectation(Observable.Z(), target=0)
    return float(device.run(circuit, shots=shots).result().values[0])


def main() -> None:
    """Scan, and save the measurements."""
    settings = get_hyperparameters()
    angles = json.loads(Path(get_input_data_dir("angles"), "angles.json").read_text())
    weights = json.loads(Path(get_input_data_dir("weights"), "weights.json").read_text())
    notes = sorted(path.name for path in Path(get_input_data_dir("notes")).iterdir())
    # Hyperparameters are texts, and bool("False") is True.
    rehearsal = settings["rehearsal"] == "True"
    device = LocalSimulator() if rehearsal else AwsDevice(get_job_device_arn())

    kept = Path(get_checkpoint_dir(), "scan.json")
    measured: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    earlier = len(measured)
    for number, angle in enumerate(angles):
        if str(angle) not in measured:
            shifted = angle + float(settings["shift"])
            measured[str(angle)] = measure(device, shifted, int(settings["shots"]))
            kept.write_text(json.dumps(measured))
        log_metric("z", measured[str(angle)], iteration_number=number)
    mean = sum(w * measured[str(a)] for w, a in zip(weights, angles, strict=True)) / sum(weights)
    save_job_result(
        {"label": settings["label"], "mean": mean, "earlier": earlier, "notes": notes, **measured}
    )
