"""Paths on this machine, and the kinds of strings that users pass instead."""

import os
import re
from pathlib import Path
from typing import Final

from .issue import Issue, shorten

# A `Path` of "s3://bucket/key" has one slash.
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")

_IN_S3: Final = {
    "algorithm": "Use AlgorithmScript.from_bucket(bucket, key, entry_point=…)",
    "algorithm.include_modules": "Download it first, and name its path",
    "image": "Use ContainerImage.from_uri(…) or .from_ecr_repository(…)",
}
_CHANNEL_IN_S3: Final = "Use InputChannel.from_s3_uri('s3://{}') or .from_bucket(…)"


def path_issue(argument: str, given: str) -> Issue | None:
    """Return why a path cannot name a file or directory of this machine; None if it exists.

    Args:
        argument: The argument that it is given in.
        given: The path as the user wrote it: `Path` drops a slash of a URL.
    """
    rule, fix = _fault(argument, Path(given), given)
    return Issue(argument, rule, fix, shorten(given)) if rule else None


def _fault(argument: str, path: Path, text: str) -> tuple[str, str]:
    if _exists(path):
        return "", ""
    if match := _URL.fullmatch(text):
        return _url_fault(argument, match["scheme"].lower(), match["rest"])
    if text.startswith("~"):
        fix = f"Use Path({text!r}).expanduser()"
        return "starts with ~, which only a shell replaces by the home directory", fix
    if os.name != "nt" and _DRIVE.match(text):
        return "is a path of Windows, and this machine has none", "Use a path of this machine"
    if path.is_absolute():
        return "does not exist: No such file or directory", "Check the path"
    return (
        f"No such file or directory in {shorten(os.getcwd())}, where the app runs",  # noqa: PTH109
        f"Use a path beside your module: Path(__file__).parent / {text!r}",
    )


def _url_fault(argument: str, scheme: str, rest: str) -> tuple[str, str]:
    if scheme == "s3":
        fix = _IN_S3.get(argument.partition("[")[0], _CHANNEL_IN_S3.format(rest))
        return "is an S3 URI, and from_asset accepts a path of this machine", fix
    if scheme == "file":
        return "is a file: URL, and from_asset accepts a path", f"Use {('/' + rest.lstrip('/'))!r}"
    return (
        f"is a URL ({scheme}:), and from_asset accepts a path of this machine",
        "Download it first, or put it into a bucket",
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return True  # it cannot be read: the later read reports the reason
