"""A hybrid job that a deployment defines and does not run."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import jsii
from aws_cdk import Duration, ITaggableV2, RemovalPolicy, Resource
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_braket.core.argument_types import wrong_types
from cdk_braket.core.issue import Issue, argument_names, without
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import Hyperparameter
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.interfaces import IHybridJobEnvironment
from cdk_braket.request.algorithm_script import AlgorithmScript
from cdk_braket.request.checkpoint_source import CheckpointSource
from cdk_braket.request.container_image import ContainerImage
from cdk_braket.request.device import Device
from cdk_braket.request.input_channel import InputChannel
from cdk_braket.request.job_options import Checkpoint, Distribution, InstanceConfig, OutputData
from cdk_braket.validation.preflight import PreflightCheck
from cdk_braket.validation.usable_arguments import usable_arguments

from .arguments import JobArguments
from .binding import BoundJob, JobConstruct, prepare
from .workflows import RunJobTask, schedule_target, wrong_task


@jsii.implements(ITaggableV2, iam.IGrantable)
class HybridJobDefinition(JobConstruct, Resource):
    """A hybrid job that a deployment defines and does not run.

    A deployment creates everything that the job needs: scripts, inputs, roles, permissions.
    Problems of the job are reported at synth, as for `HybridJob`, which the deployment also runs.

    Example:
        >>> from aws_cdk import App, Duration, Stack
        >>> from cdk_braket import AlgorithmScript, Device, HybridJobDefinition
        >>> definition = HybridJobDefinition(
        ...     Stack(App(), "Chemistry"),
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     device=Device.local("braket/default"),
        ...     max_runtime=Duration.minutes(10),
        ... )
        >>> definition.results_prefix
        'jobs/Chemistry-Vqe/'
    """

    __module__ = "cdk_braket"

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        device: Device,
        algorithm: AlgorithmScript | None = None,
        image: ContainerImage | None = None,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
        input_data: Mapping[str, InputChannel] | None = None,
        output_data: OutputData | None = None,
        checkpoint: Checkpoint | None = None,
        copy_checkpoints_from: CheckpointSource | None = None,
        instance: InstanceConfig | None = None,
        distribution: Distribution | Literal["data_parallel"] | None = None,
        max_runtime: Duration | None = None,
        job_name: str | None = None,
        reservation_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        role: iam.IRole | None = None,
        environment: IHybridJobEnvironment | None = None,
        isolated: bool = False,
        removal_policy: RemovalPolicy | None = None,
        disabled_checks: Collection[PreflightCheck] = (),
    ) -> None:
        """Declare the definition of a hybrid job.

        Args:
            scope: The scope.
            id: The id in the scope.
            device: The device that the jobs have priority on. Jobs run in their device's region.
            algorithm: The script. Default: none; `image` runs alone.
            image: The container. Default: Braket's base image for a script.
            hyperparameters: The arguments of the script, as for `HybridJob`. Default: none.
            input_data: Input channels by name. Default: none.
            output_data: The location of the results. Default: `jobs/<job name>/<run id>/data` in
                the environment's results bucket.
            checkpoint: The location of the checkpoints. Default: the Braket SDK's folder, and
                `jobs/<job name>/<run id>/checkpoints` in the environment's results bucket.
            copy_checkpoints_from: Checkpoints that each job resumes from. Default: none.
            instance: The instances to run on. Default: one ml.m5.large, as in the Braket SDK.
            distribution: How to distribute the script over the instances:
                `Distribution.DATA_PARALLEL` or its value. Default: no distribution.
            max_runtime: The longest time that a job may run. The API limits it. Default: the limit
                of the service.
            job_name: A display name. It does not have to be unique. Default: the end of the
                construct's path and an id of the run.
            reservation_arn: ARN of a reservation of the device. Default: none.
            tags: The jobs' tags, besides those of the stack. Default: none.
            role: The execution role, as for `HybridJob`. Default: the environment's.
            environment: The buckets, key, role and handler to share with other jobs. Default: a new
                environment.
            isolated: Whether the jobs get a separate role in their environment. That role can
                access only their inputs, results and checkpoints. Default: the shared role.
            removal_policy: Whether to keep or destroy buckets, key and logs when the definition
                leaves the stack, as for `HybridJob`. Default: RETAIN.
            disabled_checks: Checks of the script that are turned off. Default: none.

        Raises:
            ValidationError: The service would refuse the job, or the script would fail in the
                container. All problems are reported at once, before anything is created.
        """
        arguments = JobArguments(
            device=device,
            algorithm=algorithm,
            image=image,
            hyperparameters=hyperparameters,
            input_data=input_data,
            output_data=output_data,
            checkpoint=checkpoint,
            copy_checkpoints_from=copy_checkpoints_from,
            instance=instance,
            distribution=distribution,
            max_runtime=max_runtime,
            job_name=job_name,
            reservation_arn=reservation_arn,
            tags=tags,
            role=role,
            environment=environment,
            isolated=isolated,
            removal_policy=removal_policy,
            disabled_checks=disabled_checks,
        )
        prepared = prepare(HybridJobDefinition, scope, id, arguments)
        super().__init__(scope, id)
        self._definition = BoundJob(self, prepared)

    def run_job_task(
        self,
        scope: Construct,
        id: str,
        *,
        hyperparameters: Mapping[str, Hyperparameter] | None = None,
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
            timeout: The longest time from the job's start to its end, its queue included. It is
                checked at each poll. At most 3,500 times `poll_interval`, because the history of an
                execution has 25,000 events. Default: that long, and at most a year.
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
            "timeout": timeout,
            "poll_interval": poll_interval,
            "result_path": result_path,
        }
        faults = wrong_types(HybridJobDefinition.run_job_task, given)
        refused = argument_names(faults)
        usable = usable_arguments(given, refused)
        values = wrong_task(usable["timeout"], usable["poll_interval"], usable["result_path"])
        self._refuse(f"{scope.node.path}/{id}".lstrip("/"), faults, values, usable)
        return RunJobTask(
            scope,
            id,
            self._definition,
            hyperparameters=hyperparameters or {},
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
        path = f"{self.node.path}/{id}"
        given = {
            "hyperparameters": hyperparameters,
            "description": description,
            "enabled": enabled,
            "start": start,
            "end": end,
            "schedule_name": schedule_name,
            "dead_letter_queue": dead_letter_queue,
        }
        faults = wrong_types(HybridJobDefinition.schedule, given)
        usable = usable_arguments(given, argument_names(faults))
        values = [
            *_wrong_period(usable["start"], usable["end"]),
            *misplaced("schedule_group", schedule_group, self),
            *misplaced("dead_letter_queue", usable["dead_letter_queue"], self),
        ]
        self._refuse(path, faults, values, usable)
        target = schedule_target(
            self._definition,
            path,
            hyperparameters=hyperparameters or {},
            dead_letter_queue=dead_letter_queue,
        )
        made = scheduler.Schedule(
            self,
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
        rule = "start and end must both have a time zone, or neither"
        yield Issue("end", rule, "Use datetime(…, tzinfo=UTC) for both", end.isoformat())
    elif start >= end:
        yield Issue("end", "must be later than start", "Swap them?", end.isoformat())
