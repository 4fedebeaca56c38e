"""The plots of `cdk-braket sweep plot`."""

from pathlib import Path

from cdk_braket._lambda.braket_jobs.api.sweep_table import COMPLETED, Row
from cdk_braket_cli.commands.sweep import _draw


def test_values_that_are_not_all_numbers_are_categories(tmp_path: Path) -> None:
    rows = [
        Row(index, {"theta": index, "layers": layers}, COMPLETED, metrics={"energy": -1.0})
        for index, layers in enumerate(("2", "auto", 3))
    ]
    file = tmp_path / "sweep.svg"
    _draw(rows, "energy", "layers", "theta", file)
    assert "auto" in file.read_text(encoding="utf-8")
