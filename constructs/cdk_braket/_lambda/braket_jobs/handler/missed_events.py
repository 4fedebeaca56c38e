"""Replaying the state change of a job from before a rule existed.

A rule for the events of one job can be created only once the job's ARN is known, and the job may
be over by then. In that case the rule receives an event like the service's own, from a source that
no other rule matches.
"""

import random

from ..contract import CATCH_UP_SOURCE, JOB_STATE_CHANGE, CatchUpProperty
from .errors import Failure, ServiceError
from .gateway import Gateway, Job
from .invocation import Event, Log, Outcome, RequestType
from .retries import Budget, Calls

SETTLES_SECONDS = 60.0
"""How long a rule may not match yet after it was made. The service says "a short time".

Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
"""


class CatchUp:
    """Handles one event of CloudFormation for a catch-up.

    Args:
        event: The event.
        gateway: Every call that leaves the process.
        budget: When to stop.
        log: Takes one line for each decision.
        rng: Random numbers for the pauses between retries.
    """

    def __init__(
        self, event: Event, gateway: Gateway, budget: Budget, log: Log, rng: random.Random
    ) -> None:
        self.physical_id = event.logical_id
        self._event = event
        self._gateway = gateway
        self._calls = Calls(gateway, budget, rng)
        self._log = log

    def handle(self) -> Outcome:
        """Tell the rule of the job's state, unless the rule is going away.

        Raises:
            Failure: That was not possible.
        """
        if self._event.type is not RequestType.DELETE:
            job = self._job()
            if job is not None:
                self._put_event(job)
        return Outcome(self.physical_id, {})

    def replay_later(self) -> None:
        """Once the rule is sure to match, tell it of a job that is over by then.

        What was told before may have been too early, so that the rule may be told twice.
        """
        if self._event.type is RequestType.DELETE:
            return
        try:
            self._calls.wait(SETTLES_SECONDS, "the rule may not match yet")
            job = self._job()
            if job is not None and job.is_over:
                self._put_event(job)
        except Failure as failure:
            self._log("not_caught_up", {"error": type(failure).__name__})

    def _job(self) -> Job | None:
        arn = self._property(CatchUpProperty.JOB_ARN)
        try:
            return self._calls.job_or_none(arn)
        except ServiceError as error:
            raise Failure(f"The job {arn} could not be looked up: {error}.") from error

    def _put_event(self, job: Job) -> None:
        source = self._property(CatchUpProperty.EVENT_SOURCE)
        if not source.startswith(CATCH_UP_SOURCE):
            raise Failure(f"EventSource must begin with {CATCH_UP_SOURCE}.")
        detail = {"jobArn": job.arn, "status": job.status}
        try:
            self._calls.retry(
                lambda: self._gateway.put_event(source, JOB_STATE_CHANGE, detail, job.arn)
            )
        except ServiceError as error:
            raise Failure(
                f"The rule could not be told that the job {job.arn} is {job.status}: {error}. "
                "The handler's role needs events:PutEvents: an environment of another app has "
                "allow_events() for it."
            ) from error
        self._log("caught_up", {"jobArn": job.arn, "status": job.status})

    def _property(self, name: CatchUpProperty) -> str:
        value = self._event.properties.get(name)
        if not isinstance(value, str) or not value:
            raise Failure(f"The property {name} is missing.")
        return value
