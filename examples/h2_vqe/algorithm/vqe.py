"""Finds the ground-state energy of a molecule: a variational quantum eigensolver.

Runs as an Amazon Braket hybrid job with the entry point `algorithm.vqe:main`, or in any environment
with the variables and files of a Braket job. Needs the Braket SDK only.

The optimizer is Rotosolve (Ostaszewski, Grant, Benedetti, Quantum 5, 391 (2021)). The energy is
a + b cos(x) + c sin(x) in each single angle x, so that three energies determine its minimum. Each
iteration moves one angle to its minimum, in turn. There is no step size to choose.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import atan2, pi
from pathlib import Path
from typing import Any

from braket.aws import AwsDevice
from braket.devices import Device, LocalSimulator
from braket.jobs import (
    get_checkpoint_dir,
    get_hyperparameters,
    get_input_data_dir,
    get_job_device_arn,
    load_job_checkpoint,
    save_job_checkpoint,
    save_job_result,
)
from braket.jobs.metrics import log_metric

from . import hamiltonian
from .energy import ANGLES, EnergyMeter

CHANNEL = "hamiltonian"
CHECKPOINT = "vqe"
CHECKPOINT_EVERY = ANGLES


class HyperparameterError(ValueError):
    """A hyperparameter has an unexpected value; the message never shows the value."""


@dataclass(frozen=True)
class Settings:
    """The hyperparameters.

    Attributes:
        shots: Runs of each circuit; 0 for exact expectations, which simulators alone can give.
            Sampling leaves an error of about 0.25/sqrt(shots) hartree.
        iterations: How many times an angle is moved. From any start, 24 were enough in 1,000 of
            1,000 trials with exact expectations.
        seed: Determines the initial angles.
    """

    shots: int = 0
    iterations: int = 24
    seed: int = 2016

    @classmethod
    def of(cls, hyperparameters: Mapping[str, str]) -> "Settings":
        """Read the job's hyperparameters; a missing one has its default.

        The container calls the entry function without any argument if one of them does not match.
        The function would then use its defaults without an error. So they are checked here.

        Raises:
            HyperparameterError: A value is unknown, not a whole number, or too small.
        """
        lowest = {"shots": 0, "iterations": 1, "seed": 0}
        known = [field.name for field in fields(cls)]
        for name in hyperparameters:
            if name not in known:
                raise HyperparameterError(f"there is no {name!r}; there are {', '.join(known)}")
        return cls(
            **{name: _whole(name, text, lowest[name]) for name, text in hyperparameters.items()}
        )


def _whole(name: str, text: str, lowest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise HyperparameterError(f"{name} must be a whole number of at least {lowest}") from None
    return number


@dataclass
class Progress:
    """The progress of the optimization.

    Attributes:
        problem: Identifies this input and these settings.
        angles: The current angles, in radians.
        trace: The energy at the start and after each iteration, in hartree.
    """

    problem: str
    angles: list[float]
    trace: list[float]

    @property
    def iterations(self) -> int:
        """The number of completed iterations."""
        return len(self.trace) - 1

    def save(self) -> None:
        """Write the checkpoint that `resumed` finds."""
        save_job_checkpoint(vars(self), checkpoint_file_suffix=CHECKPOINT)


def resumed(problem: str) -> Progress | None:
    """Return the furthest progress on the problem among the checkpoints, if there is any.

    A job that continues another one has a different name, and the checkpoint's file contains the
    name of the job that wrote it. So files of any name are used.
    """
    suffix = f"_{CHECKPOINT}.json"
    names = [
        path.name.removesuffix(suffix) for path in Path(get_checkpoint_dir()).glob(f"*{suffix}")
    ]
    loaded = [_load(name) for name in sorted(names)]
    fitting = [Progress(**data) for data in loaded if data.get("problem") == problem]
    return max(fitting, key=lambda progress: progress.iterations, default=None)


def _load(job_name: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = load_job_checkpoint(job_name, CHECKPOINT)
    except ValueError:
        # The job that wrote it was killed while writing.
        print(f"The checkpoint of {job_name} cannot be read, so it is not used.", flush=True)
        return {}
    return data


def started(problem: str, seed: int, meter: EnergyMeter) -> Progress:
    """Return the start of an optimization, at angles drawn from the whole circle."""
    source = random.Random(seed)  # noqa: S311 - chooses the initial angles
    angles = [source.uniform(-pi, pi) for _ in range(ANGLES)]
    return Progress(problem, angles, trace=meter.energies([angles]))


def advance(progress: Progress, meter: EnergyMeter) -> None:
    """Do one iteration: move the next angle to its minimum."""
    index = progress.iterations % ANGLES
    here = progress.trace[-1]
    ahead, behind = meter.energies(
        [_moved(progress.angles, index, step) for step in (pi / 2, -pi / 2)]
    )
    to_minimum = -pi / 2 - atan2(2 * here - ahead - behind, ahead - behind)
    progress.angles = _moved(progress.angles, index, to_minimum)
    progress.trace += meter.energies([progress.angles])


def _moved(angles: Sequence[float], index: int, step: float) -> list[float]:
    moved = list(angles)
    moved[index] += step
    return moved


def device(arn: str) -> Device:
    """Return the job's device: an embedded simulator `local:<provider>/<simulator>`, or AWS's.

    The SDK returns `local:none/none` outside a job, so that you can run the script there.
    """
    if not arn.startswith("local:"):
        return AwsDevice(arn)
    simulator = arn.rpartition("/")[2]
    return LocalSimulator() if simulator == "none" else LocalSimulator(simulator)


def main() -> None:
    """Find the energy, and save it with the angles and the trace."""
    settings = Settings.of(get_hyperparameters())
    source = hamiltonian.find(Path(get_input_data_dir(CHANNEL)))
    meter = EnergyMeter(hamiltonian.read(source), device(get_job_device_arn()), settings.shots)
    problem = hashlib.sha256(
        source.read_bytes() + f"{settings.shots} {settings.seed}".encode()
    ).hexdigest()

    progress = resumed(problem)
    if progress:
        print(f"Resuming after iteration {progress.iterations}.", flush=True)
    else:
        progress = started(problem, settings.seed, meter)
    while progress.iterations < settings.iterations:
        advance(progress, meter)
        log_metric("energy", progress.trace[-1], iteration_number=progress.iterations)
        if progress.iterations % CHECKPOINT_EVERY == 0:
            progress.save()
    progress.save()
    save_job_result(
        {
            "energy": progress.trace[-1],
            "parameters": progress.angles,
            "trace": progress.trace,
            "shots": settings.shots,
        }
    )
    print(f"Energy: {progress.trace[-1]:.6f} hartree", flush=True)
