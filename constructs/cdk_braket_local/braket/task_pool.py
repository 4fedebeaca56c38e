"""Runs quantum tasks: some side by side, each in a process that lives on, the rest in a queue."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from cdk_braket_local import processes
from cdk_braket_local.braket.devices import Device
from cdk_braket_local.braket.platform import Platform, RoleNotAssumableError
from cdk_braket_local.braket.runner import environment
from cdk_braket_local.braket.tasks import RESULTS_FILE, Task, TaskStatus

_END_SECONDS = 5.0
# A task uses one processor, and its neighbors the others.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

_logger = logging.getLogger(__name__)

Changed = Callable[[Task], None]


class WorkerLostError(Exception):
    """A worker process ended before it had answered."""


class Worker:
    """A process that carries one order out after the other.

    Args:
        folder: The folder that it runs in and is marked with.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cdk_braket_local.braket.task_worker"],
            cwd=folder,
            env=environment(folder) | _ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can accept an order."""
        return self._process.poll() is None

    def answer(self, order: Mapping[str, object]) -> Mapping[str, object]:
        """Have an order carried out.

        Raises:
            WorkerLostError: The process ended before.
        """
        given, taken = self._process.stdin, self._process.stdout
        assert given is not None  # noqa: S101 - it was asked for
        assert taken is not None  # noqa: S101 - it was asked for
        try:
            given.write(json.dumps(order) + "\n")
            given.flush()
            line = taken.readline()
        except (OSError, ValueError) as error:
            self.kill()
            raise WorkerLostError from error
        if not line.endswith("\n"):
            code = self._process.wait()
            raise WorkerLostError(f"the simulator's process ended with exit code {code}")
        answer = json.loads(line)
        return answer if isinstance(answer, Mapping) else {}

    def kill(self) -> None:
        """End it, even while it computes."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)


class TaskPool:
    """Runs the quantum tasks of a service.

    Args:
        platform: The local AWS.
        folder: A folder for the worker processes.
        lock: Guards all tasks.
        changed: Called, without the lock, when a task's state has changed.
    """

    def __init__(
        self, platform: Platform, folder: Path, lock: threading.RLock, changed: Changed
    ) -> None:
        self._platform = platform
        self._folder = folder
        self._changed = changed
        self._lock = lock
        self._queue: deque[Task] = deque()
        self._running: dict[str, Worker | None] = {}
        self._free: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._description_lock = threading.Lock()
        self._capabilities: dict[str, str] = {}
        self.size = os.cpu_count() or 1

    def submit(self, task: Task) -> None:
        """Queue a task; it runs as soon as a process is free."""
        with self._lock:
            if task.is_final:
                return
            task.status = TaskStatus.QUEUED
        # Before it can run: its states are published in their order.
        self._changed(task)
        with self._lock:
            if task.is_final:
                return
            self._queue.append(task)
        self._fill()

    def position(self, task: Task) -> int | None:
        """Return a task's place among the queued tasks of its priority, from 1, or None."""
        with self._lock:
            same = [each for each in self._queue if each.priority == task.priority]
            return same.index(task) + 1 if task in same else None

    def queued(self, device: Device, priority: str) -> int:
        """Return how many tasks of a priority wait for a device."""
        with self._lock:
            return sum(each.device is device and each.priority == priority for each in self._queue)

    def cancel(self, task: Task) -> bool:
        """Cancel a task: at once in the queue, else as soon as its process has ended.

        Returns:
            False when the task is in a final state already.
        """
        with self._lock:
            if task.is_final:
                return False
            if task.status is TaskStatus.CANCELLING:
                return True
            is_running = task.arn in self._running
            worker = self._running.get(task.arn)
            if is_running:
                task.status = TaskStatus.CANCELLING
            else:
                with suppress(ValueError):
                    self._queue.remove(task)
                task.ended(TaskStatus.CANCELLED)
        self._changed(task)
        if worker is not None:
            worker.kill()
        return True

    def capabilities(self, device: Device) -> str:
        """Return the capabilities of a device as JSON in its schema; computed once.

        Raises:
            WorkerLostError: They could not be computed; the message is the reason.
        """
        with self._description_lock:
            known = self._capabilities.get(device.arn)
            if known is None:
                known = self._capabilities[device.arn] = self._described(device)
            return known

    def close(self) -> None:
        """End all tasks and processes."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            threads = list(self._threads)
        processes.kill_marked(self._folder, _END_SECONDS)
        for thread in threads:
            thread.join(_END_SECONDS)

    def _described(self, device: Device) -> str:
        worker = self._borrowed()
        try:
            answer = worker.answer(
                {
                    "order": "describe",
                    "simulator": device.simulator,
                    "schema": device.schema,
                    "qubits": device.qubits,
                    "shots": device.shots,
                }
            )
        finally:
            self._give_back(worker)
        if "capabilities" not in answer:
            raise WorkerLostError(str(answer.get("failure")))
        return str(answer["capabilities"])

    # --- The processes. ---

    def _borrowed(self) -> Worker:
        """Return a process for one task: a free one, else a new one."""
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.is_alive:
                    return worker
        return Worker(self._folder)

    def _give_back(self, worker: Worker) -> None:
        if not self._is_kept(worker):
            worker.kill()

    def _is_kept(self, worker: Worker) -> bool:
        """Keep a process for another task, if there is room for it."""
        with self._lock:
            is_kept = not self._closed and len(self._free) < self.size
            if is_kept:
                self._free.append(worker)
        return is_kept

    # --- One thread a task. ---

    def _fill(self) -> None:
        """Start as many tasks as may run at once, those of hybrid jobs first."""
        with self._lock:
            while self._queue and len(self._running) < self.size and not self._closed:
                task = next((each for each in self._queue if each.job_arn), self._queue[0])
                self._queue.remove(task)
                task.status = TaskStatus.RUNNING
                self._running[task.arn] = None
                thread = threading.Thread(target=self._run, args=(task,), daemon=True)
                self._threads = [each for each in self._threads if each.is_alive()] + [thread]
                thread.start()

    def _run(self, task: Task) -> None:
        """Run a task to its end."""
        try:
            self._changed(task)
            failure = self._outcome(task)
        except (WorkerLostError, RoleNotAssumableError, OSError) as error:
            failure = str(error) or "the simulator's process was lost"
        except Exception as error:  # noqa: BLE001 - the task must end
            _logger.error("%s could not be run: %s", task.arn, type(error).__name__)  # noqa: TRY400
            failure = "InternalServiceException: the task could not be run"
        with self._lock:
            worker = self._running.pop(task.arn)
            is_cancelled = task.status is TaskStatus.CANCELLING
            if is_cancelled:
                task.ended(TaskStatus.CANCELLED)
            else:
                task.ended(TaskStatus.FAILED if failure else TaskStatus.COMPLETED, failure)
            # With the slot, so that the next task finds it. The process of a cancelled task may be
            # killed at any moment.
            is_kept = worker is not None and not is_cancelled and self._is_kept(worker)
        if worker is not None and not is_kept:
            worker.kill()
        try:
            self._changed(task)
        finally:
            self._fill()

    def _outcome(self, task: Task) -> str | None:
        """Return why a task failed; None if its result is stored."""
        worker = self._borrowed()
        with self._lock:
            self._running[task.arn] = worker
            if task.status is not TaskStatus.RUNNING:
                return None
        credentials = self._platform.service_linked_session(task.caller, task.id)
        try:
            answer = worker.answer(
                {
                    "order": "compute",
                    "simulator": task.device.simulator,
                    "action": task.request["action"],
                    "shots": task.shots,
                    "task_arn": task.arn,
                    "device_arn": task.device.arn,
                    "is_qpu": task.device.is_qpu,
                    "bucket": task.bucket,
                    "key": f"{task.directory}/{RESULTS_FILE}",
                    "endpoint_url": self._platform.endpoint_url,
                    "region": task.caller.region,
                    "credentials": asdict(credentials),
                }
            )
        finally:
            self._platform.end_session(credentials)
        failure = answer.get("failure")
        return str(failure) if failure else None
