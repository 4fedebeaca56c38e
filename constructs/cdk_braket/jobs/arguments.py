"""The arguments of a job, as a user gives them: the one list that all steps read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam

from cdk_braket.interfaces import IHybridJobEnvironment
from cdk_braket.request.create_job import RequestArguments
from cdk_braket.validation.preflight import PreflightCheck


@dataclass(frozen=True, kw_only=True)
class JobArguments(RequestArguments):
    """The arguments of `HybridJobDefinition`, not checked; its docstring describes each.

    `HybridJob` has these, and those of its resource.
    """

    tags: Mapping[str, str] | None
    role: iam.IRole | None
    environment: IHybridJobEnvironment | None
    isolated: bool
    removal_policy: RemovalPolicy | None
    disabled_checks: Collection[PreflightCheck]
