"""A Distributed Map in virtual time: a sweep's state machine, the handler, and Braket's quotas.

The retriers, the timeout and the concurrency are those of the state machine's definition. The
handler is the real one. Invocations that overlap in time are played one after the other, each at
its own time.
"""

import heapq
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cdk_braket._lambda.braket_jobs.contract import (
    SWEEP_POINT_TAG,
    PointMember,
    RunAction,
    RunProperty,
)
from cdk_braket._lambda.braket_jobs.handler import index
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError
from tests.unit.handler.worlds import RECORDS, Context, Killed, World, properties

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Sweep"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Sweep:1"
TEXTS = {k: str(v) for k, v in properties().items() if k != "ServiceToken"}
DEFINITION = {k: json.loads(v) if v.startswith("{") else v for k, v in TEXTS.items()}

# What an execution's history has. Source:
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
START_EVENTS, END_EVENTS = 2, 3  # ExecutionStarted, TaskStateEntered; TaskSucceeded and two more
ATTEMPT_EVENTS, SUBMITTED_EVENTS = 3, 1
TIMEOUT_EVENTS = 3

DOLLARS_PER_TRANSITION = 0.000025
"""Source: https://aws.amazon.com/step-functions/pricing/"""


@dataclass
class Braket:
    """The quotas of Amazon Braket.

    Attributes:
        slots: How many jobs run at once.
        rate: How many calls of CreateJob a second.
        burst: How many calls at once.
    """

    slots: int
    rate: float = 1.0
    burst: float = 5.0
    starts: list[float] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    _left: float = 5.0
    _at: float = 0.0
    _ends: list[float] = field(default_factory=list)

    def accept(self, world: World) -> None:
        """Accept a call of CreateJob.

        Raises:
            ServiceError: A quota is used up.
        """
        now = max(world.time, self._at)
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            self._refuse("ThrottlingException", Kind.TRANSIENT)
        self._left -= 1
        while self._ends and self._ends[0] <= world.time:
            heapq.heappop(self._ends)
        if len(self._ends) >= self.slots:
            self._refuse("ServiceQuotaExceededException", Kind.PERMANENT)
        heapq.heappush(self._ends, world.time + (world.job_takes or 0.0))
        self.starts.append(now)

    def _refuse(self, code: str, kind: Kind) -> None:
        self.refusals[code] += 1
        raise ServiceError("CreateJob", code, "not now", kind)


@dataclass
class Child:
    """The child execution of a point."""

    number: int
    began: float
    token: int = 0
    events: int = START_EVENTS
    retries: Counter[int] = field(default_factory=Counter)
    status: str = "RUNNING"


class Simulation:
    """Runs a sweep.

    Args:
        states: The definition of the state machine.
        points: How many points there are.
        braket: Braket's quotas.
        seed: The seed of all random numbers.
        job_seconds: The run time of a job.
        lost_events: The share of job events that are lost.
        kills: The share of invocations that are killed on the way.
    """

    def __init__(
        self,
        states: Mapping[str, Any],
        points: int,
        braket: Braket,
        *,
        seed: int = 1,
        job_seconds: float = 60.0,
        lost_events: float = 0.01,
        kills: float = 0.01,
    ) -> None:
        self.world = World(job_takes=job_seconds)
        self.braket = braket
        self.transitions = 2
        self.children: list[Child] = []
        self._map = states["States"]["Points"]
        self._run = self._map["ItemProcessor"]["States"]["Run"]
        self._points = points
        self._random = random.Random(seed)  # noqa: S311 - it guards nothing
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lost_events, self._kills = lost_events, kills
        self._calls_left = -1
        self._answered = 0
        self.world.before = self._before

    def run(self) -> None:
        """Run the sweep to its end."""
        for _ in range(min(self._map["MaxConcurrency"], self._points)):
            self._start_next(self.world.time)
        while self._queue:
            at, _, act = heapq.heappop(self._queue)
            self.world.time = at
            act()

    def _at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (time, next(self._order), act))

    def _start_next(self, time: float) -> None:
        if len(self.children) < self._points:
            child = Child(len(self.children), time)
            self.children.append(child)
            self.transitions += 1
            self._at(time, lambda: self._attempt(child))

    def _attempt(self, child: Child) -> None:
        """Run the state of a point once."""
        child.token += 1
        child.events += ATTEMPT_EVENTS
        token = f"{child.number}:{child.token}"
        began = self.world.time
        event: dict[str, object] = {
            RunProperty.ACTION: RunAction.RUN_POINT,
            RunProperty.POINT: {
                PointMember.EXECUTION: EXECUTION,
                PointMember.STATE_MACHINE: MACHINE,
                PointMember.INPUT: {},
                PointMember.INDEX: child.number,
                PointMember.PARAMETERS: {"theta": child.number},
            },
            RunProperty.CHILD: {
                "Id": f"{EXECUTION}/Points:{child.number}",
                "StartTime": datetime.fromtimestamp(child.began, UTC).isoformat(),
            },
            RunProperty.TASK_TOKEN: token,
            RunProperty.PROPERTIES: DEFINITION,
            RunProperty.TIMEOUT_SECONDS: self._run["Parameters"]["Payload"]["timeoutSeconds"],
        }
        known = len(self.world.jobs)
        error = self._invoked(event)
        if len(self.world.jobs) > known:
            self._announce_end(list(self.world.jobs.values())[-1].arn)
        if error is not None:
            self._failed(child, error)
            return
        child.events += SUBMITTED_EVENTS
        timeout = began + self._run["TimeoutSeconds"]
        self._at(timeout, lambda: self._timed_out(child, child_token))
        child_token = child.token
        self._pass_answers()

    def _invoked(self, event: Mapping[str, object]) -> str | None:
        """Invoke the handler; return the name of the error that Step Functions sees."""
        self._calls_left = self._random.randrange(25) if self._random.random() < self._kills else -1
        try:
            index.run_for(event, Context(self.world), self.world, self._random)
        except Killed:
            return "Runtime.ExitError"
        except Exception as error:  # noqa: BLE001 - its name is the state's error
            return type(error).__name__
        finally:
            self._calls_left = -1
        return None

    def _before(self, name: str, _number: int) -> None:
        if self._calls_left == 0:
            raise Killed
        self._calls_left -= 1
        if name == "create_job":
            self.braket.accept(self.world)

    def _failed(self, child: Child, error: str) -> None:
        for number, retrier in enumerate(self._run["Retry"]):
            if error in retrier["ErrorEquals"]:
                count = child.retries[number]
                if count >= retrier["MaxAttempts"]:
                    break
                child.retries[number] += 1
                longest = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** min(count, 30)
                delay = self._random.uniform(0, min(longest, retrier["MaxDelaySeconds"]))
                self.transitions += 1
                self._at(self.world.time + delay, lambda: self._attempt(child))
                return
        self._end(child, error)

    def _timed_out(self, child: Child, token: int) -> None:
        if child.status == "RUNNING" and child.token == token:
            child.events += TIMEOUT_EVENTS
            child.retries.clear()
            self.transitions += 1
            self._attempt(child)

    def _announce_end(self, arn: str) -> None:
        """Have the service put the event of a job's end."""
        ends = self.world.jobs[arn].ends_at or 0.0
        if self._random.random() >= self._lost_events:
            self._at(ends + 1, lambda: self._job_ended(arn))

    def _job_ended(self, arn: str) -> None:
        event: dict[str, object] = {
            RunProperty.ACTION: RunAction.JOB_ENDED,
            RunProperty.RECORDS: RECORDS,
            RunProperty.JOB_ARN: arn,
        }
        self._invoked(event)
        self._pass_answers()

    def _pass_answers(self) -> None:
        """Pass the tokens that the handler returned to the states that wait."""
        for token, result, _ in self.world.tasks[self._answered :]:
            number, attempt = map(int, token.split(":"))
            child = self.children[number]
            if child.token == attempt and child.status == "RUNNING":
                self._end(child, "SUCCEEDED" if result == "SUCCESS" else result)
        self._answered = len(self.world.tasks)

    def _end(self, child: Child, status: str) -> None:
        child.status = status
        child.events += END_EVENTS
        self._start_next(self.world.time)

    # --- What tests ask. ---

    def statuses(self) -> Counter[str]:
        """How the children have ended."""
        return Counter(child.status for child in self.children)

    def jobs_of_points(self) -> Counter[str]:
        """How many jobs each point has."""
        return Counter(job.tags[SWEEP_POINT_TAG] for job in self.world.jobs.values())

    def dollars(self) -> float:
        """The price of the state machine."""
        return self.transitions * DOLLARS_PER_TRANSITION
