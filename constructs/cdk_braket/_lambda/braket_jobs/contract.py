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

CATCH_UP_TYPE = "Custom::BraketHybridJobCatchUp"
"""The type of the resource that tells a rule what its job became before there was the rule."""

JOB_EVENT_SOURCE = "aws.braket"
JOB_STATE_CHANGE = "Braket Job State Change"
"""Source and detail type of the events of jobs.

Source: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-braket.html
"""

CATCH_UP_SOURCE = "cdk-braket."
"""What the source begins with of an event that makes good for one that a rule missed. The rule's
own id follows, so that the job's other rules do not hear it twice."""

JOB_ARNS = "jobArns"
"""The parameter of a dashboard's table: which jobs it shows."""

METRICS_NAMESPACE = "CdkBraket"
"""The namespace of the handler's own metrics."""

FAILED_JOBS = "FailedJobs"
"""The metric of a job that failed: 1, with the job's ARN as the dimension `JobArn`."""

JOB_ARN_DIMENSION = "JobArn"

COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
CANCELLING = "CANCELLING"
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
"""The terminal states of a job. A state that is not known here counts as alive."""

SERVICE_TIMEOUT_SECONDS = 15 * 60
"""How long CloudFormation waits for the answer to an event, unless the deployment waits for the
job. The function divides its own time-out and answers before it ends."""

ANSWER_SECONDS = 5 * 60
"""How much longer than for the job CloudFormation waits where a deployment waits for its job."""

RUN_ID_PLACEHOLDER = "RUNID0000000"
"""Stands in `jobName`, `outputDataConfig.s3Path` and `checkpointConfig.s3Uri` for the run id.

The run id tells one run of a job from the next in places that runs would otherwise share. It is
known only at deploy time. The placeholder has the run id's length and alphabet, so that what is
valid with the one is valid with the other.
"""

RUN_ID_LENGTH = len(RUN_ID_PLACEHOLDER)


TOKEN_TAG = "cdk-braket:client-token"  # noqa: S105 - a name, not a secret
"""The job's tag that carries its client token. By it a job is found again when the answer to
CreateJob was lost and the service has forgotten the token. Never removed by a change of tags."""

JOB_LOG_GROUP = "/aws/braket/jobs"
"""Where the service writes the logs of hybrid jobs.

Source: https://docs.aws.amazon.com/braket/latest/developerguide/braket-jobs.html
"""

RESULTS_FILE = "output/model.tar.gz"
"""The results' key below `outputDataConfig.s3Path`."""


def log_stream_prefix(job_name: str, job_arn: str) -> str:
    """Return the start of the names of a job's log streams in `JOB_LOG_GROUP`.

    A job name is not unique, so the job's id follows it.

    Source: `AwsQuantumJob._logs_prefix` of the Amazon Braket SDK.
    """
    return f"{job_name}/{job_arn.rpartition('/')[2]}"


def console_url(region: str, job_arn: str) -> str:
    """Return the address of a job's page in the AWS console. Both may be tokens of CDK.

    The addresses of the console are not documented; this one is as a browser shows it.
    *Unverified.*
    """
    home = f"https://{region}.console.aws.amazon.com/braket/home"
    return f"{home}?region={region}#/job/{job_arn}"


class Property(StrEnum):
    """The properties of the custom resource.

    CloudFormation sends numbers and bools as strings. Releases before 0.1 wrote objects as JSON
    strings, which the handler still reads: they are the old properties of an update.
    """

    REQUEST = "Request"
    """The CreateJob request without `clientToken` and `tags`, as `api.nested_properties` writes it.
    This is the definition: while it stays the same, the job does; if it changes, a new job
    starts."""

    DEFINITION_DIGEST = "DefinitionDigest"
    """A digest of the definition as the template has it, for people who review a deployment: if it
    stays the same, no new job starts. The handler does not read it; its own digest is of the values
    that CloudFormation sends."""

    TAGS = "Tags"
    """The job's tags. Left out if there are none. A JSON string if a key cannot be in a
    template."""

    ASSETS = "Assets"
    """`[{"Bucket": name, "Objects": {key: key in the inputs bucket}}]`: the objects that the
    handler copies to the bucket of its records before it creates the job. Left out if there are
    none."""

    COPY_CHECKPOINTS_FROM = "CopyCheckpointsFrom"
    """`s3://bucket/prefix`: the checkpoints that the handler copies below the run's own
    `checkpointConfig.s3Uri` before it creates the job. Left out if nothing is copied. Part of the
    definition."""

    RERUN_TOKEN = "RerunToken"  # noqa: S105 - a name, not a secret
    """A string that is part of the definition and of nothing else: another string starts another
    job. Left out if the user gives none."""

    WAIT_FOR_COMPLETION = "WaitForCompletion"
    """`{"TimeoutSeconds": number, "FailStack": bool}`. Left out if the deployment does not wait.
    Not part of the definition."""

    ON_DELETE = "OnDelete"
    """An `OnDelete` value: the fate of a job that still runs. Left out for `CANCEL_JOB`."""

    RECORDS = "Records"
    """`s3://bucket/prefix`: the handler's records of the job that each definition started."""

    ENCRYPTION = "Encryption"
    """`[{"Bucket": name, "Key": ARN}]`: the server-side encryption that the handler requests for
    objects it writes to that bucket, which is aws:kms with a key and AES256 without. Buckets whose
    encryption is not known during synth are left out. Not part of the definition."""


class AssetMember(StrEnum):
    """The members of an entry of `Property.ASSETS`."""

    BUCKET = "Bucket"
    OBJECTS = "Objects"


class EncryptionMember(StrEnum):
    """The members of an entry of `Property.ENCRYPTION`."""

    BUCKET = "Bucket"
    KEY = "Key"


class WaitMember(StrEnum):
    """The members of `Property.WAIT_FOR_COMPLETION`."""

    TIMEOUT_SECONDS = "TimeoutSeconds"
    FAIL_STACK = "FailStack"


class CatchUpProperty(StrEnum):
    """The properties of the resource that tells a rule what its job became. All are strings."""

    JOB_ARN = "JobArn"
    EVENT_SOURCE = "EventSource"
    """The source of the event, which only this rule listens to."""
    STATUSES = "Statuses"
    """The statuses that the rule is for. The handler does not read them: when they change, the
    rule is to hear of the job anew."""
    DEFINITION = "Definition"
    """For a rule in another stack than its job's: changes with the job's definition. The handler
    does not read it. Nothing else in the text of that stack's template would change with the job,
    and the CDK CLI deploys no stack whose template is what it was."""


class RunAction(StrEnum):
    """What a state machine, a schedule or a rule has the handler do."""

    START = "start"
    """Start a job, and answer with its attributes."""
    WAIT = "wait"
    """Keep a task token until the job is over; look at the job now."""
    JOB_ENDED = "jobEnded"
    """A job is over: give the token back that waits for it."""
    EXECUTION_ENDED = "executionEnded"
    """An execution is over before its time: cancel what it started."""
    CANCEL = "cancel"
    """A run will not be waited for any more: cancel its job."""
    RUN_POINT = "runPoint"
    """Start the job of a point of a sweep, or find it; keep a task token until it is over."""
    COLLECT_POINTS = "collectPoints"
    """All points of a sweep are over: write their table."""


class RunProperty(StrEnum):
    """The members of an event that asks for a `RunAction`."""

    ACTION = "cdkBraketAction"
    EXECUTION = "execution"
    """The execution's ARN, or what tells one time of a schedule from the next."""
    RUN_ID = "runId"
    """What tells one run of an execution from the others."""
    PROPERTIES = "properties"
    """The definition: what the custom resource has as properties."""
    HYPERPARAMETERS = "hyperparameters"
    """Hyperparameters besides those of the definition, or in their place."""
    TIMEOUT_SECONDS = "timeoutSeconds"
    """How long the job may take from its start, its queue included. Left out for any time."""
    TASK_TOKEN = "taskToken"  # noqa: S105 - a name, not a secret
    RUN = "run"
    """What a start was answered with."""
    RECORDS = "records"
    JOB_ARN = "jobArn"
    STOPPED_AT = "stoppedAt"
    """When an execution ended before its time (milliseconds since the epoch)."""
    POINT = "point"
    """A point of a sweep: what `PointMember` names."""
    CHILD = "childExecution"
    """The context object's `Execution` of the child execution that runs a point."""
    MANIFEST = "manifest"
    """`{"Bucket": name, "Key": key}`: what the ResultWriter wrote."""


class PointMember(StrEnum):
    """The input of the child execution of a point."""

    EXECUTION = "Execution"
    """ARN of the sweep's execution."""
    STATE_MACHINE = "StateMachine"
    """ARN of the sweep's state machine."""
    INPUT = "Input"
    """The input of the sweep's execution."""
    INDEX = "Index"
    """The number of the point, from 0."""
    PARAMETERS = "Parameters"
    """Its hyperparameters besides those of the definition."""


SWEEP_RUN = "run"
"""The member of a sweep's input that tells one run of all points from the next. Executions with the
same value share their jobs: a point whose job has completed starts no other. Default: empty."""

SWEEP_TYPE = "Custom::BraketHybridJobSweep"
"""The type of the resource that starts a sweep in a deployment."""


class SweepProperty(StrEnum):
    """The properties of the resource that starts a sweep in a deployment.

    Besides these, it has those of `Property` that are part of the job's definition.
    """

    STATE_MACHINE = "StateMachineArn"
    POINTS = "Points"
    """`s3://bucket/key`: the points. An asset has another key once its content changes."""
    RECORDS = "Records"


class SweepAttribute(StrEnum):
    """The attributes of that resource, for `Fn::GetAtt`."""

    EXECUTION_ARN = "ExecutionArn"


SWEEP_TAG = "cdk-braket:sweep"
"""The tag of a point's job with the name of the sweep's state machine."""

SWEEP_POINT_TAG = "cdk-braket:sweep-point"
"""The tag of a point's job with the number of the point."""

SWEEPS = "sweeps"
"""Where the tables of sweeps are in the results bucket."""

TABLE_FILE = "table.csv"
"""The name of a sweep's table, beside the manifest of its ResultWriter."""

THROTTLED_ERROR = "HybridJobThrottlingError"
"""The error of a state whose start Amazon Braket refused for its rate, or that ran out of time."""

QUOTA_ERROR = "HybridJobQuotaError"
"""The error of a state whose start Amazon Braket refused for a quota, such as concurrent jobs."""

RUN_ID = "RunId"
"""In the answer to a start: the run's id, as it was asked for."""

RUN_WAITS_UNTIL = "WaitsUntil"
"""In the answer to a start: when the job has to be over, in seconds since the epoch."""

RUN_STATUS = "JobStatus"
"""In what a run ends with: what became of the job."""


class OnDelete(StrEnum):
    """What happens to a job that is not over when its resource is deleted or replaced.

    Example:
        >>> from cdk_braket import OnDelete
        >>> OnDelete.RETAIN_JOB.value
        'RETAIN_JOB'
    """

    __module__ = "cdk_braket"

    CANCEL_JOB = "CANCEL_JOB"
    """It is cancelled, and the deployment fails if that cannot be confirmed."""

    RETAIN_JOB = "RETAIN_JOB"
    """It runs on, and costs what it costs, until it is over by itself.

    Only a job that the stack came to hold: one whose creation failed, or that was waited for in
    vain, is cancelled all the same."""


class Attribute(StrEnum):
    """The attributes that the custom resource answers with, for `Fn::GetAtt`."""

    JOB_ARN = "JobArn"
    JOB_ID = "JobId"
    JOB_NAME = "JobName"
    RESULTS_S3_URI = "ResultsS3Uri"
    CHECKPOINT_S3_URI = "CheckpointS3Uri"
    LOG_GROUP_NAME = "LogGroupName"
    LOG_STREAM_PREFIX = "LogStreamPrefix"
    JOB_STATUS = "JobStatus"
    """Only where the deployment waits for the job."""
    FAILURE_REASON = "FailureReason"
    """Only where the deployment waits for the job; empty unless it failed."""


def definition_digest(request: Mapping[str, object]) -> str:
    """Return the digest that names a definition: equal requests, whatever their order, agree."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def client_token(stack_id: str, logical_id: str, definition: str, attempt: int) -> str:
    """Return the client token of one attempt at a definition in one stack.

    Args:
        stack_id: The stack's ARN, so that a stack that is deployed anew starts anew.
        logical_id: The resource's logical id.
        definition: What `definition_digest` returned.
        attempt: 1 for the first run of the definition, one more for each later one.
    """
    text = "\n".join((stack_id, logical_id, definition, str(attempt)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def run_id(client_token: str) -> str:
    """Return the run id that belongs to a client token."""
    return client_token[:RUN_ID_LENGTH]
