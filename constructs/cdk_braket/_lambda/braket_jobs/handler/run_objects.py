"""The objects about the runs of executions, beside the records of resources.

The last writer of an object wins.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from .errors import Failure
from .properties import Location
from .retries import Tools
from .run_events import digest

STOPPED = "stopped"
"""The name of the object that marks an execution as ended. No run has it: theirs are digests."""


class RunObjects:
    """Reads and writes the objects.

    Args:
        tools: The tools of the invocation.
        records: Where the records are.
    """

    def __init__(self, tools: Tools, records: Location) -> None:
        self.tools = tools
        self.records = records

    def of_execution(self, execution: str, name: str) -> Location:
        """Return where an object about an execution is."""
        return self._below(f"executions/{digest(execution)}/{name}")

    def of_job(self, job_arn: str) -> Location:
        """Return where the task token is that waits for a job."""
        return self._below(f"waiting/{digest(job_arn)}")

    def _below(self, key: str) -> Location:
        return replace(self.records, key=f"{self.records.key}/{key}")

    def read(self, place: Location) -> Mapping[str, object] | None:
        """Return the content of an object; None if there is none.

        Raises:
            Failure: It is not a JSON object.
        """
        found = read_text(self.tools, place)
        return None if found is None else loaded(found)

    def write(self, place: Location, content: Mapping[str, object]) -> None:
        """Write an object, over an existing one."""
        text, gateway = json.dumps(content), self.tools.gateway
        self.tools.calls().retry(lambda: gateway.overwrite(place, text, "application/json"))

    def names(self, execution: str, prefix: str = "") -> list[str]:
        """Return the names of the objects about an execution that begin with the prefix."""
        folder, below = self.of_execution(execution, ""), self.of_execution(execution, prefix)
        pages = self.tools.calls().pages(lambda page: self.tools.gateway.list_keys(below, page))
        return [key.removeprefix(folder.key) for key in pages]

    def stop(self, execution: str, at: float) -> None:
        """Mark an execution as ended at a time (seconds since the epoch)."""
        self.write(self.of_execution(execution, STOPPED), {"run": None, "at": at})

    def stopped_at(self, execution: str) -> float | None:
        """Return when an execution ended (seconds since the epoch); None if it did not."""
        found = self.read(self.of_execution(execution, STOPPED))
        at = found.get("at") if found else None
        return float(at) if isinstance(at, int | float) else None


def read_text(tools: Tools, place: Location) -> str | None:
    """Return an object's text; None if there is none."""
    found = tools.calls().retry(lambda: tools.gateway.read_record(place))
    return None if found is None else found[0]


def loaded(text: str) -> Mapping[str, object]:
    """Read a JSON object.

    Raises:
        Failure: The text is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Failure("A record is not a JSON object")
    return value
