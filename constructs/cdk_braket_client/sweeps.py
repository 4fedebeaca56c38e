"""The sweeps of stacks: their executions, and the rows of their points."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.api.sweep_table import Row, lines_of
from cdk_braket._lambda.braket_jobs.contract import RunAction

from .clients import Clients
from .errors import SweepNotFoundError, SweepUnfinishedError
from .job_reference import region_of
from .stack_jobs import deployed_template, is_exact, is_missing_stack, path_of

_MACHINE: Final = "AWS::StepFunctions::StateMachine"
_MACHINE_ARN: Final = re.compile(r"arn:[\w-]+:states:[\w-]+:\d+:stateMachine:[^:]+")
_EXECUTION_ARN: Final = re.compile(r"arn:[\w-]+:states:[\w-]+:\d+:execution:[^:]+:[^:]+")
_CHILD: Final = "/StateMachine/Resource"
_NOT_FOUND: Final = frozenset({"404", "NoSuchKey", "NoSuchBucket"})


@dataclass(frozen=True, slots=True)
class SweepExecution:
    """An execution of a sweep.

    Attributes:
        arn: Its ARN.
        status: Its status, such as `RUNNING`.
        counts: How many points are in each state, by the names of DescribeMapRun; empty before the
            first point.
        map_run: The id of its Map Run; empty before the first point.
        described: The answer of DescribeExecution.
    """

    arn: str
    status: str
    counts: Mapping[str, int]
    map_run: str
    described: Mapping[str, Any]


def find_execution(clients: Clients, reference: str, execution: str | None) -> SweepExecution:
    """Return an execution of a sweep.

    Args:
        clients: The clients of the region to search in.
            An ARN names its region itself.
        reference: `STACK/PATH`, such as `Chemistry/Sweep`, the name of a stack with one sweep, the
            ARN of a state machine, or the ARN of an execution.
        execution: The name of an execution. Default: the latest one.

    Raises:
        SweepNotFoundError: There is no such sweep or execution.
        botocore.exceptions.ClientError: AWS cannot be queried.
    """
    is_arn = _MACHINE_ARN.fullmatch(reference)
    is_execution = _EXECUTION_ARN.fullmatch(reference)
    if is_arn or is_execution:
        clients = clients.in_region(region_of(reference))
    states = clients.other("stepfunctions")
    if is_execution:
        return _described(states, reference)
    machine = reference if is_arn else _machine_of(clients, reference)
    if execution is not None:
        name = machine.replace(":stateMachine:", ":execution:")
        return _described(states, f"{name}:{execution}")
    found = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"]
    if not found:
        raise SweepNotFoundError(
            f"{reference} was never started. Start it with `aws stepfunctions start-execution "
            f"--state-machine-arn {machine}`."
        )
    return _described(states, found[0]["executionArn"])


def _described(states: Any, arn: str) -> SweepExecution:  # noqa: ANN401 - a client without stubs
    try:
        described = states.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        raise SweepNotFoundError(f"no execution {arn}") from error
    runs = states.list_map_runs(executionArn=arn)["mapRuns"]
    map_run = runs[0]["mapRunArn"] if runs else ""
    counts = states.describe_map_run(mapRunArn=map_run)["itemCounts"] if map_run else {}
    return SweepExecution(arn, described["status"], counts, map_run.rpartition(":")[2], described)


def _machine_of(clients: Clients, reference: str) -> str:
    """Return the state machine of the sweep at a path below a stack."""
    segments = reference.strip("/").split("/")
    for length in range(1, len(segments) + 1):
        stack = "-".join(segments[:length])
        machines = _machines(clients, stack)
        if machines is None:
            continue
        wanted = "/".join(segments[length:])
        found = [arn for path, arn in machines.items() if f"/{path}".endswith(f"/{wanted}")]
        exact = [arn for path, arn in machines.items() if is_exact(path, stack, wanted)]
        found = (exact or found) if wanted else list(machines.values())
        if len(found) > 1:
            choices = ", ".join(sorted(machines))
            raise SweepNotFoundError(f"{reference} names several sweeps. Use one of {choices}.")
        if found:
            return found[0]
    raise SweepNotFoundError(
        f"no sweep {reference} in {clients.cloudformation.meta.region_name}; expected STACK/PATH "
        "with the name of a deployed stack"
    )


def _machines(clients: Clients, stack: str) -> dict[str, str] | None:
    """Return the state machines of a stack's sweeps by construct path; None without the stack."""
    try:
        template = deployed_template(clients.cloudformation, stack)
    except ClientError as error:
        if is_missing_stack(error):
            return None
        raise
    resources = template.get("Resources", {})
    # The definition of a sweep, and of nothing else, has this action.
    paths = {
        name: path_of(name, resource).removesuffix(_CHILD)
        for name, resource in resources.items()
        if resource.get("Type") == _MACHINE and RunAction.RUN_POINT in json.dumps(resource)
    }
    pages = clients.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        paths[found["LogicalResourceId"]]: found["PhysicalResourceId"]
        for page in pages
        for found in page["StackResourceSummaries"]
        if found["LogicalResourceId"] in paths and found.get("PhysicalResourceId")
    }


def rows_of(clients: Clients, execution: SweepExecution) -> list[Row]:
    """Return the rows of an execution that has ended, from the files of its ResultWriter.

    Raises:
        SweepUnfinishedError: Nothing has been written yet.
        botocore.exceptions.ClientError: AWS cannot be queried.
    """
    clients = clients.in_region(region_of(execution.arn))
    states = clients.other("stepfunctions")
    answer = states.describe_state_machine_for_execution(executionArn=execution.arn)
    writer = json.loads(answer["definition"])["States"]["Points"]["ResultWriter"]["Parameters"]
    bucket = writer["Bucket"]
    try:
        manifest = _json(clients, bucket, f"{writer['Prefix']}/{execution.map_run}/manifest.json")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_FOUND:
            raise
        raise SweepUnfinishedError(
            f"the sweep is {execution.status}, and has no table yet: it is written when all points "
            "have ended"
        ) from error
    rows: list[Row] = []
    for status, files in manifest["ResultFiles"].items():
        for file in files:
            lines = lines_of(_text(clients, bucket, file["Key"]))
            rows += [Row.of(json.loads(line), status) for line in lines]
    return sorted(rows, key=lambda row: row.index)


def _json(clients: Clients, bucket: str, key: str) -> Any:  # noqa: ANN401 - JSON of any shape
    return json.loads(_text(clients, bucket, key))


def _text(clients: Clients, bucket: str, key: str) -> str:
    return clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
