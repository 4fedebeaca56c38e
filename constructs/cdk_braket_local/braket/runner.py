"""Runs jobs: a limited number in parallel, the rest in the order of their creation."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.api.service_rules import s3_uris
from cdk_braket_local import files, processes
from cdk_braket_local.braket.environments import uv_variables
from cdk_braket_local.braket.job import Job, Status, now
from cdk_braket_local.braket.objects import Place
from cdk_braket_local.braket.plan import Plan
from cdk_braket_local.braket.platform import Credentials, Platform, RoleNotAssumableError

# The time for a stopped job to store its last checkpoints and results before it is killed.
STOP_SECONDS = 60.0
# The time for a container to kill its processes.
KILL_SECONDS = 5.0

# The limits of a container's line that is read, and of its errors that are shown.
_LONGEST_LINE = 2**20
_MOST_ERRORS = 2**16

_logger = logging.getLogger(__name__)

Changed = Callable[[Job], None]


@dataclass(slots=True)
class _Run:
    """A running job, or one that is about to run.

    Attributes:
        job: The job.
        process: Its container.
        stopping: The state and the reason that a stopped job will have.
        outcome: The last message of its container.
        limit: Stops it when its script exceeds the maximum run time.
    """

    job: Job
    process: subprocess.Popen[str] | None = None
    stopping: tuple[Status, str | None] | None = None
    outcome: Mapping[str, object] | None = field(default=None)
    limit: threading.Timer | None = None


class Runner:
    """Runs the jobs of a service.

    Args:
        platform: The local AWS.
        workspaces: The parent of the jobs' folders. A job's folder is removed when the job ends.
        concurrent_jobs: The number of jobs that run in parallel.
        lock: Guards all jobs.
        changed: Called, without the lock, when a job's state has changed.
    """

    def __init__(
        self,
        platform: Platform,
        workspaces: Path,
        concurrent_jobs: int,
        lock: threading.RLock,
        changed: Changed,
    ) -> None:
        self._platform = platform
        self._workspaces = workspaces
        self._concurrent_jobs = concurrent_jobs
        self._lock = lock
        self._changed = changed
        self._queue: deque[Job] = deque()
        self._runs: dict[str, _Run] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, job: Job) -> None:
        """Queue a job; it runs as soon as there is a free place."""
        with self._lock:
            self._queue.append(job)
        self._fill()

    def position(self, job: Job) -> int | None:
        """Return a job's place in the queue of its device, from 1, or None if it is in none."""
        with self._lock:
            queue = [each for each in self._queue if each.device == job.device]
            return queue.index(job) + 1 if job in queue else None

    def cancel(self, job: Job) -> bool:
        """Cancel a job: at once in the queue, else as soon as its script has ended.

        Returns:
            False if the job has ended already.
        """
        with self._lock:
            if job.has_ended:
                return False
            if job.status is Status.CANCELLING:
                return True
            run = self._runs.get(job.arn)
            if run is None:
                self._queue.remove(job)
                job.happened("CANCELLED", "The job was cancelled.")
                job.ended(Status.CANCELLED)
            else:
                job.status = Status.CANCELLING
                # Now, not when the container is stopped: it may end by itself before.
                run.stopping = run.stopping or (Status.CANCELLED, None)
        self._changed(job)
        if run is not None:
            self._stop(run, Status.CANCELLED, None)
        return True

    def close(self) -> None:
        """End all jobs and wait until they are gone."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            runs = list(self._runs.values())
        for run in runs:
            self._kill(run)
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    # --- One thread a job. ---

    def _fill(self) -> None:
        with self._lock:
            while self._queue and len(self._runs) < self._concurrent_jobs and not self._closed:
                job = self._next()
                if job is None:
                    return
                self._queue.remove(job)
                run = self._runs[job.arn] = _Run(job)
                thread = threading.Thread(target=self._run, args=(run,), daemon=True)
                self._threads = [t for t in self._threads if t.is_alive()] + [thread]
                thread.start()

    def _next(self) -> Job | None:
        """Return the first job whose device is free. A quantum device serves one job at a time.

        Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs-works.html
        """
        busy = {run.job.device for run in self._runs.values()}
        free = (job for job in self._queue if not (job.has_quantum_device and job.device in busy))
        return next(free, None)

    def _run(self, run: _Run) -> None:
        job = run.job
        workspace = self._workspaces / job.id
        try:
            self._start(run)
            status, reason = self._run_container(run, workspace)
        except (OSError, RoleNotAssumableError) as error:
            status, reason = Status.FAILED, str(error)
        except Exception:
            _logger.exception("the job %s could not be run", job.arn)
            status, reason = Status.FAILED, "InternalServiceException: the job could not be run"
        finally:
            _remove(workspace)
        with self._lock:
            status, reason = run.stopping or (status, reason)
            job.happened(status.value, reason or f"The job is {status.value}.")
            job.ended(status, reason)
            del self._runs[job.arn]
        self._changed(job)
        self._fill()

    def _start(self, run: _Run) -> None:
        job = run.job
        with self._lock:
            if job.status is Status.QUEUED:
                job.status = Status.RUNNING
            job.started_at = now()
            job.happened("STARTING_INSTANCE", "The job's instance starts.")
        self._changed(job)

    def _run_container(self, run: _Run, workspace: Path) -> tuple[Status, str | None]:
        workspace.mkdir(mode=0o700, parents=True)
        job = run.job
        if problem := self._bucket_problem(job):
            return Status.FAILED, problem
        credentials = self._platform.role_session(
            str(job.request["roleArn"]), f"braket-{job.id}", job.arn
        )
        try:
            return self._run_process(run, self._plan(job, workspace, credentials))
        finally:
            # From here on, remaining processes of the job have no permissions.
            self._platform.end_session(credentials)

    def _bucket_problem(self, job: Job) -> str | None:
        """Return why a job fails before its script runs: its buckets must be in its region."""
        for bucket in sorted({Place.parse(uri).bucket for uri in s3_uris(job.request).values()}):
            region = self._platform.bucket_region(job.caller, bucket)
            if region not in {None, job.caller.region}:
                return (
                    f"ClientError: the bucket {bucket} is in {region}, and the job is in "
                    f"{job.caller.region}: a job uses buckets of its region only"
                )
        return None

    def _run_process(self, run: _Run, plan: Plan) -> tuple[Status, str | None]:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cdk_braket_local.braket.container"],
                cwd=plan.workspace,
                env=environment(plan.workspace),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                # As in AWS's containers; no other user can access the workspace.
                umask=0o022,
            )
            try:
                return self._accompany(run, process, plan)
            finally:
                if run.limit:
                    run.limit.cancel()
                run.process = process  # even if it never receives its plan
                self._kill(run)
                # The output of a container that was killed by its script.
                processes.kill_marked(plan.workspace, KILL_SECONDS)
                errors.seek(0)
                if text := errors.read(_MOST_ERRORS):
                    _logger.warning("the container of %s wrote: %s", run.job.arn, text)

    def _plan(self, job: Job, workspace: Path, credentials: Credentials) -> Plan:
        return Plan(
            job_name=job.name,
            job_id=job.id,
            request={name: part for name, part in job.request.items() if name != "tags"},
            workspace=workspace,
            endpoint_url=self._platform.endpoint_url,
            region=job.caller.region,
            credentials=credentials,
            environments=self._workspaces.parent / "environments",
            uv_variables=uv_variables(os.environ),
        )

    def _limit(self, run: _Run) -> None:
        condition = run.job.request.get("stoppingCondition")
        seconds = condition.get("maxRuntimeInSeconds") if isinstance(condition, Mapping) else None
        if run.limit or not isinstance(seconds, int):
            return
        run.limit = threading.Timer(seconds, self._exceeded, [run, seconds])
        run.limit.daemon = True
        run.limit.start()

    def _exceeded(self, run: _Run, seconds: int) -> None:
        reason = f"The job ran longer than its maximum run time of {seconds} s"
        with self._lock:
            if run.stopping is None:
                run.job.happened("MAX_RUNTIME_EXCEEDED", reason)
        self._stop(run, Status.FAILED, reason)

    def _accompany(
        self, run: _Run, process: subprocess.Popen[str], plan: Plan
    ) -> tuple[Status, str | None]:
        """Send the container its plan, and read its messages until it ends."""
        if process.stdin is None or process.stdout is None:
            raise OSError("the container has no pipes")
        process.stdin.write(plan.to_json() + "\n")
        process.stdin.flush()
        with self._lock:
            run.process = process
            stopping = run.stopping
        if stopping:
            self._stop(run, *stopping)
        with process.stdout:
            for message in _messages(process.stdout):
                self._on_message(run, message)
        process.wait()
        if run.outcome is None:
            return Status.FAILED, "InternalServiceException: the job's container was lost"
        failure = run.outcome["failure"]
        if failure is None:
            return Status.COMPLETED, None
        return Status.FAILED, str(failure)

    def _on_message(self, run: _Run, message: Mapping[str, object]) -> None:
        with self._lock:
            event = message.get("event")
            if isinstance(event, str) and event in _EVENT_TYPES:
                run.job.happened(event, f"The job is at {event}.")
            outcome = message.get("outcome")
            if isinstance(outcome, Mapping) and "failure" in outcome:
                run.outcome = outcome
        if isinstance(note := message.get("note"), str):
            _logger.warning("the container of %s: %s", run.job.arn, note)
        if event == _SCRIPT_BEGINS:
            self._limit(run)
        elif event == _SCRIPT_ENDS and run.limit:
            run.limit.cancel()

    def _stop(self, run: _Run, status: Status, reason: str | None) -> None:
        """Stop a job's script, so that it can store its results; kill it after a timeout."""
        with self._lock:
            run.stopping = run.stopping or (status, reason)
            process = run.process
        if process is None or process.stdin is None:
            return  # it is stopped when it has started
        with suppress(OSError, ValueError):
            process.stdin.write("stop\n")
            process.stdin.flush()
            # Its script may have halted it.
            process.send_signal(signal.SIGCONT)
        killer = threading.Timer(STOP_SECONDS, self._kill, [run])
        killer.daemon = True
        killer.start()

    def _kill(self, run: _Run) -> None:
        """Kill all remaining processes of a job."""
        process = run.process
        if process is None or process.stdin is None:
            return
        # At the end of its input, the container kills all processes that it started, and itself.
        with suppress(OSError, ValueError):
            process.stdin.close()
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            processes.kill_descendants(process.pid, KILL_SECONDS)
            process.kill()


# A job's maximum run time counts between these two. The download of its data and the upload of its
# results and log do not count.
_SCRIPT_BEGINS = "RUNNING"
_SCRIPT_ENDS = "UPLOADING_RESULTS"

_EVENT_TYPES = frozenset(
    model_rules.enum_values(model_rules.shape_of("JobEventDetails", "eventType"))
)


def _remove(workspace: Path) -> None:
    """Remove a job's folder with everything that its script has left in it."""
    try:
        files.remove(workspace)
    except files.FolderError as error:
        _logger.warning("%s", error)


def _messages(output: IO[str]) -> Iterator[Mapping[str, object]]:
    """Yield the messages of a container, without other output that its script may have written."""
    while line := output.readline(_LONGEST_LINE):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, Mapping):
            yield said


def environment(workspace: Path) -> dict[str, str]:
    """Return the container's environment, without the server's variables, such as its keys."""
    own = {"PATH": os.defpath, "HOME": str(workspace), "LANG": "C.UTF-8"}
    return own | processes.mark(workspace)
