"""A job's tags: those that the definition has, and none that it had before."""

from dataclasses import replace

from .. import contract
from .gateway import Job
from .invocation import Invocation
from .job_record import JobRecord, Run
from .properties import JobProperties, old_tags


def retag(
    invocation: Invocation,
    definition: JobProperties,
    job: Job,
    run: Run | None,
) -> None:
    """Set the definition's tags; remove those that this resource set and dropped."""
    calls = invocation.calls
    wanted = {k: v for k, v in definition.tags.items() if k != contract.TOKEN_TAG}
    actual = job.tags or {}
    ours = set(run.tag_keys if run else ()) | set(old_tags(invocation.event.old_properties))
    missing = {name: value for name, value in wanted.items() if actual.get(name) != value}
    surplus = tuple(sorted((ours & set(actual)) - set(wanted) - {contract.TOKEN_TAG}))
    if missing:
        calls.retry(lambda: calls.gateway.tag_job(job.arn, missing))
    if surplus:
        calls.retry(lambda: calls.gateway.untag_job(job.arn, surplus))
    if run is not None and set(run.tag_keys) != set(wanted):
        invocation.store().change(lambda old: _with_tags(old, run.token, tuple(sorted(wanted))))
    if missing or surplus:
        invocation.log("retagged", job.arn, definition, run)


def _with_tags(old: JobRecord, token: str, keys: tuple[str, ...]) -> JobRecord:
    run = old.runs.get(token)
    return old if run is None else old.with_run(replace(run, tag_keys=keys))
