"""Starting a job: once for each run, whatever fails between two steps."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from . import preconditions
from .cancel_job import Ending
from .errors import (
    ASSET_NOT_FOUND,
    Failure,
    Kind,
    LateEventFailure,
    OutOfTimeFailure,
    ServiceError,
    UnconfirmedCancelFailure,
)
from .find_job import Search
from .invocation import APPEARS_SECONDS, Handling, Outcome
from .job_record import JobRecord, Run
from .properties import Definition, Location, attributes_of, checkpoint_uri, render
from .retries import Record
from .tag_job import Tagging

CALL_SECONDS = 60.0
"""No call of CreateJob is under way for longer, and then a search tells of what it made: the
gateway's time-outs are half of it."""

_ANNOUNCED_SECONDS = 20.0  # a call that does not begin within it is announced again

ROLE_SECONDS = 120.0
"""How long a role that cannot be assumed yet is waited for: IAM is eventually consistent."""


class Starting:
    """Starts the job of a run.

    Args:
        handling: What all steps share.
        search: Finds what a lost call made.
        ending: Ends what must not go on running.
        accepted: Returns the ledger of a resource that is about to be answered.
    """

    def __init__(
        self,
        handling: Handling,
        search: Search,
        ending: Ending,
        accepted: Callable[[JobRecord, Definition], JobRecord],
    ) -> None:
        self._handling = handling
        self._event = handling.event
        self._calls = handling.calls
        self._gateway = handling.gateway
        self._search = search
        self._ending = ending
        self._tagging = Tagging(handling)
        self._accepted_now = accepted

    def start(self, definition: Definition, record: Record, run: Run) -> Outcome:
        """Start the job of a run, or find the one that an earlier try has started.

        Raises:
            Failure: There is no job, or it was cancelled.
        """
        try:
            arn = self._find_or_create(definition, record, run)
        except (OutOfTimeFailure, LateEventFailure):
            # Out of time, a call may have had its effect: the event that follows on FAILED looks
            # for the job. Late, the run is not ours to give up.
            raise
        except (Failure, ServiceError) as error:
            self._give_up(definition, record, run, error)
        self._handling.set_physical_id(arn)
        recorded = self._complete(definition, record, run, arn)
        try:
            job = self._calls.retry(lambda: self._gateway.get_job(arn), missing=APPEARS_SECONDS)
            self._tagging.retag(definition, record, job, recorded)
        except (Failure, ServiceError) as error:
            self._give_up(definition, record, run, error, arn)
        self._handling.log("started", arn, definition, run)
        return Outcome(arn, attributes_of(arn, render(definition.request, run.token)))

    def _find_or_create(self, definition: Definition, record: Record, run: Run) -> str:
        run = self._search.wait_for_call(record, definition.digest, run)
        if run.job is not None:
            return run.job
        self._refuse_missing(definition, run)
        for source, destination in definition.assets:
            self._copy(source, destination)
        self._copy_checkpoints(definition, run)
        return self._call_create(definition, record, run)

    def _refuse_missing(self, definition: Definition, run: Run) -> None:
        """Refuse what could not run, before anything is done for it."""
        if run.calling_until is not None:
            return  # a call was made: there may be a job, whatever is missing by now
        missing = preconditions.missing(self._calls, definition, self._handling.unchecked)
        if missing:
            raise Failure(f"No job was created. {'. '.join(missing)}.")

    def _copy(self, source: Location, destination: Location) -> None:
        self._calls.retry(lambda: self._gateway.copy_asset(source, destination))

    def _copy_checkpoints(self, definition: Definition, run: Run) -> None:
        source = definition.checkpoints_from
        if source is None:
            return
        below = replace(source, key=f"{source.key.strip('/')}/".lstrip("/"))
        rendered = render(definition.request, run.token)
        target = Location.parse(checkpoint_uri(rendered).rstrip("/") + "/")
        keys = self._calls.retry(lambda: list(self._gateway.list_keys(below)))
        for found in keys:
            inner = found.removeprefix(below.key)
            is_own = source.bucket == target.bucket and found.startswith(target.key)
            if inner and not is_own:
                self._copy_checkpoint(replace(below, key=found), target, inner)

    def _copy_checkpoint(self, source: Location, below: Location, inner: str) -> None:
        try:
            self._copy(source, replace(below, key=below.key + inner))
        except ServiceError as error:
            if error.code != ASSET_NOT_FOUND:  # a job that still runs may have removed it
                raise

    def _call_create(self, definition: Definition, record: Record, run: Run) -> str:
        request = {
            **render(definition.request, run.token),
            "clientToken": run.token,
            "tags": dict(run.tags),
        }
        began = self._calls.now()
        for attempt in itertools.count():
            announced = self._calls.now()
            last, run = run, self._announce_call(definition, record, run)
            found = run.job or self._search.find(last, definition.request)
            if found is not None:
                return found
            self._calls.check_time()
            if self._calls.now() - announced > _ANNOUNCED_SECONDS:
                continue  # frozen and thawed in between, or a slow write
            try:
                return self._gateway.create_job(request)
            except ServiceError as error:
                if not _may_pass(error, self._calls.now() - began):
                    return self._found_or_raise(error, definition, last)
                self._handling.log("retrying", None, definition, run, error=error)
                self._calls.pause(attempt, error)
        raise AssertionError("unreachable")

    def _found_or_raise(self, error: ServiceError, definition: Definition, run: Run) -> str:
        """Return the job that an earlier call made: it, too, may be why this one is refused."""
        was_called = error.kind is Kind.CONFLICT or run.calling_until is not None
        found = self._search.find(run, definition.request, called=was_called)
        if found is None:
            raise error
        return found

    def _announce_call(self, definition: Definition, record: Record, run: Run) -> Run:
        """Write ahead that CreateJob is about to be called, unless the wish is gone."""

        def announced(old: JobRecord) -> JobRecord:
            now = old.runs.get(definition.digest)
            if now is None or now.released or now.token != run.token:
                raise LateEventFailure(
                    "The resource was deleted while its job was created, so none was started."
                )
            if now.job is not None:
                return old
            until = self._calls.now() + CALL_SECONDS
            calling = replace(now, caller=self._handling.me, calling_until=until)
            return old.with_run(definition.digest, calling)

        return record.change(announced).runs[definition.digest]

    def _complete(self, definition: Definition, record: Record, run: Run, arn: str) -> Run:
        """Put the job on record, unless the resource was deleted meanwhile."""

        def completed(old: JobRecord) -> JobRecord:
            now = old.runs.get(definition.digest)
            if now is None or now.token != run.token:
                return old
            done = old.with_run(definition.digest, replace(now, job=arn))
            return done if now.released else self._accepted_now(done, definition)

        with self._calls.cleanup_time():  # the job exists: its name must get on record
            recorded = record.change(completed).runs.get(definition.digest)
            if recorded is None or recorded.token != run.token or recorded.released:
                self._ending.end(arn)
                raise LateEventFailure("The resource was deleted while its job was created.")
        return recorded

    def _give_up(
        self,
        definition: Definition,
        record: Record,
        run: Run,
        error: Failure | ServiceError,
        arn: str | None = None,
    ) -> NoReturn:
        """The creation failed: nothing of it goes on running, and its retries know."""
        reason = self._handling.reason(error, definition)
        with self._calls.cleanup_time():
            self._note_failure(definition, record, run, reason)
            self._handling.log("gave_up", arn, definition, run)
            raise Failure(f"{reason}{self._unconfirmed(arn)}") from error

    def _note_failure(self, definition: Definition, record: Record, run: Run, reason: str) -> None:
        def given_up(old: JobRecord) -> JobRecord:
            now = old.runs.get(definition.digest)
            if now is None or now.token != run.token or now.released:
                return old
            gone = replace(now.let_go(self._event.id), failure=reason)
            current = old.definition_of(self._event.physical_id)
            return replace(old.with_run(definition.digest, gone), current=current)

        try:
            record.change(given_up)
        except (Failure, ServiceError) as error:
            # The job is to be cancelled all the same; the event that follows notes it.
            self._handling.log("not_noted", None, definition, error=error)

    def _unconfirmed(self, arn: str | None) -> str:
        """End the job of a failed creation; say so if that could not be confirmed."""
        try:
            if arn is not None:
                self._ending.end(arn)
        except UnconfirmedCancelFailure as failure:
            return f" {failure}"
        return ""


def _may_pass(error: ServiceError, waited: float) -> bool:
    """Say whether CreateJob may succeed if it is called again."""
    if error.kind is Kind.TRANSIENT:
        return True
    refused = error.code in {"ValidationException", "AccessDeniedException"}
    is_about_role = refused and "assum" in error.message.lower()
    return is_about_role and waited < ROLE_SECONDS
