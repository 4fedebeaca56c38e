"""The scripts and the options of their jobs: for the stack and for the Braket SDK."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "algorithms"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"


@dataclass(frozen=True)
class Case:
    """A job.

    Attributes:
        source: Its script, a file or a folder in `algorithms`.
        entry_point: Its entry point.
        hyperparameters: Its hyperparameters.
        inputs: The files of its channels, by name.
        device: Its device.
        resumes: The job whose checkpoints it gets.
        is_long: Whether it runs for minutes.
    """

    source: str
    entry_point: str
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    device: str = "local:braket/default"
    resumes: str | None = None
    is_long: bool = False

    @property
    def path(self) -> Path:
        """The path of its script."""
        return FOLDER / self.source


CASES = {
    "Qaoa": Case("qaoa.py", "qaoa:main", {"gamma": "0.3", "beta": "-0.2"}),
    "Qcbm": Case(
        "qcbm.py",
        "qcbm:main",
        {"channel": "target", "start": "0.4", "rounds": "200"},
        {"target": "target.json"},
    ),
    "First": Case("resuming.py", "resuming:main", {"terms": "2"}),
    "Second": Case("resuming.py", "resuming:main", {"terms": "5"}, resumes="First"),
    "Typed": Case(
        "typed.py",
        "typed:main",
        dict(zip("abcdefgh", ["1", "2.5", "x", "7", "-3", "1e-3", "a b", "0"], strict=True)),
    ),
    "Tasks": Case("tasks.py", "tasks:main", {"steps": "4"}, device=SV1),
    "FailingRequirements": Case("failing_requirements", "failing_requirements.algo:main"),
    "Notebook": Case("notebook", "notebook.run_notebook:main", {"angle": "0.7"}, is_long=True),
}
