"""Jobs that state machines and schedules run."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from aws_cdk import Duration, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_braket._lambda.braket_jobs.contract import (
    FINAL,
    JOB_EVENT_SOURCE,
    JOB_STATE_CHANGE,
    RUN_ID,
    RunAction,
    RunProperty,
)
from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.plain import Hyperparameter, plain_hyperparameter
from cdk_braket.core.statement import Statement
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.environment.hybrid_job_environment import HybridJobEnvironment
from cdk_braket.permissions.invocation import HandlerTarget, as_target
from cdk_braket.permissions.statements import attach
from cdk_braket.request.create_job import SURFACE
from cdk_braket.request.device import Device

from .binding import BoundJob, records_uri

_SHORTEST: Final = 1
# Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
LONGEST_SECONDS: Final = 365 * 24 * 60 * 60
# An execution ends when its history has 25,000 events; each check of a job adds six. The rest is
# for retries and for the user's other states. Source: as above.
MOST_CHECKS: Final = 3_500
_RESULT_PATH: Final = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)+")

_RULE_OF_JOBS: Final = "JobEnded"
_RULE_OF_EXECUTIONS: Final = "ExecutionEnded"

# Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
_STATES: Final = "aws.states"
_EXECUTION_STATUS_CHANGE: Final = "Step Functions Execution Status Change"
_BEFORE_THEIR_TIME: Final = ("ABORTED", "FAILED", "TIMED_OUT")

# The errors that report a killed function. Source:
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
LOST: Final = (
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
)


def handler_of(definition: BoundJob, path: str) -> lambda_.IFunction:
    """Return the function that runs a definition's jobs outside of deployments.

    The first call for each environment also creates rules that report ended jobs and executions to
    that function, and permissions to respond to state machines.

    Raises:
        ValidationError: The environment is of another app, whose function has no such rules.
    """
    environment = definition.environment
    if not isinstance(environment, HybridJobEnvironment):
        text = (
            "environment: is of another app, whose handler receives no events of state machines. "
            "Declare the definition in that app, or use an environment of this app."
        )
        raise ValidationError(path, [text])
    function = environment.handler_function
    if environment.node.try_find_child(_RULE_OF_JOBS) is None:
        _add_event_rules(environment, function)
        # Actions with task tokens support no resource. Source:
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
        actions = ["states:SendTaskFailure", "states:SendTaskSuccess"]
        statement = Statement(actions=actions, resources=["*"])
        attach(environment, function.role, [statement])
    return function


def _add_event_rules(environment: HybridJobEnvironment, function: lambda_.IFunction) -> None:
    arn = events.EventField.from_path("$.detail.jobArn")
    events.Rule(
        environment,
        _RULE_OF_JOBS,
        description="Notifies state machines when their hybrid job ends (cdk-braket)",
        event_pattern=events.EventPattern(
            source=[JOB_EVENT_SOURCE],
            detail_type=[JOB_STATE_CHANGE],
            detail={"status": sorted(FINAL)},
        ),
        targets=[
            _event_target(environment, function, RunAction.JOB_ENDED, {RunProperty.JOB_ARN: arn}),
        ],
    )
    execution = events.EventField.from_path("$.detail.executionArn")
    stopped = events.EventField.from_path("$.detail.stopDate")
    events.Rule(
        environment,
        _RULE_OF_EXECUTIONS,
        description="Cancels the hybrid jobs of executions that were stopped (cdk-braket)",
        event_pattern=events.EventPattern(
            source=[_STATES],
            detail_type=[_EXECUTION_STATUS_CHANGE],
            detail={"status": list(_BEFORE_THEIR_TIME)},
        ),
        targets=[
            _event_target(
                environment,
                function,
                RunAction.EXECUTION_ENDED,
                {RunProperty.EXECUTION: execution, RunProperty.STOPPED_AT: stopped},
            ),
        ],
    )


def _event_target(
    environment: HybridJobEnvironment,
    function: lambda_.IFunction,
    action: RunAction,
    members: Mapping[RunProperty, str],
) -> events.IRuleTarget:
    event_payload = payload(action, {RunProperty.RECORDS: records_uri(environment), **members})
    event = events.RuleTargetInput.from_object(event_payload)
    return as_target(HandlerTarget(environment, function, event))


def payload(action: RunAction, members: Mapping[RunProperty, object]) -> dict[str, object]:
    """Return an event that requests an action of the handler."""
    asked: dict[str, object] = {RunProperty.ACTION.value: action.value}
    return asked | {name.value: value for name, value in members.items()}


class RunJobTask(sfn.StateMachineFragment):
    """The states that start a hybrid job, wait for it, and cancel it if the wait fails."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        definition: BoundJob,
        *,
        hyperparameters: Mapping[str, Hyperparameter],
        device: str | None,
        allowed_devices: Sequence[Device],
        timeout: Duration | None,
        poll_interval: Duration,
        result_path: str,
    ) -> None:
        """Declare the states.

        Args:
            scope: The scope.
            id: The id in the scope, which the states are named after.
            definition: The definition to run.
            hyperparameters: Hyperparameters that add to or replace those of the definition.
            device: The device of the run. None: that of the definition.
            allowed_devices: The devices that `device` may name.
            timeout: The longest duration of the job, queue included.
            poll_interval: The interval between two checks of the job.
            result_path: The location of the run in the state's data.
        """
        function = handler_of(definition, f"{scope.node.path}/{id}".lstrip("/"))
        super().__init__(scope, id)
        definition.allow_devices(allowed_devices)
        self._function = function
        self._records = records_uri(definition.environment)
        self._result_path = result_path
        name = sfn.Pass(
            self,
            "Name",
            state_name=f"{id}: name",
            comment="Identifies this run, also when its start is retried",
            parameters={RUN_ID: sfn.JsonPath.uuid()},
            result_path=result_path,
        )
        start = self._invoke_state(
            "Start",
            RunAction.START,
            {
                RunProperty.EXECUTION: sfn.JsonPath.execution_id,
                RunProperty.RUN_ID: self._run_id,
                RunProperty.PROPERTIES: definition.properties(),
                RunProperty.HYPERPARAMETERS: _plain_values(hyperparameters),
                **_device(device, allowed_devices),
                **_timeout(timeout, poll_interval),
            },
            result_path,
        )
        self._wait = self._wait_state(poll_interval)
        failure = f"{result_path}Error"
        cancel = self._invoke_state(
            "Cancel",
            RunAction.CANCEL,
            {
                RunProperty.EXECUTION: sfn.JsonPath.execution_id,
                RunProperty.RUN_ID: self._run_id,
                RunProperty.RECORDS: self._records,
            },
            sfn.JsonPath.DISCARD,
        )
        fail = sfn.Fail(
            self,
            "Failed",
            state_name=f"{id}: failed",
            error_path=f"{failure}.Error",
            cause_path=f"{failure}.Cause",
        )
        # If the job is not done in time, it is checked, and the wait starts again.
        self._wait.add_catch(
            self._wait, errors=[sfn.Errors.TIMEOUT], result_path=sfn.JsonPath.DISCARD
        )
        for state in (start, self._wait):
            state.add_catch(cancel, errors=[sfn.Errors.ALL], result_path=failure)
        cancel.next(fail)
        self._name = name
        name.next(start).next(self._wait)

    @property
    def start_state(self) -> sfn.State:
        """The first state."""
        return self._name

    @property
    def end_states(self) -> list[sfn.INextable]:
        """The states after which other states can follow."""
        return [self._wait]

    @property
    def _run_id(self) -> str:
        return sfn.JsonPath.string_at(f"{self._result_path}.{RUN_ID}")

    def _invoke_state(
        self,
        id: str,
        action: RunAction,
        members: Mapping[RunProperty, object],
        result_path: str,
    ) -> tasks.LambdaInvoke:
        state = tasks.LambdaInvoke(
            self,
            id,
            state_name=f"{self.node.id}: {id.lower()}",
            lambda_function=self._function,
            payload=sfn.TaskInput.from_object(payload(action, members)),
            payload_response_only=True,
            result_path=result_path,
        )
        return _patient(state)

    def _wait_state(self, poll_interval: Duration) -> tasks.LambdaInvoke:
        members = {
            RunProperty.EXECUTION: sfn.JsonPath.execution_id,
            RunProperty.RECORDS: self._records,
            RunProperty.RUN: sfn.JsonPath.object_at(self._result_path),
            RunProperty.TASK_TOKEN: sfn.JsonPath.task_token,
        }
        state = tasks.LambdaInvoke(
            self,
            "Wait",
            state_name=f"{self.node.id}: wait",
            comment="Until the event of the job's end returns the token",
            lambda_function=self._function,
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            payload=sfn.TaskInput.from_object(payload(RunAction.WAIT, members)),
            task_timeout=sfn.Timeout.duration(poll_interval),
            result_path=self._result_path,
        )
        return _patient(state)


def _plain_values(hyperparameters: Mapping[str, Hyperparameter]) -> dict[str, Hyperparameter]:
    return {key: plain_hyperparameter(value) for key, value in hyperparameters.items()}


def _patient(state: tasks.LambdaInvoke) -> tasks.LambdaInvoke:
    """Retry lost invocations, but not those that the function refused."""
    state.add_retry(errors=list(LOST), interval=Duration.seconds(2), max_attempts=6, backoff_rate=2)
    return state


def schedule_target(
    definition: BoundJob,
    path: str,
    *,
    hyperparameters: Mapping[str, Hyperparameter],
    dead_letter_queue: sqs.IQueue | None,
) -> scheduler.IScheduleTarget:
    """Return the target with which a schedule starts a definition's job.

    Args:
        definition: The definition to run.
        path: The schedule's path.
        hyperparameters: Hyperparameters that add to or replace those of the definition.
        dead_letter_queue: The queue for invocations that did not reach the function.

    Raises:
        ValidationError: The environment is of another app.
    """
    function = handler_of(definition, path)
    # The same for all deliveries of one scheduled time, and different for any other.
    time = f"{scheduler.ContextAttribute.schedule_arn} {scheduler.ContextAttribute.scheduled_time}"
    start = payload(
        RunAction.START,
        {
            RunProperty.EXECUTION: time,
            RunProperty.RUN_ID: definition.owner.node.addr,
            RunProperty.PROPERTIES: definition.properties(),
            RunProperty.HYPERPARAMETERS: _plain_values(hyperparameters),
        },
    )
    target = scheduler_targets.LambdaInvoke(
        function,
        input=scheduler.ScheduleTargetInput.from_object(start),
        dead_letter_queue=dead_letter_queue,
    )
    return cast("scheduler.IScheduleTarget", target)


def _device(device: str | None, allowed: Sequence[Device]) -> dict[RunProperty, object]:
    if device is None:
        return {}
    return {
        RunProperty.DEVICE: device,
        RunProperty.ALLOWED_DEVICES: [each.arn for each in allowed],
    }


def wrong_devices(
    definition: BoundJob, device: str | None, allowed: Sequence[Device]
) -> Iterator[Issue]:
    """Return the issues of the devices of a run."""
    for index, each in enumerate(allowed):
        for issue in definition.device_issues(each):
            yield replace(issue, argument=f"allowed_devices[{index}]")
    example = 'Use device=sfn.JsonPath.string_at("$.device")'
    if device is None:
        if allowed:
            yield Issue("allowed_devices", "has no effect without device=…", example)
        return
    if not allowed:
        fix = "Use allowed_devices=[Device.AMAZON_SV1, …]"
        yield Issue("allowed_devices", "expected the devices that the run may use, got none", fix)
    elif not Token.is_unresolved(device) and device not in {each.arn for each in allowed}:
        yield Issue("device", "expected one of allowed_devices", example, shorten(device))
    reservation = SURFACE[("associations",)].name
    if getattr(definition.options.given, reservation) is not None:
        rule = f"cannot be chosen, because {reservation}=… reserves the definition's device"
        yield Issue("device", rule, "Remove one of them")


def _timeout(timeout: Duration | None, poll_interval: Duration) -> dict[RunProperty, object]:
    """Return the timeout of a run, which ends before the history of its execution is full."""
    if timeout is not None:
        return {RunProperty.TIMEOUT_SECONDS: seconds_of(timeout)}
    if poll_interval.is_unresolved():
        return {}
    seconds = min(LONGEST_SECONDS, MOST_CHECKS * seconds_of(poll_interval))
    return {RunProperty.TIMEOUT_SECONDS: seconds}


def _too_many_checks(timeout: Duration | None, poll_interval: Duration | None) -> Iterator[Issue]:
    """Return an issue if a run would exceed the execution's history of 25,000 events."""
    if timeout is None or poll_interval is None:
        return
    if timeout.is_unresolved() or poll_interval.is_unresolved():
        return
    least = math.ceil(seconds_of(timeout) / MOST_CHECKS)
    if seconds_of(poll_interval) < least:
        yield Issue(
            "poll_interval",
            f"expected at least 1/{MOST_CHECKS} of timeout, got {seconds_of(poll_interval):g} s: "
            "the history of an execution has 25,000 events",
            f"Use Duration.seconds({least}) or more",
        )


def wrong_task(
    timeout: Duration | None, poll_interval: Duration | None, result_path: str | None
) -> Iterator[Issue]:
    """Return the issues of a state machine's task for a job. None values are skipped."""
    for name, duration in {"timeout": timeout, "poll_interval": poll_interval}.items():
        if duration is None or duration.is_unresolved():
            continue
        seconds = seconds_of(duration)
        if not _SHORTEST <= seconds <= LONGEST_SECONDS or seconds != int(seconds):
            yield Issue(
                name,
                "expected whole seconds, from 1 second to 1 year",
                "Use Duration.minutes(5)",
                f"{seconds:g} s",
            )
    yield from _too_many_checks(timeout, poll_interval)
    if result_path is not None and not _RESULT_PATH.fullmatch(result_path):
        yield Issue(
            "result_path",
            "expected a member of the state's data, which holds the run from its start",
            'Use "$.hybridJob"',
            shorten(result_path),
        )
