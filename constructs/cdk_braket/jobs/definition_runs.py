"""Runs of a hybrid job that a deployment defines and does not start."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_braket.core.argument_types import wrong_types
from cdk_braket.core.issue import Issue, argument_names, without
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import Hyperparameter
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.request.device import Device
from cdk_braket.validation.usable_arguments import usable_arguments

from .binding import BoundJob
from .workflows import RunJobTask, schedule_target, wrong_devices, wrong_task


class DefinitionRuns:
    """The ways to run a definition: a state machine's task, and a schedule."""

    _definition: BoundJob

    def run_job_task(
        self,
        scope: Construct,
        id: str,
        *,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
        device: str | None = None,
        allowed_devices: Sequence[Device] = (),
        timeout: Duration | None = None,
        poll_interval: Duration | None = None,
        result_path: str = "$.hybridJob",
    ) -> sfn.StateMachineFragment:
        """Run the job from a state machine: start it, wait for its end, cancel it on abort.

        Each run starts exactly one job, even if a state is retried. An execution that enters the
        state again starts another run. The event of the job's end resumes the execution. If the
        event is lost, polling every `poll_interval` detects the end. The job is cancelled when the
        execution is stopped, fails or times out, and when the run exceeds `timeout`.

        The run's data are at `result_path` for the states that follow: `JobArn`, `JobId`,
        `JobName`, `JobStatus`, `ResultsS3Uri`, `CheckpointS3Uri`, `LogGroupName`,
        `LogStreamPrefix` and `RunId`. If the job does not complete, the run fails with the
        job's reason and one of these errors: `HybridJob.Failed`, `HybridJob.Cancelled`,
        `HybridJob.Timeout`. If the job could not be started, the error is `HybridJobError`. To
        catch it, use `run.to_single_state().add_catch(…)`.

        Supports standard workflows whose states use JSONPath, which is CDK's default. The
        environment gets two rules, which all its definitions share. They invoke the handler for
        each job of the account that ends, and for each execution that is aborted.

        Args:
            scope: The scope.
            id: The id in the scope, which the states are named after.
            hyperparameters: Hyperparameters of this run. They extend or override those of the
                definition. From the execution's input: `sfn.JsonPath.string_at("$.shots")`. Do not
                pass secrets: the state machine's definition and history show them. Default: none.
            device: The ARN of this run's device, usually from the execution's input:
                `sfn.JsonPath.string_at("$.device")`. It must be one of `allowed_devices`. For any
                other, the run fails with `HybridJobError`, and no job is started. Default: the
                definition's device.
            allowed_devices: The devices that `device` may name. The role gets the permissions for
                each of them. All are in the stack's region. Default: none.
            timeout: The longest time from the job's start to its end, its queue included. It is
                checked at each poll. At most 3,500 times `poll_interval`, because the history of an
                execution has 25,000 events. Several runs of one execution share them. Default: that
                long, and at most a year.
            poll_interval: How often to poll the job, in case its event is lost. Default: 5 minutes,
                so that a run without `timeout` ends after 12 days.
            result_path: The JSONPath of the run's data. Default: `$.hybridJob`.

        Returns:
            States, to be chained with others: `sfn.Chain.start(run).next(…)`.

        Raises:
            ValidationError: An argument is invalid, or the environment belongs to another app.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_stepfunctions as sfn
            >>> from cdk_braket import ContainerImage, Device, HybridJobDefinition
            >>> stack = Stack(App(), "Chemistry")
            >>> definition = HybridJobDefinition(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> run = definition.run_job_task(
            ...     stack, "Run", hyperparameters={"shots": sfn.JsonPath.string_at("$.shots")}
            ... )
            >>> machine = sfn.StateMachine(
            ...     stack, "Nightly", definition_body=sfn.DefinitionBody.from_chainable(run)
            ... )
        """
        interval = Duration.minutes(5) if poll_interval is None else poll_interval
        given = {
            "hyperparameters": hyperparameters,
            "device": device,
            "allowed_devices": allowed_devices,
            "timeout": timeout,
            "poll_interval": poll_interval,
            "result_path": result_path,
        }
        faults = wrong_types(DefinitionRuns.run_job_task, given)
        refused = argument_names(faults)
        usable = usable_arguments(given, refused)
        values = [*wrong_task(usable["timeout"], usable["poll_interval"], usable["result_path"])]
        # Each needs the other.
        if not {name.partition("[")[0] for name in refused} & {"device", "allowed_devices"}:
            values += wrong_devices(self._definition, device, allowed_devices)
        self._refuse(f"{scope.node.path}/{id}".lstrip("/"), faults, values, usable)
        return RunJobTask(
            scope,
            id,
            self._definition,
            hyperparameters=hyperparameters or {},
            device=device,
            allowed_devices=allowed_devices,
            timeout=timeout,
            poll_interval=interval,
            result_path=result_path,
        )

    def schedule(
        self,
        id: str,
        schedule: scheduler.ScheduleExpression,
        *,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
        description: str | None = None,
        enabled: bool = True,
        start: datetime | None = None,
        end: datetime | None = None,
        time_window: scheduler.TimeWindow | None = None,
        schedule_name: str | None = None,
        schedule_group: scheduler.IScheduleGroup | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
    ) -> scheduler.Schedule:
        """Run the job on a schedule.

        Each scheduled time starts exactly one job, even if Amazon EventBridge Scheduler retries the
        delivery. Jobs do not wait for each other. If a job cannot be started, the environment's
        handler fails and logs the reason.

        Args:
            id: The schedule's id in this construct.
            schedule: The times: `scheduler.ScheduleExpression.cron(…)`, `.rate(…)` or `.at(…)`.
            hyperparameters: Hyperparameters that extend or override those of the definition.
                Default: none.
            description: The purpose of the schedule. Default: none.
            enabled: Whether the schedule starts jobs. Default: True.
            start: The time before which no job starts. Default: the deployment.
            end: The time after which no job starts. Default: none.
            time_window: The window after each scheduled time in which the job may start. Default:
                none; it starts at once.
            schedule_name: The schedule's name. Default: generated by CloudFormation.
            schedule_group: The schedule's group. Default: the account's default group.
            dead_letter_queue: Receives invocations that did not reach the handler. Default: none.

        Raises:
            ValidationError: A hyperparameter is invalid, or the environment belongs to another app.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_scheduler as scheduler
            >>> from cdk_braket import ContainerImage, Device, HybridJobDefinition
            >>> definition = HybridJobDefinition(
            ...     Stack(App(), "Chemistry"),
            ...     "Vqe",
            ...     image=ContainerImage.base(),
            ...     device=Device.local("braket/default"),
            ... )
            >>> nightly = definition.schedule(
            ...     "Nightly", scheduler.ScheduleExpression.cron(hour="2", minute="0")
            ... )
        """
        owner = self._definition.owner
        path = f"{owner.node.path}/{id}"
        given = {
            "hyperparameters": hyperparameters,
            "description": description,
            "enabled": enabled,
            "start": start,
            "end": end,
            "schedule_name": schedule_name,
            "dead_letter_queue": dead_letter_queue,
        }
        faults = wrong_types(DefinitionRuns.schedule, given)
        usable = usable_arguments(given, argument_names(faults))
        values = [
            *_wrong_period(usable["start"], usable["end"]),
            *misplaced("schedule_group", schedule_group, owner),
            *misplaced("dead_letter_queue", usable["dead_letter_queue"], owner),
        ]
        self._refuse(path, faults, values, usable)
        target = schedule_target(
            self._definition,
            path,
            hyperparameters=hyperparameters or {},
            dead_letter_queue=dead_letter_queue,
        )
        made = scheduler.Schedule(
            owner,
            id,
            schedule=schedule,
            target=target,
            description=description,
            enabled=enabled,
            start=start,
            end=end,
            time_window=time_window,
            schedule_name=schedule_name,
            schedule_group=schedule_group,
        )
        made.node.add_dependency(*self._definition.prerequisites)
        return made

    def _refuse(
        self,
        path: str,
        faults: Sequence[Issue],
        values: Iterable[Issue],
        usable: Mapping[str, Any],
    ) -> None:
        """Raise an error if an argument or a hyperparameter of a run is invalid.

        Args:
            path: The run's path.
            faults: The arguments of wrong types.
            values: The arguments of wrong values.
            usable: The arguments without those of wrong types.

        Raises:
            ValidationError: An argument is invalid.
        """
        refused = argument_names(faults)
        more = usable["hyperparameters"] or {}
        found = self._definition.hyperparameter_issues(more, refused)
        problems = [*faults, *without(values, refused), *found]
        if problems:
            raise ValidationError(path, problems)


def _wrong_period(start: datetime | None, end: datetime | None) -> Iterator[Issue]:
    if start is None or end is None:
        return
    if (start.tzinfo is None) != (end.tzinfo is None):
        rule = "expected a time zone in both start and end, or in neither"
        yield Issue("end", rule, "Use datetime(…, tzinfo=UTC) for both", end.isoformat())
    elif start >= end:
        yield Issue("end", "expected a time after start", "Swap them?", end.isoformat())
