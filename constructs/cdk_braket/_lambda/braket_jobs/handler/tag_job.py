"""A job's tags: those that are asked for, and not those that were."""

from collections.abc import Mapping
from dataclasses import replace

from .. import contract
from .errors import Failure
from .invocation import Handling
from .job_record import JobRecord, Run
from .properties import Definition, read_tags
from .retries import Job, Record


class Tagging:
    """Brings a job's tags in line."""

    def __init__(self, handling: Handling) -> None:
        self._handling = handling
        self._event = handling.event
        self._calls = handling.calls
        self._gateway = handling.gateway

    def retag(self, definition: Definition, record: Record, job: Job, run: Run | None) -> None:
        """Set what is asked for, and take off what this resource set and no longer asks for."""
        wanted = definition.tags
        actual = job.tags or {}
        ours = set(run.tag_keys if run else ()) | set(self._old_tags())
        missing = {name: value for name, value in wanted.items() if actual.get(name) != value}
        surplus = tuple(sorted((ours & set(actual)) - set(wanted) - {contract.TOKEN_TAG}))
        if missing:
            self._calls.retry(lambda: self._gateway.tag_job(job.arn, missing))
        if surplus:
            self._calls.retry(lambda: self._gateway.untag_job(job.arn, surplus))
        if run is not None and set(run.tag_keys) != set(wanted):
            record.change(lambda old: _with_tags(old, definition))
        if missing or surplus:
            self._handling.log("retagged", job.arn, definition, run)

    def _old_tags(self) -> Mapping[str, str]:
        try:
            return read_tags(self._event.old_properties)
        except Failure:
            return {}


def _with_tags(old: JobRecord, definition: Definition) -> JobRecord:
    run = old.runs.get(definition.digest)
    if run is None:
        return old
    return old.with_run(definition.digest, replace(run, tag_keys=tuple(sorted(definition.tags))))
