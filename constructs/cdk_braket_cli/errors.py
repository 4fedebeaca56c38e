"""Errors as lines for people, each with its fix where there is one."""

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from cdk_braket_client.errors import ClientSideError

EXPECTED = (ClientSideError, ClientError, BotoCoreError, Boto3Error, OSError)
"""Errors that are reported in one line. All others are faults of ours and show their traceback."""


class CommandError(ClientSideError):
    """A command cannot do its work; the message is for people."""


def describe(error: BaseException) -> str:
    """Return a line for people."""
    match error:
        case ClientError():
            return _of_service(error)
        case NoRegionError():
            return "no region is configured. Pass --region, or set AWS_REGION."
        case NoCredentialsError():
            return (
                "no AWS credentials were found. Log in with the AWS CLI, set AWS_PROFILE, or "
                'evaluate `eval "$(cdk-braket-local env)"` for a local AWS.'
            )
        case ProfileNotFound():
            return f"{error}. `aws configure list-profiles` lists the profiles."
        case EndpointConnectionError():
            return f"{error} Check the network, the region and AWS_ENDPOINT_URL."
        case _:
            return _of_system(error)


def _of_service(error: ClientError) -> str:
    found = error.response["Error"]
    operation = error.operation_name
    return f"{operation} failed: {found.get('Code')}: {found.get('Message')}"


def _of_system(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
