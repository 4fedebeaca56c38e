"""A quantum task, as the service remembers it."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from cdk_braket_local.braket.devices import ANALOG, TASK_PRICE, Device
from cdk_braket_local.braket.job import now
from cdk_braket_local.braket.platform import Caller
from cdk_braket_local.braket.protocol import BraketError, timestamp

RESULTS_FILE = "results.json"

OPENQASM = "braket.ir.openqasm.program"
PROGRAM_SET = "braket.ir.openqasm.program_set"
# The size of an action, in bytes. Source:
# https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
_MAXIMUM_ACTION = 5 * 10**6

JAQCD = "braket.ir.jaqcd.program"
AHS = "braket.ir.ahs.program"

SIMULATED_QPU = "cdk-braket-local:simulated-qpu"
"""The tag of a task whose result does not come from the device that it names."""
NOISELESS = "noiseless"

# A register of qubits whose size is a number; the simulator computes other sizes.
_REGISTER = re.compile(r"\bqubit\s*\[\s*(\d+)\s*\]|\bqreg\s+\w+\s*\[\s*(\d+)\s*\]")


class TaskStatus(StrEnum):
    """The states of a quantum task."""

    CREATED = "CREATED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"


FINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Action:
    """The program of a task.

    Attributes:
        kind: The name of its schema, such as `braket.ir.openqasm.program`.
        content: The program.
    """

    kind: str
    content: Mapping[str, object] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Action":
        """Read the action of a CreateQuantumTask request.

        Raises:
            BraketError: It is no JSON object with a schema's header.
        """
        size = len(text.encode())
        if size > _MAXIMUM_ACTION:
            raise BraketError(
                "ValidationException",
                f"action: expected at most {_MAXIMUM_ACTION} bytes, got {size}",
            )
        try:
            content = json.loads(text)
            return cls(str(content["braketSchemaHeader"]["name"]), content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BraketError(
                "ValidationException", "action: expected a JSON object with a braketSchemaHeader"
            ) from error

    @property
    def metadata(self) -> Mapping[str, object]:
        """Return the members of GetQuantumTask that describe the program."""
        if self.kind != PROGRAM_SET:
            return {"actionType": self.kind}
        programs = self._programs
        return {
            "actionType": self.kind,
            "programCount": len(programs),
            "executableCount": sum(_executables(program) for program in programs),
        }

    @property
    def declared_qubits(self) -> int:
        """The most qubits that a program declares by number; 0 if none does."""
        if self.kind == AHS:
            return _sites(self.content)
        if self.kind == JAQCD:
            return _largest_target(self.content.get("instructions")) + 1
        programs = self._programs if self.kind == PROGRAM_SET else [self.content]
        return max((_declared(str(program.get("source", ""))) for program in programs), default=0)

    @property
    def _programs(self) -> list[Mapping[str, object]]:
        programs = self.content.get("programs")
        given = programs if isinstance(programs, list) else []
        return [program for program in given if isinstance(program, Mapping)]


@dataclass(slots=True)
class Task:
    """One quantum task. Its readers and writers hold the service's lock.

    Attributes:
        arn: It ends in a UUID.
        caller: The principal that created it.
        device: The device that it runs on.
        request: The CreateQuantumTask request.
        action: Its program.
        tags: The tags as they are now.
        created_at: When it was created.
        job_arn: The hybrid job whose script created it.
        status: The state.
        ended_at: The time of its final state.
        failure_reason: Why it failed.
        spending_limit: The ARN of the spending limit that it counts for.
    """

    arn: str
    caller: Caller
    device: Device
    request: Mapping[str, object] = field(repr=False)
    action: Action = field(repr=False)
    tags: dict[str, str]
    created_at: datetime
    job_arn: str | None = None
    status: TaskStatus = TaskStatus.CREATED
    ended_at: datetime | None = None
    failure_reason: str | None = None
    spending_limit: str | None = None

    @classmethod
    def created(
        cls, caller: Caller, device: Device, request: Mapping[str, object], job_arn: str | None
    ) -> "Task":
        """Return a new task.

        Raises:
            BraketError: Its action is not JSON of a known form.
        """
        tags = request.get("tags")
        return cls(
            arn=f"arn:aws:braket:{caller.region}:{caller.account}:quantum-task/{uuid.uuid4()}",
            caller=caller,
            device=device,
            request=request,
            action=Action.parse(str(request["action"])),
            tags={
                **(tags if isinstance(tags, Mapping) else {}),
                **({SIMULATED_QPU: NOISELESS} if device.is_qpu else {}),
            },
            created_at=now(),
            job_arn=job_arn,
        )

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def is_final(self) -> bool:
        """Whether the state is final."""
        return self.status in FINAL

    @property
    def shots(self) -> int:
        """The number of shots of the request; 0 for an exact result."""
        shots = self.request["shots"]
        return shots if isinstance(shots, int) else 0

    @property
    def cost(self) -> Decimal:
        """The estimated cost on a quantum device, in USD."""
        return TASK_PRICE + self.shots * self.device.shot_price

    @property
    def bucket(self) -> str:
        """The bucket of the result."""
        return str(self.request["outputS3Bucket"])

    @property
    def directory(self) -> str:
        """The folder of the result in its bucket."""
        return f"{str(self.request['outputS3KeyPrefix']).rstrip('/')}/{self.id}"

    @property
    def priority(self) -> str:
        """Tasks of hybrid jobs go first.

        Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-task-when.html
        """
        return "Priority" if self.job_arn else "Normal"

    def ended(self, status: TaskStatus, reason: str | None = None) -> None:
        """Set a final state."""
        self.status = status
        self.failure_reason = reason
        self.ended_at = now()

    def summary(self) -> dict[str, object]:
        """Return the members of SearchQuantumTasks that describe the task."""
        return {
            "quantumTaskArn": self.arn,
            "status": self.status.value,
            "deviceArn": self.device.arn,
            "shots": self.shots,
            "outputS3Bucket": self.bucket,
            "outputS3Directory": self.directory,
            "createdAt": self.created_at,
            "endedAt": self.ended_at,
            "tags": dict(self.tags),
        }

    def description(self) -> dict[str, object]:
        """Return the members of GetQuantumTask, without the queue."""
        return {
            **self.summary(),
            "deviceParameters": self.request.get("deviceParameters", "{}"),
            "failureReason": self.failure_reason,
            "jobArn": self.job_arn,
            "associations": self.request.get("associations", []),
            "experimentalCapabilities": self.request.get("experimentalCapabilities"),
            "numSuccessfulShots": self.shots if self.status is TaskStatus.COMPLETED else None,
            "actionMetadata": self.action.metadata,
        }

    def event(self) -> dict[str, object]:
        """Return the detail of the event of a change of its state: texts only."""
        detail = {
            "quantumTaskArn": self.arn,
            "status": self.status.value,
            "deviceArn": self.device.arn,
            "shots": str(self.shots),
            "outputS3Bucket": self.bucket,
            "outputS3Directory": self.directory,
            "createdAt": timestamp(self.created_at),
        }
        ended = {"endedAt": timestamp(self.ended_at)} if self.ended_at else {}
        return {**detail, **ended}

    def problems(self, local_qubits: int) -> list[str]:
        """Return why the device refuses the task.

        Args:
            local_qubits: The most qubits that fit in this machine's memory.
        """
        found = []
        kinds = (AHS,) if self.device.simulator == ANALOG else (OPENQASM, PROGRAM_SET, JAQCD)
        if self.action.kind not in kinds:
            found.append(f"action: expected one of {', '.join(kinds)}, got {self.action.kind}")
        fewest, most = self.device.shots
        # A reservation has no minimum but one shot.
        fewest = min(fewest, 1) if self.request.get("associations") else fewest
        if not fewest <= self.shots <= most:
            found.append(
                f"shots: expected {fewest} to {most} on {self.device.name}, got {self.shots}"
            )
        qubits = self.action.declared_qubits
        if qubits > self.device.qubits:
            found.append(
                f"action: expected at most {self.device.qubits} qubits on {self.device.name}, "
                f"got {qubits}"
            )
        elif qubits > local_qubits:
            found.append(
                f"action: expected at most {local_qubits} qubits, got {qubits}. "
                f"{self.device.name} has {self.device.qubits} on AWS; the local AWS has memory for "
                f"{local_qubits}"
            )
        return found


def _executables(program: Mapping[str, object]) -> int:
    inputs = program.get("inputs")
    values = inputs.values() if isinstance(inputs, Mapping) else ()
    return max((len(value) for value in values if isinstance(value, list)), default=1)


def _sites(program: Mapping[str, object]) -> int:
    """Return the number of atoms of an analog program."""
    setup = program.get("setup")
    register = setup.get("ahs_register") if isinstance(setup, Mapping) else None
    filling = register.get("filling") if isinstance(register, Mapping) else None
    return sum(atom == 1 for atom in filling) if isinstance(filling, list) else 0


def _declared(source: str) -> int:
    return sum(int(first or second) for first, second in _REGISTER.findall(source))


def _largest_target(instructions: object) -> int:
    """Return the highest number of a qubit in the instructions of a JAQCD program."""
    numbers: list[int] = [-1]
    for instruction in instructions if isinstance(instructions, list) else []:
        for name in ("target", "control", "targets", "controls"):
            value = instruction.get(name) if isinstance(instruction, Mapping) else None
            several = value if isinstance(value, list) else [value]
            numbers += [number for number in several if isinstance(number, int)]
    return max(numbers)
