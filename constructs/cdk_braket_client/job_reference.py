"""Finds a job by its ARN, id or name, or by its stack and construct path."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from .clients import Clients
from .errors import JobNotFoundError
from .stack_jobs import StackJob, is_exact, is_missing_stack, jobs_of_stack

if TYPE_CHECKING:
    from mypy_boto3_braket.type_defs import GetJobResponseTypeDef, JobSummaryTypeDef

_ARN: Final = re.compile(r"arn:[\w-]+:braket:(?P<region>[\w-]+):\d+:job/\S+")
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN: Final = 10


def region_of(arn: str) -> str:
    """Return the region in an ARN, such as that of a job."""
    return arn.split(":")[3]


def job_id(job_arn: str) -> str:
    """Return the id in the ARN of a job, which is unique; a job name is not."""
    return job_arn.rpartition("/")[2]


def find_job(clients: Clients, reference: str) -> "GetJobResponseTypeDef":
    """Return the description of the job that a reference names.

    Args:
        clients: The clients of the region to search in. An ARN names its region itself.
        reference: An ARN, the id in an ARN, a job name, or the name of a stack with one job. Or
            `STACK/PATH`, such as `Chemistry/Vqe`: the stack's name and the construct path in it.

    Raises:
        JobNotFoundError: It names no job, or several.
        botocore.exceptions.ClientError: AWS cannot be queried.
    """
    arn = find_job_arn(clients, reference)
    try:
        return clients.in_region(region_of(arn)).braket.get_job(jobArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise JobNotFoundError(f"no job {arn} in {region_of(arn)}") from error


def find_job_arn(clients: Clients, reference: str) -> str:
    """Return the ARN of the job that a reference names; see `find_job`.

    Raises:
        JobNotFoundError: It names no job, or several.
        botocore.exceptions.ClientError: AWS cannot be queried.
    """
    if _ARN.fullmatch(reference):
        return reference
    if _ID.fullmatch(reference):
        return _arn_of_id(clients, reference.lower())
    path = reference.strip("/")
    if "/" in path:
        return _of_stack(reference, _at_path(clients, path))
    return _named(clients, path)


def search(clients: Clients) -> Iterator["JobSummaryTypeDef"]:
    """Yield all jobs of a region, in the order of the service.

    Raises:
        botocore.exceptions.ClientError: They cannot be read.
    """
    for page in clients.braket.get_paginator("search_jobs").paginate(filters=[]):
        yield from page["jobs"]


def _arn_of_id(clients: Clients, id: str) -> str:
    caller = clients.sts.get_caller_identity()
    # The region of the client: a session may have none.
    region = clients.braket.meta.region_name
    partition = caller["Arn"].split(":")[1]
    return f"arn:{partition}:braket:{region}:{caller['Account']}:job/{id}"


def _named(clients: Clients, name: str) -> str:
    found = [job for job in search(clients) if job["jobName"] == name]
    if len(found) == 1:
        return found[0]["jobArn"]
    if found:
        newest = sorted(found, key=lambda job: job["createdAt"], reverse=True)
        raise JobNotFoundError(_several(name, [job_id(job["jobArn"]) for job in newest]))
    jobs = _stack_or_none(clients, name)
    if jobs is None:
        raise JobNotFoundError(
            f"no job and no stack has the name {name} in {clients.braket.meta.region_name}. "
            "`cdk-braket jobs` lists all jobs; --region selects another region."
        )
    return _of_stack(name, jobs)


def _at_path(clients: Clients, reference: str) -> list[StackJob]:
    """Return the jobs at a path below a stack.

    The name of a stack in a stage begins with the stage's id: `Prod/Chemistry/Vqe` is the construct
    Vqe of the stack `Prod-Chemistry`.
    """
    segments = reference.split("/")
    is_stack_found = False
    for length in range(1, len(segments)):
        stack = "-".join(segments[:length])
        jobs = _stack_or_none(clients, stack)
        if jobs is None:
            continue
        is_stack_found = True
        wanted = "/".join(segments[length:])
        found = [job for job in jobs if _is_at(job, wanted)]
        if found:
            return [job for job in found if is_exact(job.path, stack, wanted)] or found
    if not is_stack_found:
        raise JobNotFoundError(
            f"no stack {segments[0]} in {clients.cloudformation.meta.region_name}; "
            "expected STACK/PATH with the name of a deployed stack"
        )
    return []


def _is_at(job: StackJob, wanted: str) -> bool:
    return job.logical_id == wanted or f"/{job.path}".endswith(f"/{wanted}")


def _of_stack(reference: str, jobs: Sequence[StackJob]) -> str:
    if not jobs:
        raise JobNotFoundError(f"{reference}: the stack has no such job")
    if len(jobs) > 1:
        raise JobNotFoundError(_several(reference, [job.path for job in jobs]))
    if jobs[0].job_arn is None:
        raise JobNotFoundError(f"{reference}: {jobs[0].logical_id} has no job yet")
    return jobs[0].job_arn


def _several(reference: str, choices: Sequence[str]) -> str:
    more = f", and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else ""
    return f"{reference} names {len(choices)} jobs. Use one of {', '.join(choices[:_SHOWN])}{more}."


def _stack_or_none(clients: Clients, name: str) -> list[StackJob] | None:
    try:
        return jobs_of_stack(clients.cloudformation, name)
    except ClientError as error:
        if not is_missing_stack(error) and not _is_no_stack_name(name):
            raise
        return None


def _is_no_stack_name(name: str) -> bool:
    return not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name)
