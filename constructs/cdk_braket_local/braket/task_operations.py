"""The operations of devices, quantum tasks and spending limits."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from cdk_braket._lambda.braket_jobs.api.service_rules import is_device
from cdk_braket_local.braket import search
from cdk_braket_local.braket.devices import DEVICES, Device, DeviceStatus
from cdk_braket_local.braket.platform import AccessDeniedError, Caller, Platform
from cdk_braket_local.braket.protocol import BraketError
from cdk_braket_local.braket.resources import ClientTokens, is_visible, queue_place, visible
from cdk_braket_local.braket.spending_limits import SpendingLimits
from cdk_braket_local.braket.task_pool import TaskPool, WorkerLostError
from cdk_braket_local.braket.tasks import Task, TaskStatus

_STATE_CHANGE = "Braket Task State Change"

Parameters = Mapping[str, object]
Operation = Callable[[Caller, Parameters], Mapping[str, object]]


class TaskOperations:
    """The part of the service that knows devices, quantum tasks and spending limits.

    Attributes:
        limits: The spending limits.

    Args:
        platform: The local AWS.
        folder: A folder for the processes that compute tasks.
        lock: The service's lock.
        job_of_token: Returns the ARN of the running job with a job token, or None.
        jobs_queued: Returns how many hybrid jobs wait for a device.
        simulates_qpus: Whether tasks for quantum devices are simulated. Otherwise they are refused.
    """

    def __init__(
        self,
        platform: Platform,
        folder: Path,
        lock: threading.RLock,
        job_of_token: Callable[[Caller, str], str | None],
        jobs_queued: Callable[[str], int],
        *,
        simulates_qpus: bool = False,
    ) -> None:
        self._platform = platform
        self._lock = lock
        self._job_of_token = job_of_token
        self._jobs_queued = jobs_queued
        self._simulates_qpus = simulates_qpus
        self._tasks: dict[str, Task] = {}
        self._tokens = ClientTokens("ValidationException")
        self._pool = TaskPool(platform, folder, lock, self._changed)
        self.limits = SpendingLimits(platform, lock, self._device, self._tasks.values)

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations by their names."""
        return {
            "GetDevice": self._get_device,
            "SearchDevices": self._search_devices,
            "CreateQuantumTask": self._create_task,
            "GetQuantumTask": self._get_task,
            "CancelQuantumTask": self._cancel_task,
            "SearchQuantumTasks": self._search_tasks,
            **self.limits.operations,
        }

    def known(self, arn: str) -> Task | None:
        """Return the quantum task with an ARN."""
        with self._lock:
            return self._tasks.get(arn)

    def close(self) -> None:
        """End all quantum tasks."""
        self._pool.close()

    # --- Devices. ---

    def _get_device(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        arn = str(request["deviceArn"])
        self._platform.authorize(caller, "braket:GetDevice", arn, {})
        device = self._device(caller, arn)
        if device.schema is None:
            raise BraketError(
                "ResourceNotFoundException",
                f"{arn}: the local AWS has no capabilities of this device: they are known on AWS "
                "only. Choose a device of SearchDevices.",
            )
        try:
            capabilities = self._pool.capabilities(device)
        except (WorkerLostError, OSError) as error:
            message = f"the capabilities of {device.name} could not be computed: {error}"
            raise BraketError("InternalServiceException", message) from error
        return {
            **device.description,
            "deviceCapabilities": capabilities,
            "deviceQueueInfo": list(self._queues(device)),
        }

    def _queues(self, device: Device) -> list[Mapping[str, object]]:
        tasks = [
            {
                "queue": "QUANTUM_TASKS_QUEUE",
                "queueSize": str(self._pool.queued(device, priority)),
                "queuePriority": priority,
            }
            for priority in ("Normal", "Priority")
        ]
        jobs = {"queue": "JOBS_QUEUE", "queueSize": str(self._jobs_queued(device.arn))}
        return [*tasks, jobs]

    def _search_devices(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        self._platform.authorize(caller, "braket:SearchDevices", "*", {})
        here = [each for each in DEVICES.values() if each.schema and each.is_in(caller.region)]
        texts: Mapping[str, Callable[[Device], str | None]] = {
            "deviceArn": lambda device: device.arn,
            "deviceName": lambda device: device.name,
            "deviceStatus": lambda device: device.status.value,
            "deviceType": lambda device: device.kind,
            "providerName": lambda device: device.provider,
        }
        found = [device.description for device in search.matching(request, here, texts)]
        page, token = search.page(request, "SearchDevicesRequest", found, "deviceArn")
        return {"devices": page, "nextToken": token}

    # --- Quantum tasks. ---

    def _create_task(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        self._authorize_creation(caller, request)
        with self._lock:
            known = self._tokens.arn_of(caller, request)
        if known is not None:
            return {"quantumTaskArn": known}
        # Its checks call the local AWS, so without the lock.
        task = self._new_task(caller, request)
        with self._lock:
            if known := self._tokens.arn_of(caller, request):
                return {"quantumTaskArn": known}
            self.limits.admit(task)
            self._tasks[task.arn] = task
            self._tokens.remember(caller, request, task.arn)
        self._changed(task)
        self._pool.submit(task)
        return {"quantumTaskArn": task.arn}

    def _authorize_creation(self, caller: Caller, request: Parameters) -> None:
        tasks = f"arn:aws:braket:{caller.region}:{caller.account}:quantum-task/*"
        for resource in (str(request["deviceArn"]), tasks):
            self._platform.authorize(caller, "braket:CreateQuantumTask", resource, {})
        if request.get("tags"):
            self._platform.authorize(caller, "braket:TagResource", tasks, {})

    def _new_task(self, caller: Caller, request: Parameters) -> Task:
        """Return the task of a request, if its device accepts it.

        Raises:
            BraketError: It does not.
        """
        device = self._device(caller, str(request["deviceArn"]))
        check_not_retired(device.arn)
        if device.is_qpu and not self._simulates_qpus:
            raise BraketError(
                "DeviceOfflineException",
                f"{device.arn} runs no tasks: this is the local AWS, which has no quantum "
                "hardware. Use a simulator, start the local AWS with --simulate-qpus, or run the "
                "task on AWS.",
            )
        task = Task.created(caller, device, request, self._job_arn(caller, request))
        problems = task.problems(device.local_qubits(self._pool.size))
        problems += self._problems_of_bucket(task)
        if problems:
            raise BraketError("ValidationException", "; ".join(problems))
        return task

    def _job_arn(self, caller: Caller, request: Parameters) -> str | None:
        token = request.get("jobToken")
        if token is None:
            return None
        arn = self._job_of_token(caller, str(token))
        if arn is None:
            raise BraketError("ValidationException", "jobToken: expected that of a running job")
        return arn

    def _problems_of_bucket(self, task: Task) -> list[str]:
        """Return why the bucket is refused: its caller must reach it."""
        region = self._platform.bucket_region(task.caller, task.bucket)
        if region not in {None, task.caller.region}:
            return [f"outputS3Bucket: expected a bucket in {task.caller.region}, got {region}"]
        if region is not None and self._reaches(task.caller, task.bucket):
            return []
        return [f"outputS3Bucket: there is no {task.bucket}, or the caller may not list it"]

    def _reaches(self, caller: Caller, bucket: str) -> bool:
        try:
            self._platform.authorize(caller, "s3:ListBucket", f"arn:aws:s3:::{bucket}", {})
        except AccessDeniedError:
            return False
        return True

    def _get_task(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        task = self.task(caller, "braket:GetQuantumTask", request["quantumTaskArn"])
        with self._lock:
            description = task.description()
            names = request.get("additionalAttributeNames")
            if isinstance(names, list) and "QueueInfo" in names:
                description["queueInfo"] = self._queue_info(task)
        return description

    def _queue_info(self, task: Task) -> Mapping[str, object]:
        place = queue_place("task", task.status.value, self._pool.position(task))
        return {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": task.priority, **place}

    def _cancel_task(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        task = self.task(caller, "braket:CancelQuantumTask", request["quantumTaskArn"])
        if not self._pool.cancel(task):
            raise BraketError(
                "ConflictException", f"the task is {task.status.value}: it cannot be cancelled"
            )
        with self._lock:
            is_cancelled = task.status is TaskStatus.CANCELLED
        status = TaskStatus.CANCELLED if is_cancelled else TaskStatus.CANCELLING
        return {"quantumTaskArn": task.arn, "cancellationStatus": status.value}

    def _search_tasks(self, caller: Caller, request: Parameters) -> Mapping[str, object]:
        self._platform.authorize(caller, "braket:SearchQuantumTasks", "*", {})
        texts: Mapping[str, Callable[[Task], str | None]] = {
            "quantumTaskArn": lambda task: task.arn,
            "deviceArn": lambda task: task.device.arn,
            "jobArn": lambda task: task.job_arn,
            "status": lambda task: task.status.value,
        }
        with self._lock:
            seen = [task for task in reversed(self._tasks.values()) if is_visible(task, caller)]
            matched = search.matching(request, seen, texts, lambda task: task.created_at)
            found = [task.summary() for task in matched]
        tasks, token = search.page(request, "SearchQuantumTasksRequest", found, "quantumTaskArn")
        return {"quantumTasks": tasks, "nextToken": token}

    def task(self, caller: Caller, action: str, arn: object) -> Task:
        """Return a quantum task for an action of a caller.

        Raises:
            AccessDeniedError: The caller may not do it.
            BraketError: There is no such task.
        """
        self._platform.authorize(caller, action, str(arn), {})
        return visible(self.known(str(arn)), caller, str(arn))

    def _device(self, caller: Caller, arn: str) -> Device:
        if not is_device(arn):
            raise BraketError("ValidationException", "deviceArn: expected the ARN of a device")
        device = DEVICES.get(arn)
        if device is None or not device.is_in(caller.region):
            raise BraketError(
                "ResourceNotFoundException", f"there is no device {arn} in {caller.region}"
            )
        return device

    def _changed(self, task: Task) -> None:
        with self._lock:
            detail = task.event()
        self._platform.put_event(task.caller, _STATE_CHANGE, detail, [task.arn])


def check_not_retired(arn: str) -> None:
    """Refuse a device that accepts no jobs and tasks any more.

    Raises:
        BraketError: The device is retired.
    """
    device = DEVICES.get(arn)
    if device is not None and device.status is DeviceStatus.RETIRED:
        raise BraketError("DeviceRetiredException", f"{arn} is retired: choose another device")
