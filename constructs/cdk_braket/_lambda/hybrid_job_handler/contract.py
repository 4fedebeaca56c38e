"""The names that synth and the handler share.

The constructs write the custom resource's properties under these names, the handler reads them
under the same names, and neither may spell one by hand. Standard library only: this module is
imported at synth and in the Lambda function.
"""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

RESOURCE_TYPE = "Custom::BraketHybridJob"
"""The custom resource's type in the template."""

RUN_ID_PLACEHOLDER = "RUNID0000000"
"""Stands in `jobName`, `outputDataConfig.s3Path` and `checkpointConfig.s3Uri` for the run id.

The run id tells one run of a job from the next in places that runs would otherwise share. It is
known only at deploy time. The placeholder has the run id's length and alphabet, so that what is
valid with the one is valid with the other.
"""

RUN_ID_LENGTH = len(RUN_ID_PLACEHOLDER)


class Property(StrEnum):
    """The properties of the custom resource. All values are strings."""

    REQUEST = "Request"
    """JSON text: the CreateJob request without `clientToken` and `tags`. This is the definition:
    while it stays the same, the job does; when it changes, there is a new job."""

    TAGS = "Tags"
    """JSON text: a map of the job's tags."""

    ASSETS = "Assets"
    """JSON text: a list of `{"source": "s3://…", "destination": "s3://…"}`, the objects that the
    handler copies before it creates the job."""

    ON_DELETE = "OnDelete"
    """An `OnDelete` value: what happens to a job that still runs."""

    RECORDS = "Records"
    """`s3://bucket/prefix`: where the handler keeps which definition started which job."""


class OnDelete(StrEnum):
    """What happens to a job that is not over when its resource is deleted or replaced."""

    CANCEL_JOB = "CANCEL_JOB"
    RETAIN_JOB = "RETAIN_JOB"


class Attribute(StrEnum):
    """The attributes that the custom resource answers with, for `Fn::GetAtt`."""

    JOB_ARN = "JobArn"
    JOB_ID = "JobId"
    JOB_NAME = "JobName"
    RESULTS_S3_URI = "ResultsS3Uri"
    CHECKPOINT_S3_URI = "CheckpointS3Uri"
    LOG_GROUP_NAME = "LogGroupName"
    LOG_STREAM_PREFIX = "LogStreamPrefix"


def definition_digest(request: Mapping[str, object]) -> str:
    """Return the digest that names a definition: equal requests, whatever their order, agree."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def run_id(client_token: str) -> str:
    """Return the run id that belongs to a client token."""
    return client_token[:RUN_ID_LENGTH]
