"""Creating the job of a run: exactly once, even if a step fails."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from ..contract import TOKEN_TAG
from . import preconditions
from .cancel_job import Cancellation
from .errors import (
    ASSET_NOT_FOUND,
    DeferredFailure,
    Failure,
    Kind,
    LateEventFailure,
    OutOfTimeFailure,
    ServiceError,
    UnconfirmedCancelFailure,
    explain,
    hyperparameter_values,
    redacted,
)
from .find_job import find, is_with_another, wait_for_call
from .invocation import APPEARS_SECONDS, POLL_SECONDS, Invocation
from .job_record import LET_GO, JobRecord, Run, Step
from .properties import JobProperties, Location, checkpoint_uri, render
from .tag_job import retag

CALL_SECONDS = 60.0
"""The time for which an announced call of CreateJob excludes those of other invocations."""

ANNOUNCED_SECONDS = 20.0
"""A call that does not begin within this time is announced again. The rest of CALL_SECONDS is
longer than the timeouts of the gateway."""

ROLE_SECONDS = 120.0
"""The time for which a role that cannot be assumed yet is retried: IAM is eventually consistent."""

_RECORD_SECONDS = 20.0
"""Seconds to record or cancel a new job, even if the time has ended."""

Accept = Callable[[JobRecord, Run], JobRecord]
"""Returns the record of a resource before the response with a run's job."""


class Creation:
    """Creates the job of a run.

    Args:
        invocation: The parts that all steps share.
        definition: The definition of the run.
        cancellation: Cancels a job that must not keep running.
        accept: Marks the run as returned.
    """

    def __init__(
        self,
        invocation: Invocation,
        definition: JobProperties,
        cancellation: Cancellation,
        accept: Accept,
    ) -> None:
        self._invocation = invocation
        self._definition = definition
        self._store = invocation.store()
        self._calls = invocation.calls
        self._gateway = invocation.gateway
        self._cancellation = cancellation
        self._accept = accept
        self._claimed_at = 0.0

    def create(self, run: Run) -> str:
        """Return the job of a run: a new one, or the one of an earlier attempt.

        Raises:
            Failure: There is no job, or it was cancelled.
        """
        try:
            arn = self._find_or_create(run)
        except (DeferredFailure, OutOfTimeFailure, LateEventFailure):
            # Deferred: the same event comes again. Out of time: a call may have had an effect, and
            # the event after FAILED searches for the job. Late: the run belongs to another event.
            raise
        except (Failure, ServiceError) as error:
            self._give_up(run, error)
        recorded = self._record(run, arn)
        arn = recorded.job or arn
        if dict(self._definition.tags) != {k: v for k, v in run.tags.items() if k != TOKEN_TAG}:
            self._retag(recorded, arn)
        self._invocation.log("started", arn, self._definition, run)
        return arn

    def _retag(self, run: Run, arn: str) -> None:
        """Set the tags of an event that requested other tags than the call of CreateJob had."""
        try:
            # It exists, because CreateJob returned it, even if GetJob does not find it yet.
            job = self._calls.job_or_none(arn, APPEARS_SECONDS)
            if job is not None:
                retag(self._invocation, self._definition, job, run)
        except (Failure, ServiceError) as error:
            self._give_up(run, error)

    def _find_or_create(self, run: Run) -> str:
        run = wait_for_call(self._invocation, run)
        if run.job is not None:
            return run.job
        self._prepare(run)
        return self._call(run)

    def _prepare(self, run: Run) -> None:
        """Check the account, and copy the objects that the job reads."""
        if not run.was_called:  # else there may already be a job
            missing = preconditions.missing(
                self._calls, self._definition, self._invocation.unchecked
            )
            if missing:
                raise Failure("No job was created", *missing)
        for source, destination in self._definition.assets:
            self._copy(source, destination)
        self._copy_checkpoints(run)

    # --- Assets and checkpoints. ---

    def _copy(self, source: Location, destination: Location) -> None:
        encryption = self._definition.encryption.get(destination.bucket)
        self._calls.retry(lambda: self._gateway.copy_asset(source, destination, encryption))

    def _copy_checkpoints(self, run: Run) -> None:
        source = self._definition.checkpoints_from
        if source is None:
            return
        below = replace(source, key=f"{source.key.strip('/')}/".lstrip("/"))
        rendered = render(self._definition.request, run.token)
        target = Location.parse(checkpoint_uri(rendered).rstrip("/") + "/")
        keys = list(self._calls.pages(lambda token: self._gateway.list_keys(below, token)))
        for found in keys:
            inner = found.removeprefix(below.key)
            is_own = source.bucket == target.bucket and found.startswith(target.key)
            if inner and not is_own:
                destination = replace(target, key=target.key + inner)
                try:
                    self._copy(replace(below, key=found), destination)
                except ServiceError as error:
                    if error.code != ASSET_NOT_FOUND:  # a job that still runs may have removed it
                        raise

    # --- The call. ---

    def _call(self, run: Run) -> str:
        """Call CreateJob while no other invocation can, and only if there is no job yet."""
        request = {
            **render(self._definition.request, run.token),
            "clientToken": run.token,
            "tags": dict(run.tags),
        }
        began = self._calls.now()
        is_unclear = False  # whether a call may have created a job that no search has looked for
        was_unclear = False
        attempt = 0
        while True:
            before = self._claim(run)
            if before.job is not None:
                return before.job
            is_unclear |= before.was_called and before.caller != self._invocation.me
            was_unclear |= is_unclear
            if is_unclear:
                found = self._found(run)
                if found is not None:
                    return found
                is_unclear = False
            self._calls.check_time()
            if self._calls.now() - self._claimed_at > ANNOUNCED_SECONDS:
                continue  # a slow search or write, or a frozen process
            try:
                return self._calls.jobs.create_job(request)
            except ServiceError as error:
                self._defer(run, error, is_clear=not was_unclear)
                # It, or an earlier call, may still have created the job.
                if not self._may_pass(error, began):
                    may_exist = error.kind is Kind.CONFLICT or before.was_called
                    found = self._found(run) if may_exist else None
                    if found is not None:
                        return found
                    raise
                is_unclear = True
                self._invocation.log("retrying", None, self._definition, run, error=error)
                self._calls.pause(attempt, error)
                attempt += 1

    def _defer(
        self,
        run: Run,
        error: ServiceError,
        *,
        is_clear: bool,
    ) -> None:
        """Let the sender of the event repeat a call that the service refuses for now, if it can.

        Args:
            run: The run.
            error: The refusal.
            is_clear: Whether no earlier call can have had an effect. Otherwise the next event
                searches once more.

        Raises:
            DeferredFailure: The sender repeats the event.
        """
        if not self._invocation.event.is_point or not error.is_refusal_for_now:
            return
        if is_clear:
            self._withdraw(run)
        self._invocation.log("deferred", None, self._definition, run, error=error)
        reason = self._reason(error)
        raise DeferredFailure(reason, is_quota=error.is_quota) from error

    def _withdraw(self, run: Run) -> None:
        """Record that no call of CreateJob had an effect."""

        def withdrawn(old: JobRecord) -> JobRecord:
            found = old.runs.get(run.token)
            if found is None or found.caller != self._invocation.me:
                return old
            return old.with_run(found.after(Step.WITHDRAW, caller=None, calling_until=None))

        # Otherwise the next event waits for the end of the announced call, and searches.
        self._invocation.note(withdrawn)

    def _found(self, run: Run) -> str | None:
        """Search for the job, and prevent calls of other invocations meanwhile."""

        def keep_claim() -> None:
            if self._calls.now() - self._claimed_at > ANNOUNCED_SECONDS:
                self._claim(run)

        return next(iter(find(self._invocation, run, self._definition.request, keep_claim)), None)

    def _claim(self, run: Run) -> Run:
        """Record a call of CreateJob in advance, once no other invocation may be calling it.

        Returns:
            The previous run; with its job if that is known by now.

        Raises:
            LateEventFailure: No resource needs the job any more.
        """
        before, is_claimed = run, False

        def claimed(old: JobRecord) -> JobRecord:
            nonlocal before, is_claimed
            found = old.runs.get(run.token)
            if found is None or found.state in LET_GO:
                raise LateEventFailure(
                    "The resource was deleted while its job was created, so none was started."
                )
            before = found
            is_claimed = found.job is not None or not is_with_another(self._invocation, found)
            if found.job is not None or not is_claimed:
                return old
            self._invocation.may_exist = True
            self._claimed_at = self._calls.now()
            until = self._claimed_at + CALL_SECONDS
            me = self._invocation.me
            return old.with_run(found.after(Step.ANNOUNCE, caller=me, calling_until=until))

        while True:
            self._store.change(claimed)
            if is_claimed:
                return before
            self._calls.wait(POLL_SECONDS, "another invocation is creating the job")

    def _may_pass(self, error: ServiceError, began: float) -> bool:
        """Return whether CreateJob may succeed if it is called again."""
        if self._calls.may_pass(error):
            return True
        is_about_role = error.code == "ValidationException" and "assum" in error.message.lower()
        return is_about_role and self._calls.now() - began < ROLE_SECONDS

    # --- After the call. ---

    def _record(self, run: Run, arn: str) -> Run:
        """Record the job; cancel it if no resource needs it, or another call was faster."""

        def started(old: JobRecord) -> JobRecord:
            found = old.runs.get(run.token)
            if found is None or found.job not in {None, arn}:
                return old
            found = found.after(Step.START, job=arn)
            new = old.with_run(found)
            return new if found.state in LET_GO else self._accept(new, found)

        with self._calls.cleanup_time(_RECORD_SECONDS):
            try:
                record = self._store.change(started)
            except (Failure, ServiceError):
                # Without its name in the record, the job could be lost.
                self._cancellation.end(arn, self._calls.now())
                raise
            recorded = record.runs.get(run.token)
            if recorded is None or recorded.job != arn:
                self._cancellation.end(arn, self._calls.now())
            if recorded is None or recorded.state in LET_GO:
                self._cancellation.end_released(record)
                raise LateEventFailure("The resource was deleted while its job was created.")
        return recorded

    def _give_up(
        self,
        run: Run,
        error: Failure | ServiceError,
    ) -> NoReturn:
        """End a failed creation: its job is cancelled, and its retries fail as well."""
        reason = self._reason(error)
        with self._calls.cleanup_time():
            self._note_failure(run, reason)
            self._invocation.log("gave_up", run.job, self._definition, run)
            raise Failure(f"{reason}{self._unconfirmed(run)}") from error

    def _reason(self, error: Failure | ServiceError) -> str:
        """Return the reason for the user, with the fix."""
        if isinstance(error, ServiceError):
            return str(explain(error, self._definition.request, self._gateway.region))
        # It may quote a service.
        return redacted(str(error), hyperparameter_values(self._definition.request))

    def _note_failure(self, run: Run, reason: str) -> None:
        physical_id = self._invocation.event.physical_id

        def given_up(old: JobRecord) -> JobRecord:
            found = old.runs.get(run.token)
            if found is None or found.state in LET_GO:
                return old
            held = old.run_of(physical_id)
            new = old.with_run(found.after(Step.RELEASE, failure=reason))
            return replace(new, current=held.token if held else None)

        if self._invocation.note(given_up) and run.job is not None:
            self._invocation.failed_job = run.job

    def _unconfirmed(self, run: Run) -> str:
        """Cancel the job of a failed creation; return a note if that could not be confirmed."""
        try:
            if run.job is not None:
                self._cancellation.end(run.job, self._calls.now())
        except UnconfirmedCancelFailure as failure:
            return f" {failure}"
        return ""
