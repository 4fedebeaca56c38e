"""The usual handler with crhelper and boto3."""

import json
from http.client import HTTPConnection
from typing import Any

import boto3
from crhelper import CfnResource, utils

# It answers by HTTPS only, and the canned AWS has HTTP.
vars(utils)["HTTPSConnection"] = lambda host, context: HTTPConnection(host)  # noqa: ARG005 - its signature
helper = CfnResource()


def create(event: Any, _context: object) -> str:
    """Start a job."""
    request = json.loads(event["ResourceProperties"]["Request"])
    arn: str = boto3.client("braket").create_job(**request)["jobArn"]
    return arn


def delete(event: Any, _context: object) -> None:
    """Cancel the job."""
    boto3.client("braket").cancel_job(jobArn=event["PhysicalResourceId"])


helper.create(create)
helper.update(create)
helper.delete(delete)


def handler(event: Any, context: object) -> None:
    """Handle one event of CloudFormation."""
    helper(event, context)
