"""Makes what a release consists of: wheel, sdist, bill of materials, checksums."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools import lock, sbom

ROOT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"


class ReleaseError(Exception):
    """There is nothing to release; the message is one line for the user."""


def main(arguments: Sequence[str]) -> int:
    """Make the release of the commit that is checked out, in `dist`."""
    if arguments:
        print("dev: release takes no arguments", file=sys.stderr)
        return 2
    try:
        made = release(ROOT, ROOT / "dist")
    except (ReleaseError, sbom.SbomError) as error:
        print(f"dev: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"dist/{path.name}" for path in made))
    return 0


def release(root: Path, target: Path) -> list[Path]:
    """Make the files of a release from the last commit of a clean checkout.

    Args:
        root: The checkout.
        target: The folder for the files; others in it stay.

    Raises:
        ReleaseError: The checkout is not clean, or a build failed.
        sbom.SbomError: The bill of materials cannot be made.
    """
    _refuse_changes(root)
    with tempfile.TemporaryDirectory() as name:
        sources, made = Path(name, "sources"), Path(name, "made")
        made.mkdir()
        # What git ignores may lie in the checkout, and must not get into a wheel.
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
            # What 3.12 takes by default, and Python before 3.11.4 does not know.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(sources)  # noqa: S202 - git's own archive of this checkout
        _build(sources, made)
        _write_bill(root, sources, made)
        _write_sums(made)
        target.mkdir(exist_ok=True)
        return [Path(shutil.copy(path, target)) for path in sorted(made.iterdir())]


def _refuse_changes(root: Path) -> None:
    changed = _git(root, "status", "--porcelain").decode().splitlines()
    if changed:
        raise ReleaseError(
            f"a release is made of a commit, and {len(changed)} files differ from it, as "
            f"{changed[0][3:]}. Commit them, or release from another clone or worktree."
        )


def _git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout


def _build(sources: Path, made: Path) -> None:
    # hatchling would take the time from there; without it, the time is always the same.
    variables = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", made, sources],
        cwd=sources,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ReleaseError(f"the build failed: {done.stdout.strip()}")


def _write_bill(root: Path, sources: Path, made: Path) -> None:
    project = tomllib.loads((sources / lock.PROJECT).read_text(encoding="utf-8"))["project"]
    (path,) = made.glob("*.whl")
    extras = project.get("optional-dependencies", {})
    wheel = sbom.Wheel(
        path=path,
        name=project["name"],
        version=project["version"],
        requirements=project["dependencies"],
        optional=[one for extra in extras.values() for one in extra],
    )
    committed_at = datetime.fromtimestamp(int(_git(root, "log", "-1", "--format=%ct")), UTC)
    text = sbom.text(wheel, (sources / lock.PYTHON_LOCK).read_text(encoding="utf-8"), committed_at)
    bill = made / f"{wheel.name}-{wheel.version}.cdx.json"
    bill.write_text(text, encoding="utf-8")


def _write_sums(made: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(made.iterdir())
    ]
    (made / SUMS).write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
