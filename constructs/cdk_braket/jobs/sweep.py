"""A sweep: one hybrid job for each point of a set of hyperparameters."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from aws_cdk import ArnFormat, CfnResource, Duration, Resource, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct, IConstruct

from cdk_braket._lambda.braket_jobs.contract import (
    SWEEP_RUN,
    SWEEP_TYPE,
    SWEEPS,
    Property,
    SweepAttribute,
    SweepProperty,
)
from cdk_braket.core import s3_location
from cdk_braket.core.argument_types import checked, wrong_types
from cdk_braket.core.durations import seconds_of
from cdk_braket.core.issue import Issue, argument_names, shorten, without
from cdk_braket.core.keys import READ_ACTIONS, WRITE_ACTIONS, key_statements
from cdk_braket.core.memo import (
    bucket_arn_of,
    bucket_name_of,
    encryption_key_of,
    function_arn_of,
    path_of,
    role_of,
    stack_of,
)
from cdk_braket.core.naming import description, stack_uuid
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import Hyperparameter
from cdk_braket.core.statement import Statement
from cdk_braket.core.timeouts import service_timeout
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.environment.handler_function import read_assets_statement
from cdk_braket.permissions.managed_policy_role import OwnRole, permissions_of
from cdk_braket.permissions.statements import attach
from cdk_braket.request.create_job import label_from
from cdk_braket.request.sweep_points import Grid, PointsFormat, SweepPoints

from .binding import BoundJob, records_uri, scratch_of
from .hybrid_job import HybridJobDefinition
from .sweep_arguments import CheckedPoints, checked_points, wrong_limits
from .sweep_states import DEFAULT_CONCURRENCY, LABEL, SweepSettings, sweep_states
from .workflows import handler_of

# What a ResultWriter needs. Source:
# https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
_WRITER_ACTIONS: Final = (
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
_WRITER_KEY_ACTIONS: Final = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
_EXECUTION_ACTIONS: Final = ("states:DescribeExecution", "states:StopExecution")
# The name of a state machine has at most 80 characters. Source:
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
_LONGEST_LABEL: Final = 34


class HybridJobSweep(Resource):
    """Runs a hybrid job for each point of a set of hyperparameters.

    AWS Step Functions runs the points as a Distributed Map: at most `max_concurrency` at once, each
    as a separate execution. Starts that Amazon Braket refuses for its rate or for a quota are
    repeated with jitter. Each point is one job: another execution, or a redrive, finds the jobs
    that exist, skips the completed ones and runs the failed ones again. When the sweep's execution
    is stopped or fails, its jobs are cancelled.

    In the end, `table.csv` has one row for each point: parameters, status, job, results, duration
    and instance hours. It also has the numbers that the script saved with `save_job_result`.

    Start the sweep by the deployment (`start_on_deploy`), by a `schedule`, from another state
    machine (`start_task`) or by hand.

    Example:
        >>> from aws_cdk import App, Duration, Stack
        >>> from cdk_braket import (
        ...     AlgorithmScript, Device, Grid, HybridJobDefinition, HybridJobSweep
        ... )
        >>> stack = Stack(App(), "Chemistry")
        >>> definition = HybridJobDefinition(
        ...     stack,
        ...     "Vqe",
        ...     algorithm=AlgorithmScript.from_asset(
        ...         "examples/h2_vqe/algorithm", entry_point="algorithm.vqe:main"
        ...     ),
        ...     device=Device.local("braket/default"),
        ...     max_runtime=Duration.minutes(10),
        ... )
        >>> sweep = HybridJobSweep(
        ...     stack,
        ...     "Sweep",
        ...     definition=definition,
        ...     parameters=Grid(shots=[0, 100], seed=range(1, 4)),
        ...     tolerated_failure_percentage=10,
        ... )
        >>> sweep.points
        6
    """

    __module__ = "cdk_braket"

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        definition: HybridJobDefinition,
        parameters: Grid | SweepPoints | Iterable[Mapping[str, Hyperparameter]],
        max_concurrency: int = DEFAULT_CONCURRENCY,
        tolerated_failure_percentage: float | None = None,
        tolerated_failure_count: int | None = None,
        poll_interval: Duration | None = None,
        start_on_deploy: bool = False,
    ) -> None:
        """Declare a sweep.

        Args:
            scope: The scope.
            id: The id in the scope.
            definition: The job that runs for each point.
            parameters: The points: hyperparameters that extend or override those of the definition.
                A `Grid`, any iterable of mappings, or a file. They are an asset, so that the
                template does not grow with them. Do not pass secrets: they are stored in plain
                text.
            max_concurrency: How many points run at once, from 1 to 10,000. Amazon Braket queues or
                refuses jobs beyond the account's quota. Default: 5, the quota of a new account.
            tolerated_failure_percentage: The percentage of points that may fail, from 0 to 100,
                before the sweep fails and its other jobs are cancelled. Default: 0.
            tolerated_failure_count: The same as a number of points. If you pass both, the first
                one that is exceeded fails the sweep. Default: none.
            poll_interval: How often to poll each job, in case the event of its end is lost. A point
                that is not over after 2,500 polls is cancelled. Default: 5 minutes.
            start_on_deploy: Whether the deployment starts the sweep, and starts it again whenever
                the points or the definition change. Removing the sweep from the stack then stops
                it. Default: False.

        Raises:
            ValidationError: An argument or a point is invalid, or the environment belongs to
                another app. All problems are reported at once, before anything is created.
        """
        path = f"{path_of(scope)}/{id}".lstrip("/")
        if isinstance(parameters, Iterator):
            parameters = list(parameters)  # read more than once below
        given: dict[str, object] = {
            "definition": definition,
            "parameters": parameters,
            "max_concurrency": max_concurrency,
            "tolerated_failure_percentage": tolerated_failure_percentage,
            "tolerated_failure_count": tolerated_failure_count,
            "poll_interval": poll_interval,
            "start_on_deploy": start_on_deploy,
        }
        interval = Duration.minutes(5) if poll_interval is None else poll_interval
        faults = _wrong_types(given)
        refused = argument_names(faults)
        limits = without(
            wrong_limits(
                max_concurrency, tolerated_failure_percentage, tolerated_failure_count, interval
            ),
            refused,
        )
        placed = [] if "definition" in refused else misplaced("definition", definition, scope)
        points = CheckedPoints()
        if not refused & {"definition", "parameters"}:
            points = checked_points(_bound(definition), parameters)
        problems = [*faults, *limits, *placed, *points.problems]
        if problems:
            raise ValidationError(path, problems)
        function = handler_of(_bound(definition), path)
        super().__init__(scope, id)
        self._given_definition = definition
        self._definition = _bound(definition)
        self._prefix = f"{SWEEPS}/{label_from(path)}-{self.node.addr[-8:]}"
        self._number = None if points.points == [] else len(points.points)
        bucket, key, form = self._source(parameters, points)
        # A name that is known before the state machine exists, so that the policies of its own role
        # and of the handler's can contain it.
        label = label_from(path)[-_LONGEST_LABEL:].lstrip("-")
        name = f"{label}-{self.node.addr[-8:]}-{stack_uuid(stack_of(self))}"
        role = self._role(bucket, key, name)
        settings = SweepSettings(
            partition=stack_of(self).partition,
            function_arn=function_arn_of(function),
            points=(bucket_name_of(bucket), key),
            format=form,
            results=(bucket_name_of(self.results_bucket), self._prefix),
            records=records_uri(self._definition.environment),
            properties=self._definition.properties(),
            max_concurrency=max_concurrency,
            tolerated=_tolerated(tolerated_failure_percentage, tolerated_failure_count),
            poll_seconds=seconds_of(interval),
        )
        self._machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=name,
            definition_body=sfn.DefinitionBody.from_string(
                stack_of(self).to_json_string(sweep_states(settings))
            ),
            role=role,
        )
        starts = _start_statements(*self._arns(name)) if start_on_deploy else []
        allowed = [self._allow_handler(function, starts), permissions_of(role)]
        self._prerequisites = [
            *self._definition.prerequisites,
            *(each for each in allowed if each is not None),
        ]
        self._resource = (
            self._start(function, f"s3://{bucket_name_of(bucket)}/{key}")
            if start_on_deploy
            else None
        )

    @property
    def definition(self) -> HybridJobDefinition:
        """The job that runs for each point."""
        return self._given_definition

    @property
    def state_machine(self) -> sfn.IStateMachine:
        """The state machine: for `grant_start_execution`, metrics and events."""
        return self._machine

    @property
    def points(self) -> int | None:
        """The number of points; None if they are in S3 and known to no one at synth."""
        return self._number

    @property
    def results_bucket(self) -> s3.IBucket:
        """The bucket of the tables."""
        return self._definition.environment.results_bucket

    @property
    def results_prefix(self) -> str:
        """The prefix of the keys of all tables.

        The table of an execution is at `<prefix>/<id of the Map Run>/table.csv`.
        """
        return self._prefix

    @property
    def execution_arn(self) -> str:
        """The ARN of the execution that the deployment has started, a token.

        Raises:
            ValidationError: The deployment does not start the sweep.
        """
        if self._resource is None:
            rule = "is known only to a deployment that starts the sweep"
            issue = Issue("execution_arn", rule, "Use start_on_deploy=True")
            raise ValidationError(self.node.path, [issue])
        return Token.as_string(self._resource.get_att(SweepAttribute.EXECUTION_ARN.value))

    @checked
    def schedule(
        self,
        id: str,
        schedule: scheduler.ScheduleExpression,
        *,
        enabled: bool = True,
    ) -> scheduler.Schedule:
        """Run all points on a schedule.

        Each scheduled time is a separate run, which starts all points again. A delivery that
        Amazon EventBridge Scheduler repeats starts no job twice.

        Args:
            id: The schedule's id in this construct.
            schedule: The times: `scheduler.ScheduleExpression.cron(…)`, `.rate(…)` or `.at(…)`.
            enabled: Whether the schedule starts the sweep. Default: True.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_scheduler as scheduler
            >>> from cdk_braket import ContainerImage, Device, Grid
            >>> from cdk_braket import HybridJobDefinition, HybridJobSweep
            >>> stack = Stack(App(), "Chemistry")
            >>> definition = HybridJobDefinition(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> sweep = HybridJobSweep(
            ...     stack, "Sweep", definition=definition, parameters=Grid(seed=[1, 2])
            ... )
            >>> sundays = scheduler.ScheduleExpression.cron(week_day="SUN", hour="2", minute="0")
            >>> weekly = sweep.schedule("Weekly", sundays)
        """
        time = scheduler.ContextAttribute.scheduled_time
        target = scheduler_targets.StepFunctionsStartExecution(
            self._machine,
            input=scheduler.ScheduleTargetInput.from_object({SWEEP_RUN: time}),
        )
        made = scheduler.Schedule(
            self,
            id,
            schedule=schedule,
            target=cast("scheduler.IScheduleTarget", target),
            enabled=enabled,
        )
        made.node.add_dependency(*self._prerequisites)
        return made

    @checked
    def start_task(
        self, scope: Construct, id: str, *, run: str | None = None
    ) -> tasks.StepFunctionsStartExecution:
        """Run the sweep from another state machine, and wait for it.

        The output has the summary and the location of the table: `$.Output.TableS3Uri`.

        Args:
            scope: The scope of the state.
            id: The state's id and name.
            run: The name of this run, such as `sfn.JsonPath.execution_name`. Runs of the same name
                share their jobs. Default: the run that the deployment starts.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_stepfunctions as sfn
            >>> from cdk_braket import ContainerImage, Device, Grid
            >>> from cdk_braket import HybridJobDefinition, HybridJobSweep
            >>> stack = Stack(App(), "Chemistry")
            >>> definition = HybridJobDefinition(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> sweep = HybridJobSweep(
            ...     stack, "Sweep", definition=definition, parameters=Grid(seed=[1, 2])
            ... )
            >>> task = sweep.start_task(stack, "RunSweep", run=sfn.JsonPath.execution_name)
            >>> machine = sfn.StateMachine(
            ...     stack, "Study", definition_body=sfn.DefinitionBody.from_chainable(task)
            ... )
        """
        return tasks.StepFunctionsStartExecution(
            scope,
            id,
            state_machine=self._machine,
            integration_pattern=sfn.IntegrationPattern.RUN_JOB,
            input=sfn.TaskInput.from_object({} if run is None else {SWEEP_RUN: run}),
        )

    # --- What the sweep consists of. ---

    def _source(self, given: object, points: CheckedPoints) -> tuple[s3.IBucket, str, PointsFormat]:
        """Return where the points are, and in which format."""
        if isinstance(given, SweepPoints) and given.bucket is not None:
            return given.bucket, given.given, given._format() or PointsFormat.JSON  # noqa: SLF001
        folder = scratch_of(self)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"points-{self.node.addr}.json"
        file.write_text(points.text(), encoding="utf-8")
        asset = s3_assets.Asset(self, "Points", path=str(file))
        return asset.bucket, asset.s3_object_key, PointsFormat.JSON

    def _role(self, bucket: s3.IBucket, key: str, name: str) -> OwnRole:
        role = OwnRole(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description=description("Runs the sweep", self.node.path),
        )
        function = self._definition.environment.handler_function
        is_asset = path_of(bucket).startswith(path_of(self))
        source = bucket_arn_of(bucket)
        machine, executions = self._arns(name)
        role.allow(
            [
                Statement(actions=["lambda:InvokeFunction"], resources=[function_arn_of(function)]),
                read_assets_statement(source)
                if is_asset
                else s3_location.objects_statement(["s3:GetObject"], source, [key]),
                *key_statements([encryption_key_of(bucket)], READ_ACTIONS),
                s3_location.objects_statement(
                    list(_WRITER_ACTIONS),
                    bucket_arn_of(self.results_bucket),
                    [f"{self._prefix}/*"],
                ),
                *key_statements([encryption_key_of(self.results_bucket)], _WRITER_KEY_ACTIONS),
                # It runs child executions of itself. Source:
                # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
                Statement(actions=["states:StartExecution"], resources=[machine]),
                Statement(actions=list(_EXECUTION_ACTIONS), resources=[f"{executions}:*"]),
                Statement(
                    actions=["states:RedriveExecution"], resources=[f"{executions}/{LABEL}:*"]
                ),
            ]
        )
        return role

    def _arns(self, name: str) -> tuple[str, str]:
        """Return the ARN of the state machine, and the start of those of its executions."""
        machine, executions = (
            stack_of(self).format_arn(
                service="states",
                resource=kind,
                resource_name=name,
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for kind in ("stateMachine", "execution")
        )
        return machine, executions

    def _allow_handler(
        self, function: lambda_.IFunction, starts: list[Statement]
    ) -> IConstruct | None:
        """Allow the handler to read the results of the points, and to write the table."""
        results = self._definition.results_location
        statements = [
            s3_location.objects_statement(
                ["s3:GetObject"],
                results.bucket_arn,
                [f"{s3_location.literal(self._definition.results_prefix)}*"],
            ),
            *key_statements(results.keys, READ_ACTIONS),
            s3_location.objects_statement(
                ["s3:GetObject", "s3:PutObject"],
                bucket_arn_of(self.results_bucket),
                [f"{self._prefix}/*"],
            ),
            *key_statements([encryption_key_of(self.results_bucket)], WRITE_ACTIONS),
            *starts,
        ]
        role = role_of(function)
        policy = attach(self, role, statements)
        return policy if policy or role is None else permissions_of(role)

    def _start(self, function: lambda_.IFunction, points: str) -> CfnResource:
        """Declare the resource that starts the sweep in a deployment."""
        definition = self._definition.properties()
        kept = (Property.REQUEST, Property.COPY_CHECKPOINTS_FROM)
        resource = CfnResource(
            self,
            "Start",
            type=SWEEP_TYPE,
            properties={
                "ServiceToken": function_arn_of(function),
                "ServiceTimeout": f"{service_timeout(0):g}",
                SweepProperty.STATE_MACHINE.value: self._machine.state_machine_arn,
                SweepProperty.POINTS.value: points,
                SweepProperty.RECORDS.value: records_uri(self._definition.environment),
                **{key.value: definition[key.value] for key in kept if key.value in definition},
            },
        )
        resource.node.add_dependency(*self._prerequisites, self._machine)
        return resource


def _wrong_types(given: Mapping[str, object]) -> list[Issue]:
    """Return the arguments of wrong types; the points of an iterable are checked later."""
    others = {name: value for name, value in given.items() if name != "parameters"}
    found = wrong_types(HybridJobSweep.__init__, others)
    parameters = given["parameters"]
    is_list = isinstance(parameters, Iterable) and not isinstance(parameters, str | Mapping)
    if not is_list and not isinstance(parameters, SweepPoints):
        kind = "a string" if isinstance(parameters, str) else type(parameters).__name__
        rule = f"expected a list of points, got {kind}"
        fix = "Use a Grid, a list of mappings, or SweepPoints.from_asset(…) for a file"
        found.append(Issue("parameters", rule, fix, shorten(str(parameters))))
    return found


def _start_statements(machine: str, executions: str) -> list[Statement]:
    """Return the permissions to start a sweep in a deployment, and to stop it."""
    return [
        Statement(actions=["states:ListExecutions", "states:StartExecution"], resources=[machine]),
        Statement(actions=list(_EXECUTION_ACTIONS), resources=[f"{executions}:*"]),
    ]


def _bound(definition: HybridJobDefinition) -> BoundJob:
    return definition._definition  # noqa: SLF001 - internal to this library


def _tolerated(percentage: float | None, count: int | None) -> dict[str, float]:
    members = {"ToleratedFailurePercentage": percentage, "ToleratedFailureCount": count}
    return {name: value for name, value in members.items() if value is not None}
