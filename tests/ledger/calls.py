"""The ledger: every call in the life of a job, with its caller, resource and source.

The calls are derived from the templates' resources: from the requests that the handler will send,
not from the policies. tests/ledger/deployment_calls.py has those of CloudFormation.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cdk_braket._lambda.braket_jobs.api.nested_properties import restored
from tests.ledger.deployment import Deployment, Resource, Stack
from tests.synth.support import ACCOUNT, REGION

_DOCS: Final = "https://docs.aws.amazon.com"
_AUTHORIZATION: Final = f"{_DOCS}/service-authorization/latest/reference"
_BRAKET: Final = f"{_AUTHORIZATION}/list_amazonbraket.html"
_JOBS_POLICY: Final = (
    f"{_DOCS}/aws-managed-policy/latest/reference/AmazonBraketJobsExecutionPolicy.html"
)
_SERVICE_POLICY: Final = (
    f"{_DOCS}/aws-managed-policy/latest/reference/AmazonBraketServiceRolePolicy.html"
)
_S3: Final = f"{_AUTHORIZATION}/list_amazons3.html"
_KMS_S3: Final = f"{_DOCS}/AmazonS3/latest/userguide/UsingKMSEncryption.html"
_LOGS_KMS: Final = f"{_DOCS}/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
_ACCESS_LOGS: Final = f"{_DOCS}/AmazonS3/latest/userguide/enable-server-access-logging.html"
_REPLICATION: Final = f"{_DOCS}/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html"
_RULES: Final = f"{_DOCS}/eventbridge/latest/userguide/eb-use-resource-based.html"
_LAMBDA: Final = f"{_DOCS}/lambda/latest/dg"
_SAGEMAKER_OUTPUT: Final = f"{_DOCS}/sagemaker/latest/APIReference/API_OutputDataConfig.html"

SERVICE_LINKED_ROLE: Final = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/braket.amazonaws.com/"
    "AWSServiceRoleForAmazonBraket"
)
OTHER_ACCOUNT: Final = "999999999999"
_RUN: Final = "RUNID0000000"
_A_RUN: Final = "k3j9x0q2m7ab"


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        who: A role's name or ARN, or a service.
        action: The action.
        resource: ARN of the resource, or `*` for an action that knows none.
        source: The page of AWS that documents it.
        context: The condition keys that AWS supplies.
        allowed: Whether it has to be allowed.
    """

    who: str
    action: str
    resource: str
    source: str
    context: Mapping[str, str] = field(default_factory=dict)
    allowed: bool = True


def calls(deployment: Deployment) -> Iterator[Call]:
    """All calls of a deployment, those that must be denied included."""
    for job in _jobs(deployment):
        yield from _Job(deployment, job).calls()
    for function in deployment.resources("AWS::Lambda::Function"):
        if function.properties.get("Handler", "").startswith("braket_jobs."):
            yield from _function_calls(deployment, function)
    for bucket in deployment.resources("AWS::S3::Bucket"):
        yield from _bucket_calls(deployment, bucket)
    for policy in deployment.resources("AWS::SQS::QueuePolicy"):
        for url in policy.properties["Queues"]:
            arn = f"arn:aws:sqs:{policy.stack.region}:{ACCOUNT}:{url}"
            clear = {"aws:SecureTransport": "false"}
            source = f"{_DOCS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security.html"
            yield Call("anybody", "sqs:SendMessage", arn, source, clear, allowed=False)
    for emptied in deployment.resources("Custom::S3AutoDeleteObjects"):
        yield from _deletions(deployment, emptied)
    yield from _invocations(deployment)
    yield from _trust(deployment)
    yield from _of_users(deployment)


@dataclass(frozen=True)
class _Started:
    """A job that is started: by a deployment, a state machine, or a schedule."""

    stack: Stack
    handler: str
    properties: Mapping[str, Any]


def _jobs(deployment: Deployment) -> Iterator[_Started]:
    for job in deployment.resources("Custom::BraketHybridJob"):
        given = job.properties
        yield _Started(job.stack, given["ServiceToken"], _decoded(given))
    for machine in deployment.resources("AWS::StepFunctions::StateMachine"):
        for state in json.loads(machine.properties["DefinitionString"])["States"].values():
            given = state.get("Parameters", {})
            if given.get("cdkBraketAction") == "start":
                for properties in _of_devices(given):
                    yield _Started(machine.stack, state["Resource"], properties)
    for schedule in deployment.resources("AWS::Scheduler::Schedule"):
        target = schedule.properties["Target"]
        given = json.loads(target["Input"])
        if given.get("cdkBraketAction") == "start":
            yield _Started(schedule.stack, target["Arn"], _decoded(given["properties"]))


def _of_devices(start: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The properties of a run: one for each device that it may use."""
    properties = _decoded(start["properties"])
    for device in start.get("allowedDevices", [properties["Request"]["deviceConfig"]["device"]]):
        request = {**properties["Request"], "deviceConfig": {"device": device}}
        yield {**properties, "Request": request}


def _decoded(given: Mapping[str, Any]) -> dict[str, Any]:
    """Properties with the request as CreateJob accepts it, and the assets by bucket."""
    assets = {each["Bucket"]: each["Objects"] for each in given.get("Assets", [])}
    return {**given, "Request": restored("CreateJobRequest", given["Request"]), "Assets": assets}


def _key_of(deployment: Deployment, bucket_name: str) -> str | None:
    """The ARN of the KMS key of a bucket of the app; None for keys of S3."""
    for bucket in deployment.resources("AWS::S3::Bucket"):
        if bucket.ref == bucket_name:
            rules = bucket.properties.get("BucketEncryption", {})
            for rule in rules.get("ServerSideEncryptionConfiguration", []):
                key = rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
                if key is not None:
                    return _real_key(deployment, str(key))
    return None


def _real_key(deployment: Deployment, arn: str) -> str:
    """The key that an alias stands for."""
    before, colon, name = arn.rpartition(":alias/")
    if not colon:
        return arn
    for alias in deployment.resources("AWS::KMS::Alias"):
        if alias.ref == f"alias/{name}":
            return str(alias.properties["TargetKeyId"])
    return f"{before}:key/11111111-2222-3333-4444-555555555555"


def _key_context(region: str) -> dict[str, str]:
    return {
        "kms:CallerAccount": ACCOUNT,
        "kms:ResourceAliases": "alias/mine",
        "kms:ViaService": f"s3.{region}.amazonaws.com",
    }


def _parted(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class _Job:
    """The calls for one job, from the request that the handler sends."""

    def __init__(self, deployment: Deployment, job: _Started) -> None:
        self._deployment = deployment
        self._region = job.stack.region
        given = job.properties
        self._request = json.loads(json.dumps(given["Request"]).replace(_RUN, _A_RUN))
        self._assets: dict[str, dict[str, str]] = given["Assets"]
        self._records = _parted(given["Records"])
        self._copied = given.get("CopyCheckpointsFrom")
        self._role = self._request["roleArn"].rpartition("/")[2]
        functions = {each.arn: each for each in deployment.resources("AWS::Lambda::Function")}
        self._function = functions.get(job.handler)
        self._device = self._request["deviceConfig"]["device"]
        self._is_managed = not self._device.startswith("local:")
        self._tasks = (
            f"arn:aws:braket:{self._device.split(':')[3] or self._region}:{ACCOUNT}:"
            "quantum-task/7b2c3d4e-0000-4000-8000-000000000000"
            if self._is_managed
            else ""
        )

    def calls(self) -> Iterator[Call]:
        """The calls of the handler, of the job, and of Braket."""
        if self._function is not None:
            yield from self._of_handler()
        if self._request["roleArn"] in {
            each.arn for each in self._deployment.resources("AWS::IAM::Role")
        }:
            yield from self._of_job()
        if self._is_managed:
            yield from self._of_service_linked_role()

    def _objects(
        self, who: str, uri: str, actions: tuple[str, ...], source: str, *, key: bool = True
    ) -> Iterator[Call]:
        bucket, name = _parted(uri)
        for action in actions:
            yield Call(who, action, f"arn:aws:s3:::{bucket}/{name}", source)
        arn = _key_of(self._deployment, bucket)
        if arn is not None and key:
            yield from self._key(who, arn, actions)

    def _key(self, who: str, arn: str, actions: tuple[str, ...]) -> Iterator[Call]:
        needed = {"kms:Decrypt"} | ({"kms:GenerateDataKey"} if "s3:PutObject" in actions else set())
        for action in sorted(needed):
            yield Call(who, action, arn, _KMS_S3, _key_context(self._region))

    def _list(self, who: str, bucket: str, prefix: str | None, source: str) -> Call:
        context = {} if prefix is None else {"s3:prefix": prefix}
        return Call(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}", source, context)

    def _of_handler(self) -> Iterator[Call]:
        assert self._function is not None
        who = self._function.properties["Role"].rpartition("/")[2]
        account = f"arn:aws:braket:{self._region}:{ACCOUNT}"
        job = f"{account}:job/7b2c3d4e-0000-4000-8000-000000000000"
        yield Call(who, "braket:CreateJob", job, _BRAKET)
        yield Call(who, "braket:SearchJobs", "*", _BRAKET)
        for action in ("GetJob", "CancelJob", "TagResource", "UntagResource"):
            yield Call(who, f"braket:{action}", job, _BRAKET)
        if self._is_managed:
            yield Call(who, "braket:GetDevice", self._device, _BRAKET)
        for uri in (
            self._request["outputDataConfig"]["s3Path"],
            self._request["checkpointConfig"]["s3Uri"],
        ):
            bucket, _ = _parted(uri)
            if bucket in self._buckets_of_the_user():
                yield Call(who, "s3:GetBucketTagging", f"arn:aws:s3:::{bucket}", _S3)
        for service in ("braket.amazonaws.com", "sagemaker.amazonaws.com"):
            passed = {"iam:PassedToService": service}
            yield Call(who, "iam:PassRole", self._request["roleArn"], _BRAKET, passed)
        elsewhere = {"iam:PassedToService": "lambda.amazonaws.com"}
        role = self._request["roleArn"]
        yield Call(who, "iam:PassRole", role, _BRAKET, elsewhere, allowed=False)
        roles = f"arn:aws:iam::{ACCOUNT}:role"
        passed = {"iam:PassedToService": "braket.amazonaws.com"}
        yield Call(who, "iam:PassRole", f"{roles}/Admin", _BRAKET, passed, allowed=False)
        look = f"{_AUTHORIZATION}/list_awsidentityandaccessmanagementiam.html"
        yield Call(who, "iam:GetRole", SERVICE_LINKED_ROLE, look)
        yield Call(who, "iam:GetRole", f"{roles}/AWSServiceRoleForAmazonBraket", look)
        records, name = self._records
        both = ("s3:GetObject", "s3:PutObject")
        yield from self._objects(who, f"s3://{records}/{name}/record.json", both, _S3)
        yield self._list(who, records, None, f"{_DOCS}/AmazonS3/latest/API/API_GetObject.html")
        for bucket, files in self._assets.items():
            for source, target in files.items():
                yield Call(who, "s3:GetObject", f"arn:aws:s3:::{bucket}/{source}", _S3)
                yield from self._objects(who, f"s3://{records}/{target}", both, _S3)
        if self._copied:
            yield from self._of_copy(who)

    def _buckets_of_the_user(self) -> set[str]:
        """Buckets of the app whose names only the deployment knows."""
        return {
            each.ref
            for each in self._deployment.resources("AWS::S3::Bucket")
            if not each.logical_id.rstrip("0123456789ABCDEF").endswith("Bucket")
        }

    def _of_copy(self, who: str) -> Iterator[Call]:
        bucket, prefix = _parted(str(self._copied))
        if "s3:" in str(self._copied):
            yield from self._objects(
                who, f"{str(self._copied).rstrip('/')}/a.json", ("s3:GetObject",), _S3
            )
            yield self._list(who, bucket, f"{prefix}/", _S3)
        target = self._request["checkpointConfig"]["s3Uri"]
        yield from self._objects(who, f"{target}/a.json", ("s3:GetObject", "s3:PutObject"), _S3)
        yield self._list(who, _parted(target)[0], None, _S3)

    def _of_job(self) -> Iterator[Call]:
        who, request = self._role, self._request
        algorithm = request["algorithmSpecification"]
        if "scriptModeConfig" in algorithm:
            uri = algorithm["scriptModeConfig"]["s3Uri"]
            yield from self._objects(who, uri, ("s3:GetObject",), _JOBS_POLICY)
        for channel in request.get("inputDataConfig", []):
            uri = channel["dataSource"]["s3DataSource"]["s3Uri"]
            if not uri.startswith("s3://"):
                continue  # an attribute of another job, of which only CloudFormation knows
            yield from self._objects(who, f"{uri}a.json", ("s3:GetObject",), _JOBS_POLICY)
            yield self._list(who, *_parted(uri), _JOBS_POLICY)
        output, checkpoint = request["outputDataConfig"], request["checkpointConfig"]["s3Uri"]
        both = ("s3:GetObject", "s3:PutObject")
        for uri in (output["s3Path"], checkpoint):
            bucket, prefix = _parted(uri)
            yield from self._objects(who, f"{uri}/a.tar.gz", both, _JOBS_POLICY)
            yield self._list(who, bucket, f"{prefix}/", _JOBS_POLICY)
        if "kmsKeyId" in output:
            key = _real_key(self._deployment, output["kmsKeyId"])
            for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
                context = _key_context(self._region)
                yield Call(who, f"kms:{action}", key, _SAGEMAKER_OUTPUT, context)
        yield from self._of_logs(who)
        yield from self._of_image(who, algorithm.get("containerImage", {}).get("uri", ""))
        if self._is_managed:
            yield from self._of_tasks(who)
        yield from self._denied_to_job(who)

    def _of_logs(self, who: str) -> Iterator[Call]:
        group = f"arn:aws:logs:{self._region}:{ACCOUNT}:log-group:/aws/braket/jobs"
        stream = f"{group}:log-stream:{self._request['jobName']}/algo-1"
        yield Call(who, "logs:CreateLogGroup", f"{group}:*", _JOBS_POLICY)
        yield Call(who, "logs:DescribeLogStreams", f"{group}:*", _JOBS_POLICY)
        yield Call(who, "logs:CreateLogStream", stream, _JOBS_POLICY)
        yield Call(who, "logs:PutLogEvents", stream, _JOBS_POLICY)
        braket = {"cloudwatch:namespace": "/aws/braket"}
        yield Call(who, "cloudwatch:PutMetricData", "*", _JOBS_POLICY, braket)
        theirs = {"cloudwatch:namespace": "Others"}
        yield Call(who, "cloudwatch:PutMetricData", "*", _JOBS_POLICY, theirs, allowed=False)
        other = f"arn:aws:logs:{self._region}:{ACCOUNT}:log-group:/others:log-stream:a"
        yield Call(who, "logs:PutLogEvents", other, _JOBS_POLICY, allowed=False)

    def _of_image(self, who: str, uri: str) -> Iterator[Call]:
        if not uri:
            return
        host, _, rest = uri.partition("/")
        account, region = host.split(".")[0], host.split(".")[3]
        name = rest.split("@")[0].split(":")[0]
        arn = f"arn:aws:ecr:{region}:{account}:repository/{name}"
        for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
            yield Call(who, f"ecr:{action}", arn, _JOBS_POLICY)
        yield Call(who, "ecr:GetAuthorizationToken", "*", _JOBS_POLICY)

    def _of_tasks(self, who: str) -> Iterator[Call]:
        yield Call(who, "braket:GetDevice", self._device, _BRAKET)
        yield Call(who, "braket:CreateQuantumTask", self._device, _BRAKET)
        for action in ("CreateQuantumTask", "GetQuantumTask", "CancelQuantumTask"):
            yield Call(who, f"braket:{action}", self._tasks, _BRAKET)
        bucket, folder = self._task_folder()
        head = f"{_DOCS}/AmazonS3/latest/API/API_HeadBucket.html"
        yield self._list(who, bucket, None, head)
        yield from self._objects(
            who,
            f"s3://{bucket}/{folder}/7b2/results.json",
            ("s3:GetObject", "s3:PutObject"),
            _JOBS_POLICY,
        )
        other = "arn:aws:braket:us-west-2::device/qpu/others/One"
        yield Call(who, "braket:CreateQuantumTask", other, _BRAKET, allowed=False)

    def _task_folder(self) -> tuple[str, str]:
        bucket, _ = _parted(self._request["outputDataConfig"]["s3Path"])
        return bucket, f"jobs/{self._request['jobName']}/tasks"

    def _denied_to_job(self, who: str) -> Iterator[Call]:
        records, name = self._records
        arn = f"arn:aws:s3:::{records}/{name}/record.json"
        for action in ("s3:GetObject", "s3:PutObject"):
            yield Call(who, action, arn, _S3, allowed=False)
        others = "arn:aws:s3:::amazon-braket-results-others/jobs/a"
        yield Call(who, "s3:GetObject", others, _S3, allowed=False)
        job = f"arn:aws:braket:{self._region}:{ACCOUNT}:job/7b2c3d4e"
        yield Call(who, "braket:CreateJob", job, _BRAKET, allowed=False)
        yield Call(who, "braket:CancelJob", job, _BRAKET, allowed=False)
        passed = {"iam:PassedToService": "braket.amazonaws.com"}
        role = self._request["roleArn"]
        yield Call(who, "iam:PassRole", role, _BRAKET, passed, allowed=False)

    def _task_results(self, arn: str) -> Iterator[Call]:
        for account in (ACCOUNT, OTHER_ACCOUNT):
            context = {"aws:ResourceAccount": account, "aws:PrincipalAccount": ACCOUNT}
            is_ours = account == ACCOUNT
            for action in ("s3:PutObject", "s3:GetObject"):
                yield Call(SERVICE_LINKED_ROLE, action, arn, _SERVICE_POLICY, context, is_ours)

    def _of_service_linked_role(self) -> Iterator[Call]:
        bucket, folder = self._task_folder()
        yield from self._task_results(f"arn:aws:s3:::{bucket}/{folder}/7b2/results.json")
        key = _key_of(self._deployment, bucket)
        known = {each.arn for each in self._deployment.resources("AWS::KMS::Key")}
        if key not in known or key is None:
            return  # a key of another app, which this one cannot change: it warns
        for action in ("kms:GenerateDataKey", "kms:Decrypt"):
            right = _key_context(self._region)
            yield Call(SERVICE_LINKED_ROLE, action, key, _SERVICE_POLICY, right)
            queue = {**right, "kms:ViaService": f"sqs.{self._region}.amazonaws.com"}
            yield Call(SERVICE_LINKED_ROLE, action, key, _SERVICE_POLICY, queue, allowed=False)
            stranger = f"arn:aws:iam::{ACCOUNT}:role/Stranger"
            yield Call(stranger, action, key, _SERVICE_POLICY, right, allowed=False)
            foreign = {**right, "kms:CallerAccount": OTHER_ACCOUNT}
            theirs = SERVICE_LINKED_ROLE.replace(ACCOUNT, OTHER_ACCOUNT)
            yield Call(theirs, action, key, _SERVICE_POLICY, foreign, allowed=False)
        yield Call(
            SERVICE_LINKED_ROLE,
            "kms:ScheduleKeyDeletion",
            key,
            _SERVICE_POLICY,
            _key_context(self._region),
            allowed=False,
        )


def _function_calls(deployment: Deployment, function: Resource) -> Iterator[Call]:
    """The calls of Lambda for a function, and of CloudWatch Logs for its log."""
    given = function.properties
    who = given["Role"].rpartition("/")[2]
    for group in deployment.resources("AWS::Logs::LogGroup"):
        if group.ref == given.get("LoggingConfig", {}).get("LogGroup"):
            roles = f"{_LAMBDA}/lambda-intro-execution-role.html"
            stream = f"{group.arn.removesuffix(':*')}:log-stream:2026/11/27/[1]a"
            for action in ("CreateLogStream", "PutLogEvents"):
                yield Call(who, f"logs:{action}", stream, roles)
            yield from _log_calls(group)
    if given.get("TracingConfig", {}).get("Mode") == "Active":
        for action in ("PutTelemetryRecords", "PutTraceSegments"):
            yield Call(who, f"xray:{action}", "*", f"{_LAMBDA}/services-xray.html")
    if "DeadLetterConfig" in given:
        yield from _letter_calls(deployment, who, given["DeadLetterConfig"]["TargetArn"])
    if "VpcConfig" in given:
        yield from _network_calls(who, function.stack.region)


def _log_calls(group: Resource) -> Iterator[Call]:
    """The calls of CloudWatch Logs on the key of a log group."""
    key = group.properties.get("KmsKeyId")
    if key is None:
        return
    service = f"logs.{group.stack.region}.amazonaws.com"
    arn = group.arn.removesuffix(":*")
    name = "kms:EncryptionContext:aws:logs:arn"
    for action in ("Encrypt", "Decrypt", "ReEncryptFrom", "GenerateDataKey"):
        yield Call(service, f"kms:{action}", key, _LOGS_KMS, {name: arn})
        for wrong in (arn.replace(group.ref, "others"), arn.replace(ACCOUNT, OTHER_ACCOUNT)):
            yield Call(service, f"kms:{action}", key, _LOGS_KMS, {name: wrong}, allowed=False)


def _letter_calls(deployment: Deployment, who: str, letters: str) -> Iterator[Call]:
    """The calls of Lambda for dead letters, which it sends as the function's role."""
    source = f"{_LAMBDA}/invocation-async-retain-records.html"
    yield Call(who, "sqs:SendMessage", letters, source)
    for queue in deployment.resources("AWS::SQS::Queue"):
        key = queue.properties.get("KmsMasterKeyId")
        if queue.arn != letters or key is None:
            continue
        via = {
            "kms:ViaService": f"sqs.{queue.stack.region}.amazonaws.com",
            "kms:ResourceAliases": "alias/mine",
        }
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            yield Call(who, action, _real_key(deployment, key), source, via)


def _network_calls(who: str, region: str) -> Iterator[Call]:
    source = f"{_LAMBDA}/configuration-vpc.html"
    interface = f"arn:aws:ec2:{region}:{ACCOUNT}:network-interface/eni-1"
    subnet = f"arn:aws:ec2:{region}:{ACCOUNT}:subnet/subnet-1"
    group = f"arn:aws:ec2:{region}:{ACCOUNT}:security-group/sg-1"
    for action in ("DescribeNetworkInterfaces", "DescribeSubnets"):
        yield Call(who, f"ec2:{action}", "*", source)
    for arn in (interface, subnet, group):
        yield Call(who, "ec2:CreateNetworkInterface", arn, source)
    for action in ("AssignPrivateIpAddresses", "DeleteNetworkInterface"):
        yield Call(who, f"ec2:{action}", interface, source)
    yield Call(who, "ec2:UnassignPrivateIpAddresses", interface, source)


def _bucket_calls(deployment: Deployment, bucket: Resource) -> Iterator[Call]:
    """The calls of S3 for a bucket: access logs and replication; and none in clear."""
    given = bucket.properties
    logging = given.get("LoggingConfiguration")
    targets = {each.ref: each for each in deployment.resources("AWS::S3::Bucket")}
    if logging is not None and logging.get("DestinationBucketName") in targets:
        target = targets[logging["DestinationBucketName"]]
        key = f"{target.arn}/{logging['LogFilePrefix']}2026-11-27"
        right = {"aws:SourceArn": bucket.arn, "aws:SourceAccount": ACCOUNT}
        who = "logging.s3.amazonaws.com"
        yield Call(who, "s3:PutObject", key, _ACCESS_LOGS, right)
        for forged in (
            {**right, "aws:SourceAccount": OTHER_ACCOUNT},
            {**right, "aws:SourceArn": "arn:aws:s3:::others"},
        ):
            yield Call(who, "s3:PutObject", key, _ACCESS_LOGS, forged, allowed=False)
    clear = {"aws:SecureTransport": "false"}
    if any(part in bucket.logical_id for part in ("InputsBucket", "ResultsBucket", "AccessLogs")):
        yield Call("anybody", "s3:GetObject", f"{bucket.arn}/jobs/a", _S3, clear, allowed=False)
        old = {"s3:TlsVersion": "1.1"}
        yield Call("anybody", "s3:PutObject", f"{bucket.arn}/jobs/a", _S3, old, allowed=False)
    if "ReplicationConfiguration" in given:
        yield from _replication_calls(deployment, bucket)


def _deletions(deployment: Deployment, emptied: Resource) -> Iterator[Call]:
    """The calls of CDK's function that empties a bucket before it is deleted."""
    functions = {each.arn: each for each in deployment.resources("AWS::Lambda::Function")}
    who = functions[emptied.properties["ServiceToken"]].properties["Role"].rpartition("/")[2]
    arn = f"arn:aws:s3:::{emptied.properties['BucketName']}"
    source = f"{_DOCS}/cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html"
    for action in ("GetBucketTagging", "ListBucketVersions", "PutBucketPolicy"):
        yield Call(who, f"s3:{action}", arn, source)
    yield Call(who, "s3:DeleteObjectVersion", f"{arn}/jobs/a", source)
    yield Call(who, "s3:GetObject", f"{arn}/jobs/a", source, allowed=False)


def _replication_calls(deployment: Deployment, bucket: Resource) -> Iterator[Call]:
    configuration = bucket.properties["ReplicationConfiguration"]
    who = configuration["Role"].rpartition("/")[2]
    yield Call(who, "s3:GetReplicationConfiguration", bucket.arn, _REPLICATION)
    yield Call(who, "s3:ListBucket", bucket.arn, _REPLICATION)
    for action in (
        "GetObjectVersionForReplication",
        "GetObjectVersionAcl",
        "GetObjectVersionTagging",
    ):
        yield Call(who, f"s3:{action}", f"{bucket.arn}/jobs/a", _REPLICATION)
    for rule in configuration["Rules"]:
        target = rule["Destination"]["Bucket"]
        for action in ("ReplicateObject", "ReplicateDelete", "ReplicateTags"):
            yield Call(who, f"s3:{action}", f"{target}/jobs/a", _REPLICATION)
        replica = rule["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID")
        if replica is not None:
            arn = _real_key(deployment, replica)
            for action in ("kms:Encrypt", "kms:GenerateDataKey"):
                yield Call(who, action, arn, _REPLICATION, _key_context(bucket.stack.region))
    key = _key_of(deployment, bucket.ref)
    if key is not None:
        yield Call(who, "kms:Decrypt", key, _REPLICATION, _key_context(bucket.stack.region))


def _invocations(deployment: Deployment) -> Iterator[Call]:
    """The calls of services that invoke a function, and the function's own for them."""
    functions = {each.arn: each for each in deployment.resources("AWS::Lambda::Function")}
    queues = {each.arn for each in deployment.resources("AWS::SQS::Queue")}
    for rule in deployment.resources("AWS::Events::Rule"):
        for target in rule.properties.get("Targets", []):
            if target["Arn"] not in functions.keys() | queues:
                continue
            right = {"aws:SourceArn": rule.arn, "aws:SourceAccount": ACCOUNT}
            who = "events.amazonaws.com"
            action = "sqs:SendMessage" if target["Arn"] in queues else "lambda:InvokeFunction"
            yield Call(who, action, target["Arn"], _RULES, right)
            forged = {
                "aws:SourceArn": rule.arn.replace(ACCOUNT, OTHER_ACCOUNT),
                "aws:SourceAccount": OTHER_ACCOUNT,
            }
            yield Call(who, action, target["Arn"], _RULES, forged, allowed=False)
    for catch_up in deployment.resources("Custom::BraketHybridJobCatchUp"):
        function = functions.get(catch_up.properties["ServiceToken"])
        if function is None:
            continue
        who = function.properties["Role"].rpartition("/")[2]
        bus = f"arn:aws:events:{function.stack.region}:{ACCOUNT}:event-bus/default"
        source = f"{_AUTHORIZATION}/list_amazoneventbridge.html"
        right = {
            "events:detail-type": "Braket Job State Change",
            "events:source": str(catch_up.properties["EventSource"]),
        }
        yield Call(who, "events:PutEvents", bus, source, right)
        forged = {**right, "events:source": "others"}
        yield Call(who, "events:PutEvents", bus, source, forged, allowed=False)
    for machine in deployment.resources("AWS::StepFunctions::StateMachine"):
        yield from _machine_calls(functions, machine)
    for schedule in deployment.resources("AWS::Scheduler::Schedule"):
        target = schedule.properties["Target"]
        who = target["RoleArn"].rpartition("/")[2]
        source = f"{_DOCS}/scheduler/latest/UserGuide/setting-up.html"
        invokes = "lambda:InvokeFunction" if target["Arn"] in functions else "states:StartExecution"
        yield Call(who, invokes, target["Arn"], source)
    for job in deployment.resources("Custom::BraketHybridJob"):
        function = functions.get(job.properties["ServiceToken"])
        if function is not None and "WaitForCompletion" in job.properties:
            who = function.properties["Role"].rpartition("/")[2]
            source = f"{_AUTHORIZATION}/list_awslambda.html"
            yield Call(who, "lambda:InvokeFunction", function.arn, source)


def _machine_calls(functions: Mapping[str, Resource], machine: Resource) -> Iterator[Call]:
    who = machine.properties["RoleArn"].rpartition("/")[2]
    source = f"{_DOCS}/step-functions/latest/dg/connect-lambda.html"
    definition = str(machine.properties["DefinitionString"])
    for arn, function in functions.items():
        if arn not in definition:
            continue
        yield Call(who, "lambda:InvokeFunction", arn, source)
        handler = function.properties["Role"].rpartition("/")[2]
        for action in ("SendTaskSuccess", "SendTaskFailure"):
            answers = f"{_AUTHORIZATION}/list_awsstepfunctions.html"
            yield Call(handler, f"states:{action}", "*", answers)


# The resource for which a service assumes a role.
_SOURCES: Final = {
    "braket.amazonaws.com": "arn:aws:braket:{}:{}:job/a",
    "scheduler.amazonaws.com": "arn:aws:scheduler:{}:{}:schedule-group/default",
    "states.amazonaws.com": "arn:aws:states:{}:{}:stateMachine:a",
}


def _trust(deployment: Deployment) -> Iterator[Call]:
    """The services that assume the roles, and one that cannot."""
    source = f"{_DOCS}/IAM/latest/UserGuide/id_roles_create_for-service.html"
    for role in deployment.resources("AWS::IAM::Role"):
        statements = role.properties["AssumeRolePolicyDocument"]["Statement"]
        services: set[Any] = {each["Principal"].get("Service") for each in statements} - {None}
        for service in sorted(services):
            arn = _SOURCES.get(service, "").format(role.stack.region, ACCOUNT)
            context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": arn}
            yield Call(service, "sts:AssumeRole", role.arn, source, context)
        yield Call("glue.amazonaws.com", "sts:AssumeRole", role.arn, source, allowed=False)


def _of_users(deployment: Deployment) -> Iterator[Call]:
    """The calls that grants are for, in the example stacks."""
    for function in deployment.resources("AWS::Lambda::Function"):
        given = function.properties
        if "RESULTS_S3_URI" in given.get("Environment", {}).get("Variables", {}):
            who = given["Role"].rpartition("/")[2]
            [job] = _jobs(deployment)
            path = job.properties["Request"]["outputDataConfig"]["s3Path"].replace(_RUN, _A_RUN)
            yield from _reads(deployment, who, f"{path}/output/model.tar.gz")
    for output in _outputs(deployment, "CheckedRoleArn"):
        # The role of examples/verify_on_aws that runs a job without a construct.
        who = output.rpartition("/")[2]
        [inputs], [results] = _outputs(deployment, "Inputs"), _outputs(deployment, "Results")
        yield from _reads(deployment, who, f"s3://{inputs}/scripts/a/source.tar.gz")
        yield from _reads(deployment, who, f"s3://{results}/jobs/a/output/model.tar.gz")
        key = _key_of(deployment, results)
        assert key is not None
        yield Call(who, "s3:PutObject", f"arn:aws:s3:::{results}/jobs/a", _JOBS_POLICY)
        yield Call(who, "kms:GenerateDataKey", key, _KMS_S3, _key_context(REGION))
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/braket/jobs"
        yield Call(who, "logs:PutLogEvents", f"{group}:log-stream:a", _JOBS_POLICY)


def _reads(deployment: Deployment, who: str, uri: str) -> Iterator[Call]:
    bucket, name = _parted(uri)
    yield Call(who, "s3:GetObject", f"arn:aws:s3:::{bucket}/{name}", _S3)
    yield Call(who, "s3:ListBucket", f"arn:aws:s3:::{bucket}", _S3, {"s3:prefix": name})
    key = _key_of(deployment, bucket)
    assert key is not None
    yield Call(who, "kms:Decrypt", key, _KMS_S3, _key_context(REGION))


def _outputs(deployment: Deployment, name: str) -> list[str]:
    return [
        str(deployment.resolve(stack.template["Outputs"][name]["Value"], stack))
        for stack in deployment.stacks
        if name in stack.template.get("Outputs", {})
    ]
