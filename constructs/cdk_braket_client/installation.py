"""How this distribution was installed, for commands that install more of it."""

import contextlib
import json
from importlib import metadata
from typing import Final

DISTRIBUTION: Final = "cdk-braket"


def requirement(extras: str) -> str:
    """Return the requirement of this distribution with extras, from where it was installed from.

    Args:
        extras: Names of extras, with commas.
    """
    name = f"{DISTRIBUTION}[{extras}]"
    with contextlib.suppress(metadata.PackageNotFoundError):
        # Absent if it came from an index. Source:
        # https://packaging.python.org/en/latest/specifications/direct-url/
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        origin = json.loads(text) if text else {}
        vcs = origin.get("vcs_info")
        if vcs:
            return f"{name} @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
        if origin:
            return f"{name} @ {origin['url']}"
    return name


def install_command(extra: str) -> str:
    """Return the command that installs an extra from where this distribution was installed from."""
    return f'pip install "{requirement(extra)}"'
