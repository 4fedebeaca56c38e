"""Builds the files of a release: wheel, sdist, bill of materials, checksums."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools import checklist, lock, sbom

ROOT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"


class ReleaseError(Exception):
    """The release cannot be built; the message is one line for the user."""


def main(arguments: Sequence[str]) -> int:
    """Build the release of the commit that is checked out, in `dist`; or walk the check list."""
    if arguments[:1] == ["--walk"] and all(map(str.isdecimal, arguments[1:])):
        first = int(arguments[1]) if arguments[1:] else 1
        return checklist.walk(max(first, 1), input, print)
    if arguments:
        print("dev: release accepts --walk [STEP], or nothing", file=sys.stderr)
        return 2
    try:
        made = release(ROOT, ROOT / "dist")
    except (ReleaseError, sbom.SbomError) as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"dist/{path.name}" for path in made))
    return 0


def release(root: Path, target: Path) -> list[Path]:
    """Build the files of a release from the last commit of a clean checkout, in a folder.

    Raises:
        ReleaseError: The checkout is not clean, or a build failed.
        sbom.SbomError: The bill of materials cannot be created.
    """
    if changed := _git(root, "status", "--porcelain").decode().splitlines():
        raise ReleaseError(
            f"expected a checkout without changes, got {len(changed)} changed files, as "
            f"{changed[0][3:]}. Commit them, or release from another clone or worktree."
        )
    with tempfile.TemporaryDirectory() as name:
        sources, made = Path(name, "sources"), Path(name, "made")
        made.mkdir()
        # A commit, and not the folder, which may hold files that git ignores.
        archive = Path(name, "sources.tar")
        _git(root, "archive", f"--output={archive}", "HEAD")
        shutil.unpack_archive(archive, sources)
        # hatchling would use that time; without it, the time is always the same.
        variables = {key: os.environ[key] for key in os.environ if key != "SOURCE_DATE_EPOCH"}
        build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", made, sources)
        _run(build, sources, variables)
        made_at = datetime.fromtimestamp(int(_git(root, "log", "-1", "--format=%ct")), UTC)
        _write_bill(sources, made, made_at)
        sums = {path.name: hashlib.sha256(path.read_bytes()) for path in sorted(made.iterdir())}
        lines = [f"{digest.hexdigest()}  {name}\n" for name, digest in sums.items()]
        (made / SUMS).write_text("".join(lines), encoding="ascii")
        target.mkdir(exist_ok=True)
        return [Path(shutil.copy(path, target)) for path in sorted(made.iterdir())]


def _write_bill(sources: Path, made: Path, made_at: datetime) -> None:
    project = tomllib.loads((sources / lock.PROJECT).read_text(encoding="utf-8"))["project"]
    (wheel,) = made.glob("*.whl")
    locked = (sources / lock.PYTHON_LOCK).read_text(encoding="utf-8")
    bill = made / f"{project['name']}-{project['version']}.cdx.json"
    bill.write_text(sbom.text(wheel, project, locked, made_at), encoding="utf-8")


def _git(root: Path, *arguments: str) -> bytes:
    return _run(("git", *arguments), root)


def _run(
    command: Sequence[str | Path], folder: Path, variables: dict[str, str] | None = None
) -> bytes:
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False)
    if done.returncode:
        # `build` reports to the standard output.
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ReleaseError(f"{' '.join(map(str, command[:3]))} failed: {said}")
    return done.stdout
