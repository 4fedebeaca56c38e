"""Replaying the state change of a job from before a rule existed.

A rule for the events of one job can be created only after the job's ARN is known. The job may have
ended by then. In that case the rule receives an event like the service's own, from a source
that no other rule matches.
"""

from ..contract import CATCH_UP_SOURCE, JOB_STATE_CHANGE, CatchUpProperty
from ..issue import Issue
from .errors import Failure, ServiceError
from .gateway import Job
from .invocation import Event, Outcome, RequestType
from .retries import Calls, Tools
from .run_events import text_of

SETTLES_SECONDS = 60.0
"""The time after its creation in which a rule may not match. It is documented as "a short time".

Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
"""


class CatchUp:
    """Handles one event of CloudFormation for a catch-up."""

    def __init__(self, event: Event, tools: Tools) -> None:
        self.physical_id = event.logical_id
        self._event = event
        self._calls = Calls(tools)
        self._log = tools.log

    def handle(self) -> Outcome:
        """Send the rule the job's state, unless the rule is being deleted.

        Raises:
            Failure: The event could not be sent.
        """
        if self._event.type is not RequestType.DELETE:
            job = self._job()
            if job is not None:
                self._put_event(job)
        return Outcome(self.physical_id, {})

    def replay_later(self) -> None:
        """Send the event again when the rule is sure to match, if the job has ended by then.

        The first one may have been too early. The rule may receive both.
        """
        if self._event.type is RequestType.DELETE:
            return
        self._calls.wait(SETTLES_SECONDS, "the rule may not match yet")
        job = self._job()
        if job is not None and job.has_ended:
            self._put_event(job)

    def _job(self) -> Job | None:
        arn = text_of(self._event.properties, CatchUpProperty.JOB_ARN)
        try:
            return self._calls.job_or_none(arn)
        except ServiceError as error:
            raise Failure(f"The job {arn} could not be looked up: {error}") from error

    def _put_event(self, job: Job) -> None:
        source = text_of(self._event.properties, CatchUpProperty.EVENT_SOURCE)
        if not source.startswith(CATCH_UP_SOURCE):
            raise Failure(
                Issue(
                    CatchUpProperty.EVENT_SOURCE,
                    f"expected a source that begins with {CATCH_UP_SOURCE}",
                )
            )
        detail = {"jobArn": job.arn, "status": job.status}
        put = self._calls.gateway.put_event
        try:
            self._calls.retry(lambda: put(source, JOB_STATE_CHANGE, detail, job.arn))
        except ServiceError as error:
            rule = f"The rule could not receive that the job {job.arn} is {job.status}: {error}"
            fix = (
                "The handler's role needs events:PutEvents: an environment of another app has "
                "allow_events() for it"
            )
            raise Failure(Issue("", rule, fix)) from error
        self._log("caught_up", {"jobArn": job.arn, "status": job.status})
