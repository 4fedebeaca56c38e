"""The jobs of a stack in a cloud assembly, as `cdk synth` writes it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import ClientSideError
from .stack_jobs import NESTED_STACK, Key, job_resources

_MANIFEST: Final = "manifest.json"
_STACK: Final = "aws:cloudformation:stack"
_NESTED_ASSEMBLY: Final = "cdk:cloud-assembly"
_UNKNOWN: Final = "unknown-"

# Manifests and templates are JSON of any shape.
Json = Any


class AssemblyError(ClientSideError):
    """A cloud assembly cannot be read, or has no such stack."""


@dataclass(frozen=True, slots=True)
class AssembledStack:
    """A stack in a cloud assembly.

    Attributes:
        name: The name of the CloudFormation stack.
        region: The region of the stack; None if it is known at the deployment only.
        names: All names that people use for it: the stack's, the artifact's and the path.
        template_file: The template.
    """

    name: str
    region: str | None
    names: frozenset[str]
    template_file: Path

    def jobs(self) -> dict[Key, Mapping[str, Json]]:
        """Return the resources of jobs in the template and in the templates of nested stacks.

        Raises:
            AssemblyError: A template cannot be read.
        """
        return dict(_jobs(self.template_file, ()))


def stack_in(assembly: Path, name: str) -> AssembledStack:
    """Return a stack of a cloud assembly.

    Args:
        assembly: The folder, such as `cdk.out`.
        name: The stack's name, its id, or its path such as `Prod/Chemistry`.

    Raises:
        AssemblyError: The assembly cannot be read, or has no such stack.
    """
    stacks = list(_stacks(assembly))
    for stack in stacks:
        if name in stack.names:
            return stack
    known = ", ".join(sorted(stack.name for stack in stacks)) or "none"
    raise AssemblyError(f"the app has no stack {name}; its stacks: {known}")


def _stacks(assembly: Path) -> Iterator[AssembledStack]:
    manifest = _read(assembly / _MANIFEST)
    for artifact_id, artifact in manifest.get("artifacts", {}).items():
        properties = artifact.get("properties", {})
        if artifact.get("type") == _NESTED_ASSEMBLY:
            yield from _stacks(assembly / properties["directoryName"])
        if artifact.get("type") == _STACK:
            name = properties.get("stackName", artifact_id)
            region = artifact.get("environment", "").rpartition("/")[2]
            yield AssembledStack(
                name=name,
                region=None if not region or region.startswith(_UNKNOWN) else region,
                names=frozenset({name, artifact_id, artifact.get("displayName", artifact_id)}),
                template_file=assembly / properties["templateFile"],
            )


def _jobs(template_file: Path, parents: Key) -> Iterator[tuple[Key, Mapping[str, Json]]]:
    template = _read(template_file)
    for logical_id, resource in job_resources(template):
        yield (*parents, logical_id), resource
    for logical_id, resource in template.get("Resources", {}).items():
        nested = resource.get("Metadata", {}).get("aws:asset:path")
        if resource.get("Type") == NESTED_STACK and isinstance(nested, str):
            yield from _jobs(template_file.parent / nested, (*parents, logical_id))


def _read(file: Path) -> Json:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AssemblyError(f"{file} does not exist; expected the output of `cdk synth`") from error
    except (OSError, ValueError, RecursionError) as error:
        raise AssemblyError(f"{file} cannot be read: {error}") from error
