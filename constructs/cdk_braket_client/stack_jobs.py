"""The jobs of a CloudFormation stack, by their construct paths."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import RESOURCE_TYPE

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

NESTED_STACK: Final = "AWS::CloudFormation::Stack"
_PATH: Final = "aws:cdk:path"
# The path of the resource below the job's construct.
_IN_JOB: Final = "/Resource/Default"

# Templates and their parts are JSON of any shape.
Json = Any


Key = tuple[str, ...]
"""The logical ids that lead to a job: of the nested stacks around it, then its own."""


@dataclass(frozen=True, slots=True)
class StackJob:
    """A job that a stack holds.

    Attributes:
        key: The logical ids that lead to its resource.
        path: The construct path, such as `Chemistry/Vqe`. The logical id if the template has none.
        physical_id: The physical id: the job's ARN, unless the resource was never created.
        resource: The resource in the deployed template; empty if that is not JSON.
    """

    key: Key
    path: str
    physical_id: str
    resource: Mapping[str, Json]

    @property
    def logical_id(self) -> str:
        """The logical id of the resource."""
        return self.key[-1]

    @property
    def job_arn(self) -> str | None:
        """The job's ARN; None if the resource has no job."""
        return self.physical_id if ":job/" in self.physical_id else None


def jobs_of_stack(
    cloudformation: "CloudFormationClient", stack_name: str, parents: Key = ()
) -> list[StackJob]:
    """Return the jobs of a stack and of its nested stacks.

    Args:
        cloudformation: The client of the stack's region.
        stack_name: The name or ARN of the stack.
        parents: The logical ids of the nested stacks around it. Default: none.

    Raises:
        botocore.exceptions.ClientError: The stack does not exist, or cannot be read.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    resources = [found for page in pages for found in page["StackResourceSummaries"]]
    jobs = {
        found["LogicalResourceId"]: found.get("PhysicalResourceId", "")
        for found in resources
        if found["ResourceType"] == RESOURCE_TYPE
    }
    template = deployed_template(cloudformation, stack_name) if jobs else {}
    written = dict(job_resources(template))
    held = [
        StackJob(
            (*parents, logical_id),
            path_of(logical_id, written.get(logical_id, {})),
            physical_id,
            written.get(logical_id, {}),
        )
        for logical_id, physical_id in jobs.items()
    ]
    for found in resources:
        nested = found.get("PhysicalResourceId")
        if found["ResourceType"] == NESTED_STACK and nested:
            held += jobs_of_stack(cloudformation, nested, (*parents, found["LogicalResourceId"]))
    return held


def deployed_template(
    cloudformation: "CloudFormationClient", stack_name: str
) -> Mapping[str, Json]:
    """Return the template of a deployed stack; empty if it is not JSON, which CDK writes.

    Raises:
        botocore.exceptions.ClientError: The stack does not exist, or cannot be read.
    """
    answer = cloudformation.get_template(StackName=stack_name, TemplateStage="Original")
    body: Json = answer["TemplateBody"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {}
    return body if isinstance(body, Mapping) else {}


def job_resources(template: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield the resources of jobs in a template, with their logical ids."""
    for logical_id, resource in template.get("Resources", {}).items():
        if resource.get("Type") == RESOURCE_TYPE:
            yield logical_id, resource


def path_of(logical_id: str, resource: Mapping[str, Json]) -> str:
    """Return the construct path of a job's resource; its logical id without paths."""
    path = resource.get("Metadata", {}).get(_PATH)
    return path.removesuffix(_IN_JOB) if isinstance(path, str) else logical_id


def is_exact(path: str, stack_name: str, below: str) -> bool:
    """Return whether a construct path is that of a stack, then `below`, with nothing between.

    A stack with the path `Prod/Chemistry` has the name `Prod-Chemistry`.
    """
    above = path.removesuffix(f"/{below}")
    return above != path and above.replace("/", "-") == stack_name


def is_missing_stack(error: ClientError) -> bool:
    """Return whether CloudFormation reports that a stack does not exist."""
    found = error.response["Error"]
    return found["Code"] == "ValidationError" and "does not exist" in found.get("Message", "")
