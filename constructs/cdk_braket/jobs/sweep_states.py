"""The state machine of a sweep, in the Amazon States Language.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html and
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cdk_braket._lambda.braket_jobs.contract import (
    QUOTA_ERROR,
    THROTTLED_ERROR,
    PointMember,
    RunAction,
    RunProperty,
)
from cdk_braket.request.sweep_points import PointsFormat

from .workflows import LONGEST_SECONDS, LOST, payload

LABEL: Final = "Points"
"""The label of the Map state, which the ARNs of its child executions hold."""

# What an account may run at once before its quota is raised. Source:
# https://docs.aws.amazon.com/braket/latest/developerguide/braket-quotas.html
DEFAULT_CONCURRENCY: Final = 5

# An execution ends when its history has 25,000 events. A poll of a job is six of them, a start that
# is refused three. Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_POLLS: Final = 2_500
MOST_REFUSALS: Final = 1_200

_FIRST_DELAY: Final = 2
_LEAST_DELAY: Final = 60
_MOST_DELAY: Final = 900
_QUOTA_DELAY: Final = 300
_MOST_LOSSES: Final = 12

# What Lambda itself reports. Source:
# https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
_LAMBDA: Final = (
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
)


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """The parts of a sweep that its states name. All strings may hold tokens.

    Attributes:
        partition: The partition of AWS.
        function_arn: The handler.
        points: The bucket and the key of the points.
        format: The format of the points.
        results: The bucket and the prefix of the sweep's results.
        records: Where the handler keeps its records.
        properties: The definition, as the handler reads it.
        max_concurrency: How many points run at once.
        tolerated: The members of the Map state for its tolerated failures.
        poll_seconds: How often each job is polled.
    """

    partition: str
    function_arn: str
    points: tuple[str, str]
    format: PointsFormat
    results: tuple[str, str]
    records: str
    properties: Mapping[str, object]
    max_concurrency: int
    tolerated: Mapping[str, float]
    poll_seconds: float


def throttling_delay(max_concurrency: int) -> int:
    """Return the longest delay before a throttled start is repeated (seconds).

    It grows with the points that may wait at the same time. All of them together then repeat about
    two starts a second, twice as many as Amazon Braket accepts.
    """
    return min(max(max_concurrency, _LEAST_DELAY), _MOST_DELAY)


def sweep_states(settings: SweepSettings) -> dict[str, object]:
    """Return the definition of the state machine; may hold tokens."""
    return {
        "Comment": "Runs a hybrid job for each point of a sweep (cdk-braket)",
        "StartAt": LABEL,
        "States": {LABEL: _map(settings), "Table": _table(settings)},
    }


def _map(settings: SweepSettings) -> dict[str, object]:
    bucket, key = settings.points
    results_bucket, prefix = settings.results
    reader: dict[str, object] = {"InputType": settings.format.value}
    if settings.format is PointsFormat.CSV:
        reader["CSVHeaderLocation"] = "FIRST_ROW"
    return {
        "Type": "Map",
        "Label": LABEL,
        "ItemReader": {
            "Resource": f"arn:{settings.partition}:states:::s3:getObject",
            "ReaderConfig": reader,
            "Parameters": {"Bucket": bucket, "Key": key},
        },
        "ItemSelector": {
            f"{PointMember.EXECUTION}.$": "$$.Execution.Id",
            f"{PointMember.STATE_MACHINE}.$": "$$.StateMachine.Id",
            f"{PointMember.INPUT}.$": "$$.Execution.Input",
            f"{PointMember.INDEX}.$": "$$.Map.Item.Index",
            f"{PointMember.PARAMETERS}.$": "$$.Map.Item.Value",
        },
        "MaxConcurrency": settings.max_concurrency,
        **settings.tolerated,
        "ItemProcessor": {
            # Not EXPRESS, which knows no task tokens and ends after five minutes.
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Run",
            "States": {"Run": _run(settings)},
        },
        "ResultWriter": {
            "Resource": f"arn:{settings.partition}:states:::s3:putObject",
            "Parameters": {"Bucket": results_bucket, "Prefix": prefix},
            # A line for each point, so that the table is written without reading all at once.
            "WriterConfig": {"Transformation": "NONE", "OutputType": "JSONL"},
        },
        "ResultPath": "$.results",
        "Next": "Table",
    }


def _run(settings: SweepSettings) -> dict[str, object]:
    """Return the one state of a point.

    One state, and no Fail state after it: a redrive continues with the state that has failed.
    """
    members: dict[RunProperty, object] = {
        RunProperty.PROPERTIES: settings.properties,
        RunProperty.TIMEOUT_SECONDS: min(LONGEST_SECONDS, MOST_POLLS * settings.poll_seconds),
    }
    event = payload(RunAction.RUN_POINT, members) | {
        f"{RunProperty.POINT}.$": "$",
        f"{RunProperty.CHILD}.$": "$$.Execution",
        f"{RunProperty.TASK_TOKEN}.$": "$$.Task.Token",
    }
    delay = throttling_delay(settings.max_concurrency)
    return {
        "Type": "Task",
        "Comment": "Starts the job, and waits until the event of its end returns the token",
        "Resource": f"arn:{settings.partition}:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": settings.function_arn, "Payload": event},
        "TimeoutSeconds": settings.poll_seconds,
        "Retry": [
            _retry([THROTTLED_ERROR], MOST_REFUSALS, delay),
            _retry([QUOTA_ERROR], MOST_REFUSALS, max(delay, _QUOTA_DELAY)),
            _retry([*LOST, *_LAMBDA], _MOST_LOSSES, _LEAST_DELAY),
        ],
        # A poll: the same state again, which finds the job. The error is a member beside the point:
        # CDK drops null, and without a path the error would replace the point.
        "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.poll", "Next": "Run"}],
        "End": True,
    }


def _table(settings: SweepSettings) -> dict[str, object]:
    event = payload(RunAction.COLLECT_POINTS, {RunProperty.RECORDS: settings.records}) | {
        f"{RunProperty.EXECUTION}.$": "$$.Execution.Id",
        f"{RunProperty.MANIFEST}.$": "$.results.ResultWriterDetails",
    }
    return {
        "Type": "Task",
        "Resource": settings.function_arn,
        "Parameters": event,
        "Retry": [_retry([THROTTLED_ERROR, *LOST, *_LAMBDA], _MOST_LOSSES, _LEAST_DELAY)],
        "End": True,
    }


def _retry(errors: list[str], attempts: int, longest: int) -> dict[str, object]:
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": _FIRST_DELAY,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "MaxAttempts": attempts,
        "JitterStrategy": "FULL",
    }
