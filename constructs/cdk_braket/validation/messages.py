"""Describes violations of the service model in terms of the constructs' properties."""

from collections.abc import Mapping, Sequence
from typing import Final

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.model_rules import Problem, Rule
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.request.create_job import ANY, REQUEST, SURFACE, Property

_DAY: Final = 24 * 60 * 60


def property_at(path: Sequence[str | int]) -> Property | None:
    """Return the property that a place in the request comes from; None if there is none."""
    pattern: tuple[str, ...] = ()
    found = None
    for step in path:
        for candidate in ((*pattern, str(step)), (*pattern, ANY)):
            if candidate in SURFACE:
                pattern, found = candidate, SURFACE[candidate]
                break
    return found


def issue_of(problem: Problem, channels: Sequence[str], fix: str | None = None) -> Issue:
    """Describe a problem of a request in terms of the property that it comes from.

    Args:
        problem: The problem.
        channels: The names of the input channels.
        fix: The fix, if it differs from the property's.
    """
    found = property_at(problem.path)
    if found is None:
        return Issue(".".join(map(str, problem.path)), problem.message)
    name = found.name.format(_subscript(problem, channels))
    message, usual = _words(problem, found)
    # A message about a number includes it.
    is_shown = problem.rule in {Rule.MIN, Rule.MAX} and ", got " in message
    return Issue(name, message, fix or usual, "" if is_shown else _shown(problem, found))


def _subscript(problem: Problem, channels: Sequence[str]) -> str:
    for step in problem.path[1:]:
        key = channels[step] if isinstance(step, int) and step < len(channels) else step
        return shorten(str(key))
    return ""


def _shown(problem: Problem, found: Property) -> str:
    if found.is_secret or problem.rule is Rule.REQUIRED:
        return ""
    if isinstance(problem.value, str):
        return shorten(problem.value)
    if isinstance(problem.value, (bool, int, float)):
        return f"{problem.value}{found.unit}"
    return ""


def _words(problem: Problem, found: Property) -> tuple[str, str]:
    if found.name == "max_runtime" and problem.rule in {Rule.MIN, Rule.MAX}:
        return _runtime_words(problem)
    return problem.message, _fix(problem, found)


def _fix(problem: Problem, found: Property) -> str:
    """Return the fix for the fault: a value that is too long is not fixed by another type."""
    if problem.rule is Rule.UNKNOWN_MEMBER:
        return "Remove it"
    if found.is_optional and problem.value is None:
        return "Remove the key"
    if problem.path[0] == "hyperParameters" and len(problem.path) > 1:
        return _hyperparameter_fix(problem, found)
    if found.is_optional and problem.value == "":
        return "Remove it"
    return found.fix


def _hyperparameter_fix(problem: Problem, found: Property) -> str:
    fixes = _KEY_FIXES if problem.message.startswith("its key") else _VALUE_FIXES
    return fixes.get(problem.rule, found.fix)


_KEY_FIXES: Final[Mapping[Rule, str]] = {
    Rule.MAX_LENGTH: "Use a shorter key",
    Rule.MIN_LENGTH: "Name the hyperparameter, or omit it",
}
_VALUE_FIXES: Final[Mapping[Rule, str]] = {
    Rule.MAX_LENGTH: "Put it into an input channel: input_data={'…': InputChannel.from_asset(…)}",
    Rule.MIN_LENGTH: "Remove it, and use a default in the script",
    Rule.PATTERN: "Put strings with several lines into an input channel",
}


def _runtime_words(problem: Problem) -> tuple[str, str]:
    bounds = model_rules.bounds(
        model_rules.shape_of(REQUEST, "stoppingCondition", "maxRuntimeInSeconds")
    )
    least, most = bounds.minimum or 0, bounds.maximum or 0
    days = f"{most / _DAY:g}"
    message = f"expected {least} s to {most} s ({days} days)"
    if problem.rule is Rule.MAX:
        return message, f"Use Duration.days({days}) or less"
    return message, f"Use Duration.seconds({least}) or more"
