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
"""The type of the resource that replays a job's state for a rule that did not exist before."""

JOB_EVENT_SOURCE = "aws.braket"
JOB_STATE_CHANGE = "Braket Job State Change"
"""Source and detail type of the events of jobs.

Source: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-braket.html
"""

CATCH_UP_SOURCE = "cdk-braket."
"""The prefix of the source of replayed events. The rule's own id follows, so that the job's other
rules do not match the event."""

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
"""How long CloudFormation waits for the response to an event, unless the deployment waits for the
job. The function responds before this timeout ends."""

ANSWER_SECONDS = 5 * 60
"""The time that CloudFormation waits in addition to the job when a deployment waits for its job."""

RUN_ID_PLACEHOLDER = "RUNID0000000"
"""The placeholder for the run id in `jobName`, `outputDataConfig.s3Path` and
`checkpointConfig.s3Uri`.

The run id separates the runs of a job in places that they would otherwise share. It is known only
at deploy time. The placeholder has the run id's length and alphabet, so that both pass the same
checks.
"""

RUN_ID_LENGTH = len(RUN_ID_PLACEHOLDER)


TOKEN_TAG = "cdk-braket:client-token"  # noqa: S105 - a name, not a secret
"""The job's tag that contains its client token. With this tag, the handler finds a job again after
the response to CreateJob was lost and the token expired. Changes of tags never remove it."""

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

    The console's URLs are not documented; this is the URL that a browser shows. *Unverified.*
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
    """The job's tags. Omitted if there are none. A JSON string if a key cannot be in a
    template."""

    ASSETS = "Assets"
    """`[{"Bucket": name, "Objects": {key: key in the inputs bucket}}]`: the objects that the
    handler copies to the bucket of its records before it creates the job. Omitted if there are
    none."""

    COPY_CHECKPOINTS_FROM = "CopyCheckpointsFrom"
    """`s3://bucket/prefix`: the checkpoints that the handler copies below the run's own
    `checkpointConfig.s3Uri` before it creates the job. Omitted if nothing is copied. Part of the
    definition."""

    RERUN_TOKEN = "RerunToken"  # noqa: S105 - a name, not a secret
    """A string that is part of the definition and has no other effect: another string starts
    another job. Omitted if you do not set it."""

    WAIT_FOR_COMPLETION = "WaitForCompletion"
    """`{"TimeoutSeconds": number, "FailStack": bool}`. Omitted if the deployment does not wait.
    Not part of the definition."""

    ON_DELETE = "OnDelete"
    """An `OnDelete` value for a running job. Omitted for `CANCEL_JOB`."""

    RECORDS = "Records"
    """`s3://bucket/prefix`: the handler's records of the job that each definition started."""

    ENCRYPTION = "Encryption"
    """`[{"Bucket": name, "Key": ARN}]`: the server-side encryption that the handler requests for
    objects that it writes to that bucket: aws:kms with a key, AES256 without. Buckets whose
    encryption is not known during synth are omitted. Not part of the definition."""


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
    """The properties of the resource that replays a job's state for a rule. All are strings."""

    JOB_ARN = "JobArn"
    EVENT_SOURCE = "EventSource"
    """The source of the event, which only this rule matches."""
    STATUSES = "Statuses"
    """The statuses that the rule matches. The handler does not read them: a change replays the
    job's state again."""
    DEFINITION = "Definition"
    """For a rule in another stack than its job's: changes with the job's definition. The handler
    does not read it. Without it, that stack's template would not change with the job, and the CDK
    CLI does not deploy a stack whose template is the same."""


class RunAction(StrEnum):
    """The operations of the handler for state machines, schedules and rules."""

    START = "start"
    """Start a job, and return its attributes."""
    WAIT = "wait"
    """Check the job once now, and keep a task token until the job ends."""
    JOB_ENDED = "jobEnded"
    """A job ended: return its task token to the state machine."""
    EXECUTION_ENDED = "executionEnded"
    """An execution was stopped: cancel the job that it started."""
    CANCEL = "cancel"
    """A run was abandoned: cancel its job."""
    RUN_POINT = "runPoint"
    """Start the job of a point of a sweep, or find it; keep a task token until it ends."""
    COLLECT_POINTS = "collectPoints"
    """All points of a sweep ended: write their table."""


class RunProperty(StrEnum):
    """The members of an event with a `RunAction`."""

    ACTION = "cdkBraketAction"
    EXECUTION = "execution"
    """The execution's ARN, or a key that identifies one scheduled time."""
    RUN_ID = "runId"
    """A key that identifies one run of an execution."""
    PROPERTIES = "properties"
    """The definition: the same properties as those of the custom resource."""
    HYPERPARAMETERS = "hyperparameters"
    """Hyperparameters that add to or replace those of the definition."""
    DEVICE = "device"
    """The device of this run, in place of that of the definition. Omitted if it stays."""
    ALLOWED_DEVICES = "allowedDevices"
    """The devices that `DEVICE` may name."""
    TIMEOUT_SECONDS = "timeoutSeconds"
    """The longest time between the job's start and end, queue included. Omitted if unlimited."""
    TASK_TOKEN = "taskToken"  # noqa: S105 - a name, not a secret
    RUN = "run"
    """The response to a start request."""
    RECORDS = "records"
    JOB_ARN = "jobArn"
    STOPPED_AT = "stoppedAt"
    """When an execution ended before its time (milliseconds since the epoch)."""
    POINT = "point"
    """A point of a sweep, with the members of `PointMember`."""
    CHILD = "childExecution"
    """The context object's `Execution` of the child execution that runs a point."""
    MANIFEST = "manifest"
    """`{"Bucket": name, "Key": key}`: the manifest of the ResultWriter."""


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
"""The member of a sweep's input that identifies one run of all points. Executions with the
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
"""The member of the response to a start: the run's id, as requested."""

RUN_WAITS_UNTIL = "WaitsUntil"
"""The member of the response to a start: the job's deadline in seconds since the epoch."""

RUN_STATUS = "JobStatus"
"""The member of a run's result: the final state of the job."""


class OnDelete(StrEnum):
    """The handling of a running job when its resource is deleted or replaced.

    Example:
        >>> from cdk_braket import OnDelete
        >>> OnDelete.RETAIN_JOB.value
        'RETAIN_JOB'
    """

    __module__ = "cdk_braket"

    CANCEL_JOB = "CANCEL_JOB"
    """It is cancelled, and the deployment fails if that cannot be confirmed."""

    RETAIN_JOB = "RETAIN_JOB"
    """The job keeps running, at its usual cost, until it ends by itself.

    This holds only for a job of a successful deployment. If the creation of the job failed, or the
    deployment waited for the job without success, the job is cancelled."""


class Attribute(StrEnum):
    """The attributes that the custom resource returns, for `Fn::GetAtt`."""

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
    """Return the digest of a definition. Requests that differ only in their order are equal."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def client_token(stack_id: str, logical_id: str, definition: str, attempt: int) -> str:
    """Return the client token of one attempt at a definition in one stack.

    Args:
        stack_id: The stack's ARN, which is new when a stack is deleted and deployed again.
        logical_id: The resource's logical id.
        definition: The digest from `definition_digest`.
        attempt: 1 for the first run of the definition, one more for each later one.
    """
    text = "\n".join((stack_id, logical_id, definition, str(attempt)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def run_id(client_token: str) -> str:
    """Return the run id that belongs to a client token."""
    return client_token[:RUN_ID_LENGTH]
