"""The Distributed Map state of Step Functions, as AWS runs it.

MiniStack ignores `ResultWriter` and `ItemBatcher`, and evaluates no expression in `ItemReader`. It
reads the items and starts child executions without the role. A child runs on when its parent is
stopped, and when the tolerated failures are exceeded. Here the state has a result writer and these
rules. `ItemBatcher` is refused, because no sweep has it. Sources:
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
"""

import contextvars
import copy
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from botocore.exceptions import ClientError
from ministack.core import responses
from ministack.services import stepfunctions

from cdk_braket_local.ministack_adapter import state_machines
from cdk_braket_local.ministack_adapter.state_machines import Context, Execution, failure

_State = Mapping[str, Any]

_PENDING: Final = "PENDING"
_MOST_THREADS: Final = 64
_LARGEST_PAYLOAD: Final = 256 * 1024
_LOOK_SECONDS: Final = 0.1
_COUNTED: Final = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "ABORTED": "aborted",
}
_FAILED: Final = ("FAILED", "TIMED_OUT")


def install() -> None:
    """Have MiniStack run Distributed Maps through here."""
    stepfunctions._run_distributed_map = _run_map


def _run_map(  # noqa: PLR0917 - the parameters of MiniStack's
    state: _State,
    raw_input: object,
    effective: object,
    iterator: _State,
    execution: Execution,
    context: Context,
) -> tuple[object, str | None]:
    if "ItemBatcher" in state:
        raise failure("States.Runtime", "The local AWS does not support ItemBatcher.")
    reader = _Reader(state, raw_input, effective, execution, context)
    name = str(context["State"]["Name"])
    run = _unfinished_run(execution, name)
    if run is None:
        run = _new_run(state, name, execution, reader.children())
    _MapRun(run, state, iterator, execution, context).finish()
    return _output(state, raw_input, context, run)


def _output(
    state: _State, raw_input: object, context: Context, run: dict[str, Any]
) -> tuple[object, str | None]:
    children = run["_children"]
    result: object = [json.loads(child["output"]) for child in children if child["output"]]
    if run.get("_written"):
        bucket, key = run["_written"]
        result = {
            "MapRunArn": run["mapRunArn"],
            "ResultWriterDetails": {"Bucket": bucket, "Key": key},
        }
    following = stepfunctions._next_or_end(state)
    if stepfunctions._state_query_language(state, context) == "JSONata":
        output = stepfunctions._apply_jsonata_output(
            state, raw_input, context, result=result, default=result
        )
        return output, following
    result = stepfunctions._apply_result_selector(state, result)
    output = stepfunctions._apply_result_path(state, raw_input, result)
    return stepfunctions._apply_output_path(state, output, context), following


class _Reader:
    """Reads the items of a Map state, and selects the input of each child."""

    def __init__(
        self,
        state: _State,
        raw_input: object,
        effective: object,
        execution: Execution,
        context: Context,
    ) -> None:
        self._state = state
        self._raw_input = raw_input
        self._effective = effective
        self._execution = execution
        self._context = context
        language = stepfunctions._state_query_language(state, context)
        self._is_jsonata = language == "JSONata"

    def children(self) -> list[object]:
        """Return the input of each child execution."""
        items = self._items()
        return [self._input_of(index, item) for index, item in enumerate(items)]

    def _items(self) -> Sequence[object]:
        reader = self._state.get("ItemReader")
        if not reader:
            path = self._state.get("ItemsPath", "$")
            found = stepfunctions._resolve_path_or_ctx(path, self._effective, self._context)
            return found if isinstance(found, list) else [found]
        if not str(reader.get("Resource", "")).endswith("s3:getObject"):
            return cast(
                "Sequence[object]",
                stepfunctions._read_map_items(reader, self._effective, self._context),
            )
        place = self._resolved(reader.get("Arguments") or reader.get("Parameters") or {})
        text = self._object(str(place.get("Bucket")), str(place.get("Key")))
        config = reader.get("ReaderConfig") or {}
        items = cast("Sequence[object]", stepfunctions._parse_reader_items(text, config))
        most = config.get("MaxItems")
        return items[: int(most)] if most else items

    def _object(self, bucket: str, key: str) -> str:
        """Read an object as the state machine's role."""
        client = state_machines.client_of(self._execution, "s3")
        try:
            body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise failure("States.ItemReaderFailed", str(error)) from error
        return body.decode("utf-8-sig")

    def _input_of(self, index: int, item: object) -> object:
        selector = self._state.get("ItemSelector") or self._state.get("Parameters")
        if not selector:
            return item
        context = {**self._context, "Map": {"Item": {"Index": index, "Value": item}}}
        return self._resolved(selector, context)

    def _resolved(self, template: object, context: Context | None = None) -> Any:  # noqa: ANN401
        given = self._context if context is None else context
        if self._is_jsonata:
            return stepfunctions._apply_jsonata_template(template, self._raw_input, given)
        return stepfunctions._resolve_params_obj(template, self._effective, given)


# --- Map Runs. ---


def _unfinished_run(execution: Execution, state_name: str) -> dict[str, Any] | None:
    """Return the Map Run that a redrive continues; None if the state runs for the first time."""
    runs = [
        run
        for run in stepfunctions._map_runs.values()
        if run["executionArn"] == execution["executionArn"] and run["_state"] == state_name
    ]
    latest = runs[-1] if runs else None
    if latest is None or latest["status"] == "SUCCEEDED":
        return None
    now = responses.now_iso()
    latest.update(status="RUNNING", redriveCount=latest["redriveCount"] + 1, redriveDate=now)
    latest.pop("stopDate", None)
    return cast("dict[str, Any]", latest)


def _new_run(
    state: _State, name: str, execution: Execution, inputs: Sequence[object]
) -> dict[str, Any]:
    _, _, _, region, account, _, machine = execution["stateMachineArn"].split(":")
    label = state.get("Label") or responses.new_uuid()
    place = f"{region}:{account}"
    child_machine = f"arn:aws:states:{place}:stateMachine:{machine}/{label}"
    children = [
        {
            "executionArn": f"arn:aws:states:{place}:execution:{machine}/{label}:{child}",
            "stateMachineArn": child_machine,
            "name": child,
            "status": _PENDING,
            "startDate": None,
            "stopDate": None,
            "input": json.dumps(given),
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "events": [],
            "testCase": execution.get("testCase"),
            "mockAttempts": {},
            "redriveCount": 0,
        }
        for given in inputs
        for child in [responses.new_uuid()]
    ]
    arn = f"arn:aws:states:{place}:mapRun:{machine}/{label}:{responses.new_uuid()}"
    run: dict[str, Any] = {
        "mapRunArn": arn,
        "executionArn": execution["executionArn"],
        "status": "RUNNING",
        "startDate": responses.now_iso(),
        "maxConcurrency": int(state.get("MaxConcurrency") or 0),
        "toleratedFailurePercentage": float(state.get("ToleratedFailurePercentage") or 0),
        "toleratedFailureCount": int(state.get("ToleratedFailureCount") or 0),
        "redriveCount": 0,
        "_stateMachineArn": child_machine,
        "_state": name,
        "_children": children,
        "_written": None,
    }
    for child in children:
        child["mapRunArn"] = arn
    _count(run)
    stepfunctions._map_runs[arn] = run
    return run


def _count(run: dict[str, Any]) -> None:
    statuses = Counter(_COUNTED[child["status"]] for child in run["_children"])
    counts = {name: statuses.get(name, 0) for name in _COUNTED.values()} | {
        "timedOut": 0,
        "total": len(run["_children"]),
        "resultsWritten": len(run["_children"]) if run["_written"] else 0,
        "failuresNotRedrivable": 0,
        "pendingRedrive": 0,
    }
    run["itemCounts"], run["executionCounts"] = counts, dict(counts)


class _MapRun:
    """Runs the children of a Map Run that have not succeeded yet."""

    def __init__(
        self,
        run: dict[str, Any],
        state: _State,
        iterator: _State,
        execution: Execution,
        context: Context,
    ) -> None:
        self._run = run
        self._state = state
        self._iterator = iterator
        self._execution = execution
        self._context = context
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Execution] = queue.SimpleQueue()
        self._redrive = run["redriveCount"]

    def finish(self) -> None:
        """Run all children, and write their results.

        Raises:
            StoppedError: The parent was stopped.
            Exception: The failure of the state: too many children have failed.
        """
        machine = self._execution["stateMachineArn"]
        state_machines.check("states:StartExecution", machine)
        unfinished = [c for c in self._run["_children"] if c["status"] != "SUCCEEDED"]
        for child in unfinished:
            if child["status"] != _PENDING:
                # Both allow a redrive of the children, and none without it.
                state_machines.check("states:RedriveExecution", child["executionArn"])
        for child in unfinished:
            # A failure from before the redrive does not count any more.
            child["status"] = _PENDING
            self._waiting.put(child)
        most = self._run["maxConcurrency"] or _MOST_THREADS
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(self._work,), daemon=True)
            for _ in range(min(most, len(unfinished)))
        ]
        for thread in threads:
            thread.start()
        self._watch(threads)
        self._end("SUCCEEDED")
        self._write()

    def _watch(self, threads: Sequence[threading.Thread]) -> None:
        while True:
            if self._execution["status"] != state_machines.RUNNING:
                self._end("ABORTED")
                self._write()
                raise state_machines.StoppedError
            if self._is_exceeded():
                self._end("FAILED")
                self._write()
                raise failure(
                    "States.ExceedToleratedFailureThreshold",
                    "The specified tolerated failure threshold was exceeded",
                )
            if not any(thread.is_alive() for thread in threads):
                return
            time.sleep(_LOOK_SECONDS)

    def _is_exceeded(self) -> bool:
        children = self._run["_children"]
        failed = sum(child["status"] in _FAILED for child in children)
        limits = []
        if "ToleratedFailureCount" in self._state:
            limits.append(failed > self._run["toleratedFailureCount"])
        if "ToleratedFailurePercentage" in self._state:
            limits.append(failed * 100 > self._run["toleratedFailurePercentage"] * len(children))
        return any(limits) if limits else failed > 0

    def _end(self, status: str) -> None:
        """Note the end of the Map Run; the children that still run are stopped."""
        with self._lock:
            for child in self._run["_children"]:
                if child["status"] == state_machines.RUNNING:
                    child.update(status="ABORTED", stopDate=responses.now_iso())
            self._run.update(status=status, stopDate=responses.now_iso())
            _count(self._run)

    def _work(self) -> None:
        while self._is_running():
            try:
                child = self._waiting.get_nowait()
            except queue.Empty:
                return
            if self._begin(child):
                self._run_child(child)

    def _is_running(self) -> bool:
        """Return whether the Map Run runs, and was not redriven since."""
        found = (self._run["redriveCount"], self._run["status"])
        return found == (self._redrive, "RUNNING")

    def _begin(self, child: Execution) -> bool:
        with self._lock:
            if not self._is_running():
                return False
            now = responses.now_iso()
            if child["startDate"] is None:
                child["startDate"] = now
            else:
                child.update(redriveCount=child["redriveCount"] + 1, redriveDate=now)
                stepfunctions._add_event(child, "ExecutionRedriven")
            child.update(status="RUNNING", stopDate=None, error=None, cause=None)
            stepfunctions._executions[child["executionArn"]] = child
            _count(self._run)
        return True

    def _run_child(self, child: Execution) -> None:
        began: tuple[str, object] | None = state_machines.entered(child)
        start, given = began or (self._iterator["StartAt"], json.loads(child["input"]))
        context = copy.deepcopy({k: v for k, v in self._context.items() if k != "Map"})
        context["Execution"] = execution_context(child, json.loads(child["input"]))
        context["StateMachine"] = {"Id": child["stateMachineArn"], "Name": child["stateMachineArn"]}
        try:
            _check_size(child["input"])
            output = state_machines.run_states(
                self._iterator["States"], start, given, child, context
            )
            text = json.dumps(output)
            _check_size(text)
            ended: dict[str, object] = {"status": "SUCCEEDED", "output": text}
        except state_machines.StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - any error belongs to the child
            name = getattr(error, "error", "States.Runtime")
            ended = {"status": "FAILED", "error": name, "cause": getattr(error, "cause", "")}
        with self._lock:
            if child["status"] == state_machines.RUNNING and self._is_running():
                child.update(ended, stopDate=responses.now_iso())
                _count(self._run)

    def _write(self) -> None:
        """Write the results of the children to S3, as the state machine's role."""
        writer = self._state.get("ResultWriter")
        if not writer:
            return
        config = writer.get("WriterConfig") or {}
        if config.get("Transformation", "NONE") != "NONE":
            raise failure("States.Runtime", "The local AWS has no Transformation but NONE.")
        place = writer.get("Parameters") or writer.get("Arguments")
        ending = config.get("OutputType", "JSON")
        prefix = f"{place['Prefix']}/{self._run['mapRunArn'].rpartition(':')[2]}"
        client = state_machines.client_of(self._execution, "s3")
        files: dict[str, list[dict[str, object]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        try:
            for status, listed in files.items():
                rows = [_row(c) for c in self._run["_children"] if _file_of(c) == status]
                if rows:
                    key = f"{prefix}/{status}_0.{ending.lower()}"
                    body = _lines(rows) if ending == "JSONL" else json.dumps(rows)
                    client.put_object(Bucket=place["Bucket"], Key=key, Body=body.encode())
                    listed.append({"Key": key, "Size": len(body.encode())})
            manifest = {
                "DestinationBucket": place["Bucket"],
                "MapRunArn": self._run["mapRunArn"],
                "ResultFiles": files,
            }
            key = f"{prefix}/manifest.json"
            client.put_object(Bucket=place["Bucket"], Key=key, Body=json.dumps(manifest).encode())
        except ClientError as error:
            self._run["status"] = "FAILED"
            raise failure("States.ResultWriterFailed", str(error)) from error
        self._run["_written"] = (place["Bucket"], key)
        _count(self._run)


def execution_context(execution: Mapping[str, Any], given: object) -> dict[str, object]:
    """Return the member `Execution` of a context object."""
    found: dict[str, object] = {
        "Id": execution["executionArn"],
        "Input": given,
        "Name": execution["name"],
        "RoleArn": state_machines.role_arn(execution),
        "StartTime": execution["startDate"],
        "RedriveCount": execution.get("redriveCount", 0),
    }
    if execution.get("redriveDate"):
        found["RedriveTime"] = execution["redriveDate"]
    return found


def _check_size(text: str) -> None:
    if len(text.encode()) > _LARGEST_PAYLOAD:
        raise failure("States.DataLimitExceeded", "The payload is larger than 256 KiB.")


def _file_of(child: Mapping[str, Any]) -> str:
    return child["status"] if child["status"] in {"SUCCEEDED", _PENDING} else "FAILED"


def _row(child: Mapping[str, Any]) -> dict[str, object]:
    names = {
        "executionArn": "ExecutionArn",
        "input": "Input",
        "inputDetails": "InputDetails",
        "name": "Name",
        "output": "Output",
        "outputDetails": "OutputDetails",
        "startDate": "StartDate",
        "stateMachineArn": "StateMachineArn",
        "status": "Status",
        "stopDate": "StopDate",
        "error": "Error",
        "cause": "Cause",
        "redriveCount": "RedriveCount",
    }
    return {written: child[name] for name, written in names.items() if child.get(name) is not None}


def _lines(rows: Sequence[object]) -> str:
    return "\n".join(json.dumps(row) for row in rows)
