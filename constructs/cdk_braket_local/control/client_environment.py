"""The environment in which a command talks to the local AWS and to nothing else."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

# These say nothing of who calls whom; every other AWS_ variable could lead to a real account.
_HARMLESS = frozenset({"AWS_CA_BUNDLE", "AWS_PAGER", "AWS_CLI_AUTO_PROMPT"})
# A local AWS has no news of the CDK CLI's makers for it, and wants none.
_QUIET_CDK = {"CDK_DISABLE_VERSION_CHECK": "1", "CDK_DISABLE_CLI_TELEMETRY": "true"}


def command_environment(
    base: Mapping[str, str], local_aws: Mapping[str, str], directory: Path
) -> dict[str, str]:
    """The whole environment of a command.

    Args:
        base: The environment that the user has.
        local_aws: The variables that lead to the local AWS.
        directory: Where the command runs; the `node_modules/.bin` above it are on its PATH, as
            with `npx`.

    Returns:
        The base without variables that could lead to a real account, with those of the local AWS.
    """
    kept = {name: value for name, value in base.items() if not _leads_to_aws(name)}
    path = [*_node_programs(directory), base.get("PATH", os.defpath)]
    return kept | _QUIET_CDK | {"PATH": os.pathsep.join(path)} | dict(local_aws)


def exports(base: Mapping[str, str], local_aws: Mapping[str, str]) -> Iterator[str]:
    """Lines for a POSIX shell that direct it to the local AWS.

    Args:
        base: The environment that the shell has.
        local_aws: The variables that lead to the local AWS.

    Yields:
        `unset` and `export` lines, quoted, in a stable order.
    """
    wanted = _QUIET_CDK | dict(local_aws)
    for name in sorted(base):
        if _leads_to_aws(name) and name not in wanted and name.isidentifier():
            yield f"unset {name}"
    for name, value in sorted(wanted.items()):
        yield f"export {name}={shlex.quote(value)}"


def _leads_to_aws(name: str) -> bool:
    return name.startswith("AWS_") and name not in _HARMLESS


def _node_programs(directory: Path) -> list[str]:
    candidates = (folder / "node_modules" / ".bin" for folder in (directory, *directory.parents))
    return [str(candidate) for candidate in candidates if candidate.is_dir()]
