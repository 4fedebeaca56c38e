"""The deployment of a clone: `requirements.txt` alone, and the command of cdk.json."""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
# The cache saves jsii from unpacking the library anew.
_KEPT = ("PATH", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")
CLONED = ("app.py", "cdk.json", "constructs", "stacks", "examples")


def _locked() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if "==" in line]
    return [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]


def _only_locked_packages(folder: Path) -> Path:
    """A folder with the packages that are locked, as they are installed here, and no others."""
    folder.mkdir()
    for requirement in _locked():
        distribution = metadata.distribution(requirement.name)
        assert distribution.version in requirement.specifier
        site = Path(str(distribution.locate_file("")))
        parts = {file.parts[0] for file in distribution.files or []}
        for part in parts - {"..", "__pycache__"}:
            link = folder / part
            if not link.exists():
                link.symlink_to(site / part)
    return folder


def test_the_app_needs_no_more_than_its_requirements(tmp_path: Path) -> None:
    clone, out = tmp_path / "clone", tmp_path / "out"
    clone.mkdir()
    for name in CLONED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    packages = _only_locked_packages(tmp_path / "packages")
    programs = clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = programs / "python3"
    # Without site-packages: the command's own PYTHONPATH has to lead to the library.
    script = f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{packages}" exec "{sys.executable}" -S "$@"\n'
    python.write_text(script, encoding="utf-8")
    python.chmod(0o755)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    done = subprocess.run(
        ["sh", "-c", json.loads((clone / "cdk.json").read_text(encoding="utf-8"))["app"]],
        cwd=clone,
        env={**kept, "HOME": str(tmp_path), "CDK_OUTDIR": str(out)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (out / "HybridJobStack.template.json").is_file()
