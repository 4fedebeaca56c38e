"""Compares the jobs of a synthesized stack with those of the deployed one.

The definition of a job is compared as the template has it. A token of the template, such as the
name of a bucket, can have another value after the deployment, which only CloudFormation knows.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cdk_braket._lambda.braket_jobs.api.nested_properties import restored
from cdk_braket._lambda.braket_jobs.contract import OnDelete, Property

from .instance_hours import hours_limit
from .stack_jobs import Key, path_of

_DEFINITION: Final = (Property.REQUEST, Property.COPY_CHECKPOINTS_FROM, Property.RERUN_TOKEN)

# Parts of templates are JSON of any shape.
Json = Any
_ABSENT: Final = object()


class Action(StrEnum):
    """The effect of a deployment on a job."""

    START = "start"
    REPLACE = "replace"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One value of a definition that changes.

    Attributes:
        path: Its place, such as `HyperParameters.shots`.
        before: The deployed value; None if there is none.
        after: The new value; None if there is none.
    """

    path: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a deployment on one job.

    Attributes:
        key: The logical ids that lead to the job's resource.
        path: The construct path.
        action: The effect.
        changes: The changed values, if the job is replaced.
        hours_limit: The most instance hours of the job that starts; None if none starts, or if the
            template does not have the numbers.
        is_retained: Whether a running job that the stack no longer holds runs on.
    """

    key: Key
    path: str
    action: Action
    changes: tuple[Change, ...]
    hours_limit: float | None
    is_retained: bool


def compare(
    deployed: Mapping[Key, Mapping[str, Json]], synthesized: Mapping[Key, Mapping[str, Json]]
) -> list[Effect]:
    """Return the effect of a deployment on each job, in the order of the construct paths.

    Args:
        deployed: The resources of the deployed jobs; empty if the stack is not deployed.
        synthesized: The resources of the jobs in the new template.
    """
    keys = {**deployed, **synthesized}
    effects = [_effect(key, deployed.get(key), synthesized.get(key)) for key in keys]
    return sorted(effects, key=lambda effect: effect.path)


def _effect(key: Key, old: Mapping[str, Json] | None, new: Mapping[str, Json] | None) -> Effect:
    path = path_of(key[-1], new or old or {})
    changes = tuple(_changes(_definition(old), _definition(new))) if old and new else ()
    if new is None:
        action = Action.REMOVE
    elif old is None:
        action = Action.START
    else:
        action = Action.REPLACE if changes else Action.KEEP
    starts = new if action in {Action.START, Action.REPLACE} else None
    return Effect(
        key=key,
        path=path,
        action=action,
        changes=changes,
        hours_limit=None if starts is None else _hours(starts),
        is_retained=_properties(old).get(Property.ON_DELETE) == OnDelete.RETAIN_JOB,
    )


def _properties(resource: Mapping[str, Json] | None) -> Mapping[str, Json]:
    properties: Mapping[str, Json] = (resource or {}).get("Properties", {})
    return properties


def _definition(resource: Mapping[str, Json] | None) -> dict[str, Json]:
    properties = _properties(resource)
    request = properties.get(Property.REQUEST, {})
    others = {
        name.value: properties[name] for name in _DEFINITION[1:] if properties.get(name) is not None
    }
    return {**_as_map(request), **others}


def _as_map(value: Json) -> Mapping[str, Json]:
    """Return a map of the template, which can be a JSON string if a key cannot be in a template."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {Property.REQUEST.value: value}
    return value if isinstance(value, Mapping) else {Property.REQUEST.value: value}


def _changes(before: Json, after: Json, path: str = "") -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            inner = f"{path}.{name}".lstrip(".")
            yield from _changes(before.get(name, _ABSENT), after.get(name, _ABSENT), inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changes(one, other, f"{path}[{index}]")
    elif not _are_equal(before, after):
        yield Change(path, _or_none(before), _or_none(after))


def _are_equal(before: Json, after: Json) -> bool:
    # CloudFormation sends every number as a string.
    return before == after or (
        before is not _ABSENT and after is not _ABSENT and _scalar(before) == _scalar(after)
    )


def _scalar(value: Json) -> Json:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _or_none(value: Json) -> Json:
    return None if value is _ABSENT else value


def _hours(resource: Mapping[str, Json]) -> float | None:
    request = restored("CreateJobRequest", _properties(resource).get(Property.REQUEST))
    if not isinstance(request, Mapping):
        return None
    count = request.get("instanceConfig", {}).get("instanceCount", 1)
    seconds = request.get("stoppingCondition", {}).get("maxRuntimeInSeconds")
    if not isinstance(count, int) or not isinstance(seconds, int | None):
        return None  # a token
    return hours_limit(seconds, count)
