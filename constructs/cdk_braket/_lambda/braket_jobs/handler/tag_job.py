"""A job's tags: those that are asked for, and not those that were."""

from collections.abc import Mapping
from dataclasses import replace

from .. import contract
from .errors import Failure
from .gateway import Job
from .invocation import Invocation
from .job_record import JobRecord, Run
from .job_record_store import JobRecordStore
from .properties import JobProperties, read_tags


class Tagging:
    """Brings a job's tags in line with the definition."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._event = invocation.event
        self._calls = invocation.calls
        self._gateway = invocation.gateway

    def retag(
        self, definition: JobProperties, store: JobRecordStore | None, job: Job, run: Run | None
    ) -> None:
        """Set the tags that are asked for; remove those that this resource set and dropped."""
        wanted = definition.tags
        actual = job.tags or {}
        ours = set(run.tag_keys if run else ()) | set(self._old_tags())
        missing = {name: value for name, value in wanted.items() if actual.get(name) != value}
        surplus = tuple(sorted((ours & set(actual)) - set(wanted) - {contract.TOKEN_TAG}))
        if missing:
            self._calls.retry(lambda: self._gateway.tag_job(job.arn, missing))
        if surplus:
            self._calls.retry(lambda: self._gateway.untag_job(job.arn, surplus))
        if store is not None and run is not None and set(run.tag_keys) != set(wanted):
            store.change(lambda old: _with_tags(old, run.token, tuple(sorted(wanted))))
        if missing or surplus:
            self._invocation.log("retagged", job.arn, definition, run)

    def _old_tags(self) -> Mapping[str, str]:
        try:
            return read_tags(self._event.old_properties)
        except Failure:
            return {}


def _with_tags(old: JobRecord, token: str, keys: tuple[str, ...]) -> JobRecord:
    run = old.runs.get(token)
    return old if run is None else old.with_run(replace(run, tag_keys=keys))
