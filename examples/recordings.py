"""Records the runs that pictures are drawn from: each example's job, and a deployment.

`./dev pictures --record NAME …` runs the job of an example in a local AWS and keeps its metric.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = ROOT / "constructs/cdk_braket_cli/templates"
FILE: Final = ROOT / "docs/pictures/examples.json"

_METRIC: Final = re.compile(
    r"Metrics - timestamp=[^;]*; (\w+)=([^;]+);(?: iteration_number=(\d+))?"
)


class RecordError(Exception):
    """A run failed; the message is its output."""


@dataclass(frozen=True, slots=True)
class Example:
    """A template of `cdk-braket init` with a picture.

    Attributes:
        script: The file or folder of the script.
        entry_point: Its entry point.
        hyperparameters: Those of the template's job.
        metric: The metric in the picture.
        axes: The titles of the picture's axes.
        inputs: The file or folder of each input channel.
        points: The values of one further hyperparameter, each a separate run.
        device: The device of the template's job.
    """

    script: str
    entry_point: str
    hyperparameters: Mapping[str, str]
    metric: str
    axes: tuple[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    points: tuple[str, tuple[float, ...]] | None = None
    device: str = "local:braket/default"


_FILE: Final = ("algorithm.py", "algorithm:main")
EXAMPLES: Final[dict[str, Example]] = {
    "job": Example(*_FILE, {"steps": "21", "shots": "0"}, "z", ("step", "mean of Z")),
    "nightly": Example(
        *_FILE,
        {"qubits": "4", "shots": "500", "error": "0.02"},
        "fidelity",
        ("qubit", "fidelity"),
    ),
    "qaoa": Example(
        "algorithm",
        "algorithm.maxcut:main",
        {"nodes": "6", "layers": "2", "steps": "20", "seed": "7"},
        "cost",
        ("step of the optimizer", "cost"),
        device="local:pennylane/lightning.qubit",
    ),
    "qpu": Example(
        *_FILE,
        {"shots": "100", "repetitions": "5"},
        "correlation",
        ("repetition", "mean of Z0 Z1"),
    ),
    "sweep": Example(
        *_FILE,
        {},
        "energy",
        ("bond length in ångström", "energy in hartree"),
        {"coefficients": "data/coefficients.csv"},
        ("bond_length", tuple(round(0.3 + 0.1 * number, 1) for number in range(23))),
    ),
    "team": Example(
        *_FILE, {"qubits": "6", "shots": "100"}, "equal", ("qubits", "share of equal outcomes")
    ),
    "vqe": Example(
        *_FILE,
        {"shots": "0", "steps": "16", "seed": "7"},
        "energy",
        ("step", "energy in hartree"),
        {"hamiltonian": "data/hamiltonian.json"},
    ),
}


def record(names: Iterable[str]) -> None:
    """Run the jobs of examples, and keep their metrics.

    Raises:
        RecordError: A job failed.
    """
    for name in names:
        points = _run(name)
        # Read late: another call may have written its record in the meantime.
        kept = read() | {name: {"sources": digest(name), "points": points}}
        text = json.dumps(dict(sorted(kept.items())), indent=1)
        # A point on a line.
        text = re.sub(r"\[\s+([-\d.e]+),\s+([-\d.e]+)\s+\]", r"[\1, \2]", text)
        FILE.write_text(text + "\n", encoding="utf-8")


def read() -> dict[str, Any]:
    """Return the records by the name of the example."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def digest(name: str) -> str:
    """Return the digest of everything that determines a run: script, inputs, hyperparameters."""
    example, content = EXAMPLES[name], hashlib.sha256()
    for path in (example.script, *example.inputs.values()):
        place = TEMPLATES / name / path
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                content.update(file.read_bytes())
    content.update(
        json.dumps([dict(example.hyperparameters), example.points, example.device]).encode()
    )
    return content.hexdigest()


def _run(name: str) -> list[tuple[float, float]]:
    example = EXAMPLES[name]
    if example.points is None:
        return _job(name, example.hyperparameters)
    return _all_points(name, *example.points)


# Calls the entry point for each value, in the environment of a job.
_DRIVER: Final = """
import json, os, sys
from importlib import import_module
entry, parameter, values = json.loads(sys.argv[1])
module, _, function = entry.partition(":")
for value in values:
    with open(os.environ["AMZN_BRAKET_HP_FILE"], "w") as file:
        json.dump({parameter: str(value)}, file)
    getattr(import_module(module), function)()
"""


def _all_points(name: str, parameter: str, values: Sequence[float]) -> list[tuple[float, float]]:
    """Run the script once for each value, without a local AWS, which would need minutes."""
    example, folder = EXAMPLES[name], TEMPLATES / name
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch, "input")
        for channel, path in example.inputs.items():
            (inputs / channel).mkdir(parents=True)
            shutil.copy(folder / path, inputs / channel)
        variables = {
            "AMZN_BRAKET_HP_FILE": str(Path(scratch, "hyperparameters.json")),
            "AMZN_BRAKET_INPUT_DIR": str(inputs),
            "AMZN_BRAKET_JOB_RESULTS_DIR": scratch,
            "PYTHONPATH": str(folder),
        }
        call = json.dumps([example.entry_point, parameter, values])
        done = _output(name, (sys.executable, "-c", _DRIVER, call), variables)
    measured = [value for _, value in _metric(example, done)]
    return list(zip(values, measured, strict=True))


def _job(name: str, hyperparameters: Mapping[str, str]) -> list[tuple[float, float]]:
    """Run one job in a local AWS, and return its metric by iteration."""
    example, folder = EXAMPLES[name], TEMPLATES / name
    options = [f"--hyperparameter={key}={value}" for key, value in hyperparameters.items()]
    options += [f"--input={key}={folder / path}" for key, path in example.inputs.items()]
    command = (sys.executable, "-m", "cdk_braket_local.cli", "run-job")
    options.append(f"--device={example.device}")
    script = (str(folder / example.script), f"--entry-point={example.entry_point}")
    return _metric(example, _output(name, [*command, *script, *options], {}))


def _output(name: str, command: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RecordError(f"{name}: the job failed:\n{done.stdout}")
    return done.stdout


def _metric(example: Example, output: str) -> list[tuple[float, float]]:
    """Return the values of an example's metric by iteration."""
    found = [line.groups() for line in _METRIC.finditer(output)]
    return [(float(at or 0), float(value)) for key, value, at in found if key == example.metric]
