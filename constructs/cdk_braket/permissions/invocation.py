"""Rules that invoke a handler: one permission serves all of them."""

from typing import Final, cast

import jsii
from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

_ID: Final = "BraketHybridJobRules"


@jsii.implements(events.IRuleTarget)
class HandlerTarget:
    """A handler as the target of a rule.

    CDK's own target adds a permission to the function for each rule. A function's resource policy
    has 20,480 bytes, so that about 44 alarms would fill it. Source:
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """

    def __init__(
        self,
        scope: Construct,
        function: lambda_.IFunction,
        event: events.RuleTargetInput | None = None,
    ) -> None:
        """Create the target, and the permission if it is the first one.

        Args:
            scope: A construct of the rule's stack.
            function: The handler.
            event: The event that the handler receives. Default: the rule's.
        """
        self.permission = _permission(scope, function)
        self._function = function
        self._event = event

    def bind(self, _rule: events.IRule, _id: str | None = None) -> events.RuleTargetConfig:
        """Describe the target to CDK."""
        return events.RuleTargetConfig(
            arn=self._function.function_arn, input=self._event, target_resource=self._function
        )


def _permission(scope: Construct, function: lambda_.IFunction) -> lambda_.CfnPermission:
    """Return the permission of the default bus's rules in the account and region.

    It is in the function's stack, which does not have to know the rules of other stacks. For a
    function of another app it is in the scope's.
    """
    own = isinstance(function, lambda_.Function)
    stack = Stack.of(function if own else scope)
    name = f"{_ID}{function.node.addr[-8:]}"
    existing = stack.node.try_find_child(name)
    if isinstance(existing, lambda_.CfnPermission):
        return existing
    return lambda_.CfnPermission(
        stack,
        name,
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="events.amazonaws.com",
        source_account=stack.account,
        source_arn=stack.format_arn(
            service="events",
            resource="rule",
            resource_name="*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        ),
    )


def as_target(target: HandlerTarget) -> events.IRuleTarget:
    """Type a target as CDK does."""
    return cast("events.IRuleTarget", target)
