"""The resource of a job in the template."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import jsii
from aws_cdk import (
    CfnResource,
    IStableAnyProducer,
    Lazy,
    ReferenceStrength,
    Stack,
    Token,
)
from constructs import Construct

from cdk_braket._lambda.braket_jobs.contract import RESOURCE_TYPE, Property
from cdk_braket.core.substitution import substituted_in

_DEFINITION: Final = (Property.REQUEST, Property.COPY_CHECKPOINTS_FROM, Property.RERUN_TOKEN)
_DIGEST_LENGTH: Final = 16


class JobResource(CfnResource):
    """The custom resource that the handler starts a job for."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function_arn: str,
        timeout_seconds: float,
        properties: Mapping[str, object],
    ) -> None:
        """Declare the resource.

        Args:
            scope: The scope.
            id: The id in the scope.
            function_arn: ARN of the handler.
            timeout_seconds: How long CloudFormation waits for the handler's answer.
            properties: The other properties, by the names of `Property`.
        """
        self._given = properties
        self._overrides: dict[str, object] = {}
        service = {"ServiceToken": function_arn, "ServiceTimeout": f"{timeout_seconds:g}"}
        super().__init__(scope, id, type=RESOURCE_TYPE, properties={**service, **properties})
        # A changed definition is a new job with an ARN of its own, and CloudFormation changes no
        # export that another stack imports.
        self.apply_cross_stack_reference_strength(ReferenceStrength.WEAK)

    def add_override(self, path: str, value: object = None) -> None:
        """Change the template, as in CDK; a changed definition changes its digest as well."""
        if path.startswith(tuple(f"Properties.{name}" for name in _DEFINITION)):
            self._overrides[path] = value
        super().add_override(path, value)

    def template_digest(self) -> str:
        """Return a digest that changes with the job's definition, a token of any stack."""
        return Token.as_string(Lazy.any(_Digest(self)))

    def digest_of_resolved(self, resolved: Mapping[str, object]) -> str:
        """Return the digest of the definition in resolved properties."""
        definition = [resolved.get(name) for name in _DEFINITION]
        text = json.dumps([definition, self._overrides], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]

    @property
    def given(self) -> Mapping[str, object]:
        """The properties, with tokens."""
        return self._given

    def _render_properties(self, props: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Return the properties once CDK has resolved them, as the template is to have them."""
        resolved = dict(props or {})
        digest = {Property.DEFINITION_DIGEST.value: self.digest_of_resolved(resolved)}
        return {name: substituted_in(value) for name, value in resolved.items()} | digest


@jsii.implements(IStableAnyProducer)
class _Digest:
    def __init__(self, resource: JobResource) -> None:
        self._resource = resource

    def produce(self) -> str:
        resource = self._resource
        definition = {name: resource.given.get(name.value) for name in _DEFINITION}
        return resource.digest_of_resolved(Stack.of(resource).resolve(definition))
