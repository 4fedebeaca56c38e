"""The summary that synth prints when nothing is wrong: one line for the app."""

from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import jsii
from aws_cdk import Stack
from constructs import Construct, IConstruct, IValidation

from cdk_braket.assets.local_files import LocalFiles
from cdk_braket.core.memo import root_of

_NAMED_SCRIPTS: Final = 3
_INFO: Final = "aws:cdk:info"


def note(owner: Construct, script: LocalFiles | None, hours: float | None) -> None:
    """Add a job to the app's line, which is printed for the stack of the first such job.

    Args:
        owner: The job, or its definition.
        script: The script that was packed.
        hours: The maximum of its instance hours; None if unknown or not relevant.
    """
    if script is None and hours is None:
        return
    root = root_of(owner)
    notes = _NOTES.get(root)
    if notes is None:
        notes = _NOTES[root] = _Notes()
        # After all jobs are declared.
        owner.node.add_validation(_AddLine(Stack.of(owner), notes))
    if script is not None:
        notes.scripts[script.key] = script.summary
    if hours is not None:
        notes.hours += hours


@dataclass(slots=True, weakref_slot=True)
class _Notes:
    scripts: dict[str, str] = field(default_factory=dict)
    hours: float = 0

    def line(self) -> str:
        parts = []
        if self.scripts:
            named = list(self.scripts.values())[:_NAMED_SCRIPTS]
            more = len(self.scripts) - len(named)
            parts.append("packed " + "; ".join([*named, *([f"and {more} more"] if more else [])]))
        if self.hours:
            text = f"at most {self.hours:.3g} instance hours for jobs on managed devices"
            parts.append(text)
        return f"cdk-braket: {'. '.join(parts)}"


_NOTES: Final[WeakKeyDictionary[IConstruct, _Notes]] = WeakKeyDictionary()


@jsii.implements(IValidation)
class _AddLine:
    """Adds the line when the app is validated, which comes before its metadata are written."""

    def __init__(self, stack: Stack, notes: _Notes) -> None:
        self._stack = stack
        self._notes = notes
        self._added: set[str] = set()

    def validate(self) -> list[str]:
        text = self._notes.line()
        if text not in self._added:
            self._added.add(text)
            # Not an annotation, which comes with a stack trace.
            self._stack.node.add_metadata(_INFO, text, stack_trace=False)
        return []
