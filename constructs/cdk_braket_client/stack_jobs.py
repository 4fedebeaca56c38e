"""The jobs of a CloudFormation stack, by their construct paths."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.contract import RESOURCE_TYPE

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_NESTED_STACK: Final = "AWS::CloudFormation::Stack"
_PATH: Final = "aws:cdk:path"

# Templates and their parts are JSON of any shape.
Json = Any


@dataclass(frozen=True, slots=True)
class StackJob:
    """A job that a stack holds.

    Attributes:
        stack_name: The stack; for a job in a nested stack, the nested one.
        logical_id: The logical id of the resource.
        path: The construct path, such as `Chemistry/Vqe`. The logical id if the template has none.
        physical_id: The physical id: the job's ARN, unless the resource was never created.
    """

    stack_name: str
    logical_id: str
    path: str
    physical_id: str

    @property
    def job_arn(self) -> str | None:
        """The job's ARN; None if the resource has no job."""
        return self.physical_id if ":job/" in self.physical_id else None


def jobs_of_stack(cloudformation: "CloudFormationClient", stack_name: str) -> list[StackJob]:
    """Return the jobs of a stack and of its nested stacks.

    Args:
        cloudformation: The client of the stack's region.
        stack_name: The name or ARN of the stack.

    Raises:
        botocore.exceptions.ClientError: The stack does not exist, or cannot be read.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    resources = [found for page in pages for found in page["StackResourceSummaries"]]
    held = [found for found in resources if found["ResourceType"] == RESOURCE_TYPE]
    paths = construct_paths(deployed_template(cloudformation, stack_name)) if held else {}
    jobs = [
        StackJob(
            stack_name,
            found["LogicalResourceId"],
            paths.get(found["LogicalResourceId"], found["LogicalResourceId"]),
            found.get("PhysicalResourceId", ""),
        )
        for found in held
    ]
    for found in resources:
        if found["ResourceType"] == _NESTED_STACK and found.get("PhysicalResourceId"):
            jobs += jobs_of_stack(cloudformation, found["PhysicalResourceId"])
    return jobs


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


def construct_paths(template: Mapping[str, Json]) -> dict[str, str]:
    """Return the construct paths of the jobs in a template, by logical id."""
    return {name: path_of(name, resource) for name, resource in job_resources(template)}


def job_resources(template: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield the resources of jobs in a template, with their logical ids."""
    for logical_id, resource in template.get("Resources", {}).items():
        if resource.get("Type") == RESOURCE_TYPE:
            yield logical_id, resource


def path_of(logical_id: str, resource: Mapping[str, Json]) -> str:
    """Return the construct path of a job's resource; its logical id without paths."""
    path = resource.get("Metadata", {}).get(_PATH)
    # The resource is a child of the job's construct.
    return path.rpartition("/")[0] if isinstance(path, str) and "/" in path else logical_id


def is_missing_stack(error: ClientError) -> bool:
    """Return whether CloudFormation reports that a stack does not exist."""
    found = error.response["Error"]
    return found["Code"] == "ValidationError" and "does not exist" in found.get("Message", "")
