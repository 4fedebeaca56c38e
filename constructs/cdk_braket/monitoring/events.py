"""Rules on what happens to a hybrid job."""

from collections.abc import Sequence
from typing import Final, Protocol, cast

import jsii
from aws_cdk import Arn, ArnComponents, CustomResource, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct, IDependable

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket._lambda.braket_jobs.contract import (
    CANCELLED,
    CATCH_UP_SOURCE,
    CATCH_UP_TYPE,
    COMPLETED,
    FAILED,
    FINAL,
    JOB_EVENT_SOURCE,
    JOB_STATE_CHANGE,
    CatchUpProperty,
)
from cdk_braket.core.argument_types import checked
from cdk_braket.core.issue import Issue, shorten
from cdk_braket.core.placement import misplaced
from cdk_braket.core.plain import plain
from cdk_braket.core.timeouts import service_timeout
from cdk_braket.core.validation_error import ValidationError
from cdk_braket.permissions.statements import attach

# Source: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-braket.html
_TASK_STATE_CHANGE: Final = "Braket Task State Change"

_ENDS: Final = tuple(sorted(FINAL))


class _Job(IConstruct, Protocol):
    """What a rule has to know of a job."""

    @property
    def job_arn(self) -> str:
        """The job's ARN."""

    @property
    def job_name(self) -> str:
        """The job's name."""

    @property
    def console_url(self) -> str:
        """The job's page in the console."""

    def _replay_function(self) -> lambda_.IFunction | None:
        """What tells a rule of the job's state; None when nothing does."""

    def _properties_digest(self) -> str:
        """Text that changes with what the job is to be."""

    def on_state_change(
        self,
        id: str,
        *,
        statuses: Sequence[str] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job's state changes."""


class Events:
    """Rules on a hybrid job. Each is matched on the job's own ARN, and takes any target of CDK."""

    @checked
    def on_state_change(
        self: _Job,
        id: str,
        *,
        statuses: Sequence[str] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job's state changes.

        The event's `detail` has `jobArn` and `status`. Amazon EventBridge delivers at least once,
        and maybe out of order. A rule of a job that this app deploys hears of the job's state even
        if the job got there before the rule did: that takes a second resource, which asks for the
        state once the rule and its targets are there, and again a minute later, and puts an event
        on the default bus that only this rule matches. Such an event has the source
        `cdk-braket.<rule>`, and may be the second with the same news. A job of another app is
        heard of only from the rule on.

        Source of the event: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-braket.html

        Args:
            id: The rule's id.
            statuses: Which statuses of the API, such as `["RUNNING", "COMPLETED"]`. Default: all.
            target: What is done, from `aws_cdk.aws_events_targets`. Default: nothing yet, use
                `rule.add_target(…)`.
            description: What the rule is for. Default: none.
            rule_name: The rule's name. Default: CloudFormation makes one.
            cross_stack_scope: Where the rule is declared when the target is in another stack, to
                keep the job's stack from depending on that. Default: the job.

        Raises:
            ValidationError: A status is none of the API's.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_events_targets as targets
            >>> from aws_cdk import aws_sqs as sqs
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> stack = Stack(App(), "Chemistry")
            >>> job = HybridJob(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> queue = sqs.Queue(stack, "Changes", enforce_ssl=True)
            >>> rule = job.on_state_change("Changed", target=targets.SqsQueue(queue))
        """
        wanted = _statuses(f"{self.node.path}/{id}", "JobPrimaryStatus", statuses)
        _refuse_elsewhere(self, f"{self.node.path}/{id}", cross_stack_scope)
        detail: dict[str, object] = {"jobArn": [self.job_arn]}
        if statuses is not None:
            detail["status"] = wanted
        rule = JobRule(
            self, id, description=description, rule_name=rule_name, outside=cross_stack_scope
        )
        source = f"{CATCH_UP_SOURCE}{rule.node.addr}"
        function = self._replay_function()
        rule.add_event_pattern(
            source=[JOB_EVENT_SOURCE] if function is None else [JOB_EVENT_SOURCE, source],
            detail_type=[JOB_STATE_CHANGE],
            detail=detail,
        )
        if function is not None:
            rule.comes_before(_catch_up(self, rule, function, source, wanted))
        if target is not None:
            rule.add_target(target)
        return rule

    @checked
    def on_completed(
        self: _Job,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job completed; see `on_state_change`.

        Args:
            id: The rule's id.
            target: What is done. Default: nothing yet.
            description: What the rule is for. Default: none.
            rule_name: The rule's name. Default: CloudFormation makes one.
            cross_stack_scope: Where the rule is declared when the target is in another stack.
        """
        return self.on_state_change(
            id,
            statuses=[COMPLETED],
            target=target,
            description=description,
            rule_name=rule_name,
            cross_stack_scope=cross_stack_scope,
        )

    @checked
    def on_failed(
        self: _Job,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job failed; see `on_state_change`.

        Args:
            id: The rule's id.
            target: What is done. Default: nothing yet.
            description: What the rule is for. Default: none.
            rule_name: The rule's name. Default: CloudFormation makes one.
            cross_stack_scope: Where the rule is declared when the target is in another stack.
        """
        return self.on_state_change(
            id,
            statuses=[FAILED],
            target=target,
            description=description,
            rule_name=rule_name,
            cross_stack_scope=cross_stack_scope,
        )

    @checked
    def on_cancelled(
        self: _Job,
        id: str,
        *,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the job was cancelled; see `on_state_change`.

        Args:
            id: The rule's id.
            target: What is done. Default: nothing yet.
            description: What the rule is for. Default: none.
            rule_name: The rule's name. Default: CloudFormation makes one.
            cross_stack_scope: Where the rule is declared when the target is in another stack.
        """
        return self.on_state_change(
            id,
            statuses=[CANCELLED],
            target=target,
            description=description,
            rule_name=rule_name,
            cross_stack_scope=cross_stack_scope,
        )

    @checked
    def on_task_state_change(
        self: _Job,
        id: str,
        *,
        statuses: Sequence[str] | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        rule_name: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have something done when the state of one of the job's quantum tasks changes.

        Such an event does not name the job. It is told by where the task's results go: the folder
        that the SDK takes by itself in a job, `jobs/<job name>/tasks`. Tasks for which the script
        names another place are not matched, and those of another job of the same name are. What
        happened before there was the rule is not made good for. *Unverified*: that the service
        gives a job's tasks that folder.

        Source of the event's fields:
        https://docs.aws.amazon.com/braket/latest/developerguide/braket-monitor-eventbridge.html

        Args:
            id: The rule's id.
            statuses: Which statuses of the API, such as `["FAILED"]`. Default: all.
            target: What is done. Default: nothing yet.
            description: What the rule is for. Default: none.
            rule_name: The rule's name. Default: CloudFormation makes one.
            cross_stack_scope: Where the rule is declared when the target is in another stack.

        Raises:
            ValidationError: A status is none of the API's, or the job's name is not known.
        """
        wanted = _statuses(f"{self.node.path}/{id}", "QuantumTaskStatus", statuses)
        _refuse_elsewhere(self, f"{self.node.path}/{id}", cross_stack_scope)
        folder = f"jobs/{self.job_name}/tasks/"
        detail: dict[str, object] = {"outputS3Directory": events.Match.prefix(folder)}
        if statuses is not None:
            detail["status"] = wanted
        rule = JobRule(
            self, id, description=description, rule_name=rule_name, outside=cross_stack_scope
        )
        rule.add_event_pattern(
            source=[JOB_EVENT_SOURCE], detail_type=[_TASK_STATE_CHANGE], detail=detail
        )
        if target is not None:
            rule.add_target(target)
        return rule

    @checked
    def notify(
        self: _Job,
        topic: sns.ITopic,
        *,
        statuses: Sequence[str] = _ENDS,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """Have a topic told, in a sentence, when the job is over.

        The topic lets EventBridge publish, and its key, if it has one that is known, lets
        EventBridge use it. A topic that is imported is left as it is, and has to allow both.

        Args:
            topic: The topic: a standard one, of the job's account and region.
            statuses: Which statuses of the API. Default: those that a job never leaves.
            cross_stack_scope: Where the rule is declared when the topic is in another stack.
                Default: the job.

        Raises:
            ValidationError: The topic is a FIFO topic, or a status is none of the API's.

        Example:
            >>> from aws_cdk import App, Stack
            >>> from aws_cdk import aws_sns as sns
            >>> from cdk_braket import ContainerImage, Device, HybridJob
            >>> stack = Stack(App(), "Chemistry")
            >>> job = HybridJob(
            ...     stack, "Vqe", image=ContainerImage.base(), device=Device.local("braket/default")
            ... )
            >>> rule = job.notify(sns.Topic(stack, "Ends"))
        """
        if topic.fifo:
            text = "EventBridge reaches no FIFO topic"
            raise ValidationError(self.node.path, [Issue("topic", text, "Use a standard one")])
        if issues := list(misplaced("topic", topic, cross_stack_scope or self)):
            raise ValidationError(self.node.path, issues)
        arn = events.EventField.from_path("$.detail.jobArn")
        status = events.EventField.from_path("$.detail.status")
        sentence = f"The hybrid job {arn} is {status}. See {self.console_url}"
        if topic.master_key is not None:
            # Conditions on the source would keep EventBridge out. Source:
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
            topic.master_key.grant(
                iam.ServicePrincipal("events.amazonaws.com"), "kms:Decrypt", "kms:GenerateDataKey"
            )
        return self.on_state_change(
            f"Notify{self.node.addr[-8:]}{topic.node.addr[-8:]}",
            statuses=statuses,
            target=targets.SnsTopic(topic, message=events.RuleTargetInput.from_text(sentence)),
            cross_stack_scope=cross_stack_scope,
        )


def allow_events(scope: Construct, function: lambda_.IFunction) -> iam.Policy | None:
    """Allow a function to tell rules of jobs.

    Source of the resource and the conditions:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html

    Args:
        scope: Who needs it.
        function: The function; one of another app is left as it is.

    Returns:
        What has to be there before the function can.
    """
    bus = Arn.format(
        ArnComponents(service="events", resource="event-bus", resource_name="default"),
        Stack.of(function),
    )
    statement = iam.PolicyStatement(
        actions=["events:PutEvents"],
        resources=[bus],
        conditions={
            # Both have a value for each event of a call. Without events, all values would match.
            "ForAllValues:StringEquals": {"events:detail-type": JOB_STATE_CHANGE},
            "ForAllValues:StringLike": {"events:source": f"{CATCH_UP_SOURCE}*"},
            "Null": {"events:detail-type": "false", "events:source": "false"},
        },
    )
    return attach(scope, function.role, [statement])


def _statuses(path: str, shape: str, statuses: Sequence[str] | None) -> list[str]:
    """Return the statuses, all of them when none was named.

    Raises:
        ValidationError: One is none of the API's.
    """
    known = model_rules.enum_values(shape)
    wanted = known if statuses is None else [str(plain(each)) for each in statuses]
    problems = [
        Issue("statuses", f"is no {shape}", f"Use {', '.join(known)}", shorten(each))
        for each in wanted
        if each not in known
    ]
    if not wanted:
        rule = "is empty, so that nothing would match"
        problems.append(Issue("statuses", rule, "Leave it out for all"))
    if problems:
        raise ValidationError(path.lstrip("/"), problems)
    return sorted(wanted)


def _refuse_elsewhere(job: _Job, path: str, outside: Construct | None) -> None:
    """Refuse a rule in another region than its job: the job's events are on its region's bus."""
    argument = "job" if outside is None else "cross_stack_scope"
    if issues := list(misplaced(argument, job, outside or job)):
        raise ValidationError(path.lstrip("/"), issues)


def _catch_up(
    job: _Job, rule: events.Rule, function: lambda_.IFunction, source: str, statuses: Sequence[str]
) -> CustomResource:
    scope = cast("Construct", rule.node.scope)
    properties = {
        CatchUpProperty.JOB_ARN: job.job_arn,
        CatchUpProperty.EVENT_SOURCE: source,
        CatchUpProperty.STATUSES: " ".join(statuses),
    }
    if Stack.of(scope) is not Stack.of(job):
        properties[CatchUpProperty.DEFINITION] = job._properties_digest()  # noqa: SLF001 - internal to this library
    resource = CustomResource(
        scope,
        f"{rule.node.id}CatchUp",
        resource_type=CATCH_UP_TYPE,
        service_token=function.function_arn,
        service_timeout=service_timeout(0),
        properties={name.value: value for name, value in properties.items()},
    )
    allowed = allow_events(scope, function)
    resource.node.add_dependency(rule, *([] if allowed is None else [allowed]))
    return resource


class JobRule(events.Rule):
    """A rule whose catch-up comes after all its targets: else they might miss the event."""

    def __init__(
        self,
        scope: IConstruct,
        id: str,
        *,
        description: str | None,
        rule_name: str | None,
        outside: Construct | None,
    ) -> None:
        super().__init__(
            cast("Construct", scope),
            id,
            description=description,
            rule_name=rule_name,
            cross_stack_scope=outside,
            # A rule without a pattern is refused; the caller adds it at once.
            event_pattern=events.EventPattern(source=[JOB_EVENT_SOURCE]),
        )
        self._after: Construct | None = None

    def comes_after(self, before: IDependable) -> None:
        """Have something there before the rule is told what it missed."""
        if self._after is not None:
            self._after.node.add_dependency(before)

    def comes_before(self, after: Construct) -> None:
        """Have something come after the rule's targets, which may be added later."""
        self._after = after

    @jsii.member(jsii_name="addTarget")
    def add_target(self, target: events.IRuleTarget | None = None) -> None:
        """Add a target."""
        if target is None:
            return
        if self._after is None:
            super().add_target(target)
            return
        super().add_target(cast("events.IRuleTarget", _Followed(target, self._after)))


@jsii.implements(events.IRuleTarget)
class _Followed:
    """A target after whose resource, and its permissions, something else comes."""

    def __init__(self, target: events.IRuleTarget, after: IConstruct) -> None:
        self._target = target
        self._after = after

    def bind(self, rule: events.IRule, id: str | None = None) -> events.RuleTargetConfig:
        config = self._target.bind(rule, id)
        resource = config.target_resource
        if resource is not None:
            self._after.node.add_dependency(cast("IDependable", resource))
        return config
