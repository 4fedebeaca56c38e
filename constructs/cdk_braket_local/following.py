"""Follows the jobs of a local AWS that is stopped once its command has ended."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import boto3

from cdk_braket._lambda.braket_jobs.contract import FINAL
from cdk_braket_client import job_failure, job_progress

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_logs import CloudWatchLogsClient


@dataclass(frozen=True, slots=True)
class Region:
    """The clients that read the jobs of one region of a local AWS."""

    braket: "BraketClient"
    logs: "CloudWatchLogsClient"

    def jobs(self) -> list[str]:
        """Return the ARNs of all jobs, the oldest first."""
        pages = self.braket.get_paginator("search_jobs").paginate(filters=[])
        return [job["jobArn"] for page in pages for job in page["jobs"]][::-1]

    def unfinished(self) -> list[str]:
        """Return the ARNs of the jobs that are not in a terminal state, the oldest first."""
        pages = self.braket.get_paginator("search_jobs").paginate(filters=[])
        found = [job for page in pages for job in page["jobs"]]
        return [job["jobArn"] for job in found if job["status"] not in FINAL][::-1]

    def follow(self, job_arn: str, stream: TextIO) -> job_progress.JobEnd:
        """Show a job until it has ended."""
        return job_progress.follow(
            job_arn, braket_client=self.braket, logs_client=self.logs, stream=stream
        )

    def cause(self, job_arn: str) -> list[str]:
        """Return lines that lead to the cause of a job's failure."""
        return job_failure.describe(self.braket.get_job(jobArn=job_arn), self.logs)


def session(environment: Mapping[str, str]) -> boto3.Session:
    """Return a session with the settings of a command's environment, which is not ours."""
    return boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment["AWS_REGION"],
    )


def regions(environment: Mapping[str, str]) -> list[Region]:
    """Return every region in which Amazon Braket has jobs, and the default one.

    Args:
        environment: The environment of a command that uses the local AWS.
    """
    ours = session(environment)
    endpoint_url = environment["AWS_ENDPOINT_URL"]
    names = {environment["AWS_REGION"], *ours.get_available_regions("braket")}
    return [
        Region(
            ours.client("braket", region_name=name, endpoint_url=endpoint_url),
            ours.client("logs", region_name=name, endpoint_url=endpoint_url),
        )
        for name in sorted(names)
    ]


def unfinished(environment: Mapping[str, str]) -> int:
    """Return how many jobs of a local AWS are not in a terminal state."""
    return sum(len(region.unfinished()) for region in regions(environment))


def follow_all(environment: Mapping[str, str], stream: TextIO = sys.stderr) -> list[str]:
    """Follow every job of a local AWS to its end, and show its end and, if it FAILED, the cause.

    Args:
        environment: The environment of a command that uses the local AWS.
        stream: Where that is shown.

    Returns:
        The ARNs of the jobs that FAILED.
    """
    failed = []
    for region in regions(environment):
        for arn in region.jobs():
            stream.write(f"job {arn}\n")
            end = region.follow(arn, stream)
            stream.write(f"{job_progress.ending(end)}\n")
            if end.status == "FAILED":
                stream.writelines(f"  {line}\n" for line in region.cause(arn))
                failed.append(arn)
    return failed
