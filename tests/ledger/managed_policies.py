"""The managed policies of AWS for Amazon Braket, as AWS publishes them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).with_name("aws")


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A managed policy of AWS.

    Attributes:
        name: Its name.
        source: The page that it was read on.
        version: Its version there.
        edited: When AWS edited it last.
        document: The policy.
    """

    name: str
    source: str
    version: str
    edited: str
    document: dict[str, Any]

    def actions(self) -> frozenset[str]:
        """Every action that it allows."""
        return frozenset(action for action, _, _ in self.permissions())

    def permissions(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each action with the resource and the conditions that it is allowed on."""
        for statement in self.document["Statement"]:
            for action in _many(statement["Action"]):
                for resource in _many(statement["Resource"]):
                    yield action, resource, statement.get("Condition", {})


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _read(name: str) -> ManagedPolicy:
    return ManagedPolicy(**json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8")))


JOBS_EXECUTION: Final = _read("AmazonBraketJobsExecutionPolicy")
SERVICE_ROLE: Final = _read("AmazonBraketServiceRolePolicy")
