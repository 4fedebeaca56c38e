"""The process that computes quantum tasks: `python -m cdk_braket_local.braket.task_worker`.

It reads one order a line as JSON and answers each with one line of JSON, until its input ends.
The server of the local AWS imports neither the Braket SDK nor its simulators. They need seconds
and hundreds of megabytes, and a program may exhaust the memory.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, Final

from cdk_braket_local.braket import qpu_capabilities

MAXIMUM_REASON = 1024

# Everything here is read from JSON or comes from the SDK, which has no types.
Json = dict[str, Any]

_POLL_MILLISECONDS = 500
_RESULT_PRAGMA = "braket_result_type_"
_OPENQASM = "braket.ir.openqasm.program"


def main() -> None:
    """Answer orders until the input ends; then end at once, also amid a computation."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What a library prints is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    orders: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    while True:
        print(json.dumps(answer(json.loads(orders.get()))), file=answers, flush=True)


def _read(orders: "SimpleQueue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


def answer(order: Json) -> Json:
    """Carry an order out; its answer holds `failure` if that failed."""
    try:
        return _ORDERS[order["order"]](order)
    except MemoryError:
        return {"failure": "The simulation needs more memory than this machine has."}
    except Exception as error:  # noqa: BLE001 - the task fails, not its process
        return {"failure": f"{type(error).__name__}: {error}"[:MAXIMUM_REASON]}


def _describe(order: Json) -> Json:
    """Return a device's capabilities in its schema."""
    if order["schema"] != "simulators":
        return {"capabilities": qpu_capabilities.of_schema(order, _simulator(order["simulator"]))}
    content = json.loads(_simulator(order["simulator"]).properties.json())
    content["paradigm"]["qubitCount"] = order["qubits"]
    content["service"] |= {
        "shotsRange": order["shots"],
        "getTaskPollIntervalMillis": _POLL_MILLISECONDS,
    }
    from braket.device_schema.simulators import (  # noqa: PLC0415
        GateModelSimulatorDeviceCapabilities,
    )

    return {"capabilities": GateModelSimulatorDeviceCapabilities.parse_obj(content).json()}


def _compute(order: Json) -> Json:
    """Compute a task and store its result."""
    started = time.monotonic()
    simulator, program = _simulator(order["simulator"]), _program(order["action"])
    _check_result_types(simulator, order["action"])
    result = simulator.run(program, shots=order["shots"])
    milliseconds = int((time.monotonic() - started) * 1000)
    return _store(order, _rendered(result, order, milliseconds))


def _check_result_types(simulator: Any, action: str) -> None:  # noqa: ANN401 - of the SDK
    """Refuse result types that the simulator forbids: it would compute others in their place."""
    actions = simulator.properties.action
    if _OPENQASM not in actions:
        return
    for pragma in actions[_OPENQASM].forbiddenPragmas:
        kind = pragma.removeprefix(_RESULT_PRAGMA)
        if kind != pragma and re.search(rf"#pragma\s+braket\s+result\s+{kind}\b", action):
            raise ValueError(
                f"the local AWS does not compute the result type {kind}: the simulator of the "
                "Braket SDK does not have it. Use another, or run the task on AWS"
            )


def _store(order: Json, body: str) -> Json:
    import boto3  # noqa: PLC0415 - only needed with a result
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    keys = order["credentials"]
    client = boto3.client(
        "s3",
        endpoint_url=order["endpoint_url"],
        region_name=order["region"],
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        aws_session_token=keys["session_token"],
    )
    try:
        client.put_object(Bucket=order["bucket"], Key=order["key"], Body=body.encode())
    except (BotoCoreError, ClientError) as error:
        place = f"s3://{order['bucket']}/{order['key']}"
        reason = f"Amazon Braket cannot write the result to {place}: {error}"
        return {"failure": reason[:MAXIMUM_REASON]}
    return {}


def _simulator(name: str) -> Any:  # noqa: ANN401 - of the SDK
    if name == "braket_ahs":
        from braket.analog_hamiltonian_simulator.rydberg.rydberg_simulator import (  # noqa: PLC0415
            RydbergAtomSimulator,
        )

        return RydbergAtomSimulator()
    from braket.default_simulator import (  # noqa: PLC0415
        DensityMatrixSimulator,
        StateVectorSimulator,
    )

    return {"braket_sv": StateVectorSimulator, "braket_dm": DensityMatrixSimulator}[name]()


def _program(action: str) -> Any:  # noqa: ANN401 - of the SDK
    """Read a program by the schema that its header names, as the SDK does."""
    from braket.ir import ahs, jaqcd, openqasm  # noqa: F401, PLC0415 - the schemas that it may name
    from braket.schema_common import BraketSchemaBase  # noqa: PLC0415

    return BraketSchemaBase.parse_raw_schema(action)


def _rendered(result: Any, order: Json, milliseconds: int) -> str:  # noqa: ANN401 - of the SDK
    """Return a result as `results.json` holds it on AWS."""
    from braket.task_result.simulator_metadata_v1 import SimulatorMetadata  # noqa: PLC0415

    if order["shots"] and getattr(result, "resultTypes", None):
        result.resultTypes = _sampled(result)
    result.taskMetadata.id = order["task_arn"]
    result.taskMetadata.deviceId = order["device_arn"]
    content = result.dict()
    metadata = content.get("additionalMetadata")
    if isinstance(metadata, dict):
        metadata["simulatorMetadata"] = SimulatorMetadata(executionDuration=milliseconds).dict()
    if order["is_qpu"]:
        content["simulatedQpu"] = {"simulator": order["simulator"], "noise": "none"}
    return json.dumps(_without_empty(content), default=_plain)


def _sampled(result: Any) -> Any:  # noqa: ANN401 - of the SDK
    """Return the result types with the values that the SDK computes from the measurements."""
    from braket.tasks import GateModelQuantumTaskResult  # noqa: PLC0415 - takes seconds

    return GateModelQuantumTaskResult.from_object(result).result_types


def _without_empty(content: Mapping[str, object]) -> dict[str, object]:
    """Remove members without a value: the schema refuses an empty list of measurements."""
    return {name: value for name, value in content.items() if value is not None and value != []}


def _plain(value: Any) -> object:  # noqa: ANN401 - of the SDK or NumPy
    """Return a value that JSON has no form for as one that it has."""
    if isinstance(value, complex):
        return [value.real, value.imag]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return value.tolist()
    if hasattr(value, "dict"):  # models of the SDK's schemas
        return value.dict()
    return str(value)


_ORDERS: Final[Mapping[str, Callable[[Json], Json]]] = {"describe": _describe, "compute": _compute}


if __name__ == "__main__":
    main()
