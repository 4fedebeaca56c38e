"""Wheels for tests, so that nothing has to come from a registry."""

import zipfile
from pathlib import Path


def write_wheel(folder: Path, name: str) -> Path:
    """Write a wheel of one module; return its path."""
    path = folder / f"{name}-1-py3-none-any.whl"
    information = f"{name}-1.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "WHERE = __file__\n")
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
        )
        wheel.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        files = (f"{name}.py", f"{information}/METADATA", f"{information}/WHEEL")
        lines = "".join(f"{file},,\n" for file in (*files, f"{information}/RECORD"))
        wheel.writestr(f"{information}/RECORD", lines)
    return path
