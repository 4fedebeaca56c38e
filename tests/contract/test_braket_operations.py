"""Each operation of the local Braket service responds in the form of the service model."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model
from cdk_braket_local.control.instance import ClientSettings, LocalAws
from tests.emulator.jobs import Jobs, Json
from tests.emulator.users import user_who_may

SCRIPT = "import time\ndef main():\n    time.sleep(600)\n"
OPERATIONS = {
    "CreateJob", "GetJob", "CancelJob", "SearchJobs", "TagResource", "UntagResource",
    "ListTagsForResource", "GetDevice", "SearchDevices", "CreateQuantumTask", "GetQuantumTask",
    "CancelQuantumTask", "SearchQuantumTasks",
}  # fmt: skip
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
# Runs for longer than any test.
ENDLESS = (
    "OPENQASM 3.0;\nqubit[12] q;\nfor int i in [0:100000000] {\n  h q[0];\n}\n"
    "#pragma braket result probability\n"
)

LONGEST_NAME = model_rules.bounds(model_rules.shape_of("CreateJobRequest", "jobName")).maximum or 0


class Wire:
    """Calls operations by their API names, and keeps the raw responses."""

    def __init__(self, settings: ClientSettings) -> None:
        config = botocore.config.Config(
            parameter_validation=False, retries={"total_max_attempts": 1}
        )
        self._client = boto3.client("braket", config=config, **settings)
        self._client.meta.events.register("after-call.braket", self._keep)
        self.answers: dict[str, Json] = {}

    def _keep(self, http_response: Json, model: Json, **_: object) -> None:
        self.answers[model.name] = json.loads(http_response.content)

    def call(self, operation: str, **parameters: object) -> Json:
        names = self._client.meta.method_to_api_mapping
        (method,) = (name for name, api in names.items() if api == operation)
        return getattr(self._client, method)(**parameters)

    def refused(self, operation: str, **parameters: object) -> tuple[str, int]:
        with pytest.raises(ClientError) as raised:
            self.call(operation, **parameters)
        response = raised.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def wire(local_aws: LocalAws) -> Wire:
    return Wire(local_aws.client_settings)


@pytest.fixture(scope="module")
def jobs(local_aws: LocalAws) -> Jobs:
    return Jobs(local_aws)


@pytest.fixture
def request_(jobs: Jobs) -> dict[str, Json]:
    """A valid request, with a separate client token."""
    return jobs.request(
        SCRIPT,
        hyperParameters={"a": "1"},
        stoppingCondition={"maxRuntimeInSeconds": 600},
        tags={"team": "chemistry"},
    )


@pytest.fixture
def job(wire: Wire, request_: dict[str, Json]) -> Iterator[str]:
    """A job that runs until the end of the test."""
    arn = wire.call("CreateJob", **request_)["jobArn"]
    yield arn
    if wire.call("GetJob", jobArn=arn)["status"] in {"QUEUED", "RUNNING"}:
        wire.call("CancelJob", jobArn=arn)


@pytest.fixture
def task_request(jobs: Jobs) -> dict[str, Json]:
    """A valid request for a task, with a separate client token."""
    header = {"name": "braket.ir.openqasm.program", "version": "1"}
    return {
        "clientToken": str(uuid.uuid4()),
        "deviceArn": SV1,
        "deviceParameters": "{}",
        "shots": 0,
        "outputS3Bucket": jobs.bucket,
        "outputS3KeyPrefix": "tasks",
        "action": json.dumps({"braketSchemaHeader": header, "source": ENDLESS}),
        "tags": {"team": "chemistry"},
    }


@pytest.fixture
def task(wire: Wire, task_request: dict[str, Json]) -> Iterator[str]:
    """A quantum task that runs until the end of the test."""
    arn = wire.call("CreateQuantumTask", **task_request)["quantumTaskArn"]
    yield arn
    if wire.call("GetQuantumTask", quantumTaskArn=arn)["status"] in {"QUEUED", "RUNNING"}:
        _cancel(wire, arn)


def _cancel(wire: Wire, task: str) -> Json:
    token = str(uuid.uuid4())
    return wire.call("CancelQuantumTask", quantumTaskArn=task, clientToken=token)


def _parameters(
    job: str, request: Mapping[str, Json], task: str, task_request: Mapping[str, Json]
) -> dict[str, dict[str, Json]]:
    return {
        "GetDevice": {"deviceArn": SV1},
        "SearchDevices": {"filters": [{"name": "deviceType", "values": ["SIMULATOR"]}]},
        "CreateQuantumTask": {**task_request, "clientToken": str(uuid.uuid4())},
        "GetQuantumTask": {"quantumTaskArn": task, "additionalAttributeNames": ["QueueInfo"]},
        "SearchQuantumTasks": {"filters": [_by("quantumTaskArn", "EQUAL", task)]},
        "CancelQuantumTask": {"quantumTaskArn": task, "clientToken": str(uuid.uuid4())},
        "CreateJob": {**request, "clientToken": str(uuid.uuid4())},
        "GetJob": {"jobArn": job, "additionalAttributeNames": ["QueueInfo"]},
        "SearchJobs": {"filters": [{"name": "jobArn", "operator": "EQUAL", "values": [job]}]},
        "TagResource": {"resourceArn": job, "tags": {"more": "1"}},
        "ListTagsForResource": {"resourceArn": job},
        "UntagResource": {"resourceArn": job, "tagKeys": ["more"]},
        "CancelJob": {"jobArn": job},
    }


def test_every_operation_returns_the_output_of_the_model(
    wire: Wire,
    job: str,
    request_: dict[str, Json],
    task: str,
    task_request: dict[str, Json],
) -> None:
    parameters = _parameters(job, request_, task, task_request)
    assert set(parameters) == OPERATIONS
    for operation, given in parameters.items():
        answer = wire.call(operation, **given)
        shape = service_model.operation(operation).output_shape
        assert model_rules.check(shape, wire.answers[operation]) == [], operation
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == (
            service_model.operation(operation).status
        )
    other = wire.answers["CreateJob"]["jobArn"]
    wire.call("CancelJob", jobArn=other)
    _cancel(wire, wire.answers["CreateQuantumTask"]["quantumTaskArn"])


def test_an_arn_ends_in_a_uuid_and_times_are_read_as_times(wire: Wire, job: str) -> None:
    assert uuid.UUID(job.rpartition("/")[2])
    described = wire.call("GetJob", jobArn=job)
    assert isinstance(described["createdAt"], datetime)
    assert described["createdAt"].tzinfo is not None


def test_a_job_is_described_by_its_request(wire: Wire, job: str, request_: dict[str, Json]) -> None:
    described = wire.call("GetJob", jobArn=job)
    asked = {name: value for name, value in request_.items() if name != "clientToken"}
    assert {name: described[name] for name in asked} == asked


def test_one_token_is_one_job(wire: Wire, request_: dict[str, Json]) -> None:
    first, second = (wire.call("CreateJob", **request_)["jobArn"] for _ in range(2))
    assert first == second
    other = {**request_, "jobName": "other"}
    assert wire.refused("CreateJob", **other)[0] == "ConflictException"
    anew = {**request_, "clientToken": str(uuid.uuid4())}
    third = wire.call("CreateJob", **anew)["jobArn"]
    assert third != first
    for arn in (first, third):
        wire.call("CancelJob", jobArn=arn)


def test_an_ended_job_is_described_in_the_form_of_the_model(wire: Wire, jobs: Jobs) -> None:
    scripts = ["def main(): pass", "def main(): raise ValueError('x' * 9000)"]
    made = [jobs.start(script) for script in scripts]
    made.append(jobs.start(SCRIPT, stoppingCondition={"maxRuntimeInSeconds": 1}))
    assert [jobs.over(arn)["status"] for arn in made] == ["COMPLETED", "FAILED", "FAILED"]
    for arn in made:
        described = wire.call("GetJob", jobArn=arn)
        assert described["createdAt"] <= described["startedAt"] <= described["endedAt"]
        assert described["billableDuration"] > 0
        (found,) = wire.call("SearchJobs", filters=[_by("jobArn", "EQUAL", arn)])["jobs"]
        assert found == {name: described.get(name, found["device"]) for name in found}
        for operation in ("GetJob", "SearchJobs"):
            shape = service_model.operation(operation).output_shape
            assert model_rules.check(shape, wire.answers[operation]) == [], operation


def _by(name: str, operator: str, *values: str) -> dict[str, Json]:
    return {"name": name, "operator": operator, "values": list(values)}


def test_a_cancelled_job_cannot_be_cancelled_again(wire: Wire, jobs: Jobs, job: str) -> None:
    answer = wire.call("CancelJob", jobArn=job)
    assert answer["cancellationStatus"] in model_rules.enum_values("CancellationStatus")
    assert jobs.over(job)["status"] == "CANCELLED"
    assert wire.refused("CancelJob", jobArn=job)[0] == "ConflictException"


def test_tags_are_added_shown_and_removed(wire: Wire, job: str) -> None:
    wire.call("TagResource", resourceArn=job, tags={"a b": "ü&=?", "other": ""})
    tags = wire.call("ListTagsForResource", resourceArn=job)["tags"]
    assert tags == {"team": "chemistry", "a b": "ü&=?", "other": ""}
    wire.call("UntagResource", resourceArn=job, tagKeys=["a b", "team", "never was"])
    assert wire.call("GetJob", jobArn=job)["tags"] == {"other": ""}


def test_jobs_are_found_newest_first_in_pages(wire: Wire, request_: dict[str, Json]) -> None:
    made = [
        wire.call("CreateJob", **{**request_, "clientToken": str(uuid.uuid4())})["jobArn"]
        for _ in range(3)
    ]
    since = wire.call("GetJob", jobArn=made[0])["createdAt"].isoformat()
    filters = [{"name": "createdAt", "operator": "GTE", "values": [since]}]
    found: list[str] = []
    page: Json = {"nextToken": None}
    while "nextToken" in page:
        start = {"nextToken": page["nextToken"]} if page["nextToken"] else {}
        page = wire.call("SearchJobs", filters=filters, maxResults=2, **start)
        assert len(page["jobs"]) <= 2
        found += [job["jobArn"] for job in page["jobs"]]
    assert found == made[::-1]
    for arn in made:
        wire.call("CancelJob", jobArn=arn)


def test_jobs_are_found_by_their_time_of_creation(wire: Wire, job: str) -> None:
    at = wire.call("GetJob", jobArn=job)["createdAt"]
    before, after = ((at + timedelta(seconds=s)).isoformat() for s in (-1, 1))
    matching = [
        _by("createdAt", "BETWEEN", before, after),
        _by("createdAt", "GT", before),
        _by("createdAt", "LT", after),
        _by("createdAt", "LTE", after),
    ]
    this = _by("jobArn", "EQUAL", job)
    for filters in ([this], *([this, each] for each in matching), [this, *matching]):
        assert [found["jobArn"] for found in wire.call("SearchJobs", filters=filters)["jobs"]] == [
            job
        ]
    for other in (_by("createdAt", "LT", before), _by("createdAt", "GTE", after)):
        assert wire.call("SearchJobs", filters=[this, other])["jobs"] == []


def test_a_job_is_known_in_its_region_alone(local_aws: LocalAws, wire: Wire, job: str) -> None:
    elsewhere = Wire({**local_aws.client_settings, "region_name": "eu-west-2"})
    assert elsewhere.refused("GetJob", jobArn=job)[0] == "ResourceNotFoundException"
    assert elsewhere.call("SearchJobs", filters=[_by("jobArn", "EQUAL", job)])["jobs"] == []
    assert wire.call("GetJob", jobArn=job)["jobArn"] == job


def test_an_unknown_resource_is_not_found(wire: Wire, job: str) -> None:
    unknown = f"{job.rpartition('/')[0]}/{uuid.uuid4()}"
    unknown_task = unknown.replace(":job/", ":quantum-task/")
    status = service_model.shape("ResourceNotFoundException").error_status
    others = {"GetDevice": {"deviceArn": SV1.replace("sv1", "sv9")}}
    known = {name for name in OPERATIONS if name.startswith(("Create", "Search"))}
    for operation, given in (_parameters(unknown, {}, unknown_task, {}) | others).items():
        if operation not in known:
            assert wire.refused(operation, **given) == ("ResourceNotFoundException", status)


@pytest.mark.parametrize(
    "member",
    [name for name in service_model.shape("CreateJobRequest").required if name != "clientToken"],
)
def test_a_missing_member_is_refused(wire: Wire, request_: dict[str, Json], member: str) -> None:
    del request_[member]
    status = service_model.shape("ValidationException").error_status
    assert wire.refused("CreateJob", **request_) == ("ValidationException", status)


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobName": "-"},
        {"jobName": "x" * (LONGEST_NAME + 1)},
        {"roleArn": "me"},
        {"clientToken": ""},
        {"algorithmSpecification": {}},
        {"instanceConfig": {"instanceType": "ml.m99.large", "volumeSizeInGb": 30}},
        {"instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 0}},
        {"hyperParameters": {"a": ""}},
        {"deviceConfig": {"device": "default"}},
        {"deviceConfig": {"device": "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3"}},
        {"outputDataConfig": {"s3Path": "s3://mine/out"}},
        {"stoppingCondition": {"maxRuntimeInSeconds": 0}},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(
    wire: Wire, request_: dict[str, Json], wrong: dict[str, Json]
) -> None:
    assert wire.refused("CreateJob", **{**request_, **wrong})[0] == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("GetJob", {"jobArn": "not an ARN"}),
        ("CancelJob", {"jobArn": "not an ARN"}),
        ("GetJob", {"additionalAttributeNames": ["Everything"]}),
        ("SearchJobs", {}),
        ("SearchJobs", {"filters": [{"name": "jobArn", "values": ["a"]}]}),
        ("SearchJobs", {"filters": [_by("jobArn", "NEAR", "a")]}),
        ("SearchJobs", {"filters": [_by("jobArn", "LT", "a")]}),
        ("SearchJobs", {"filters": [_by("jobName", "EQUAL", "a")]}),
        ("SearchJobs", {"filters": [_by("createdAt", "LT", "yesterday")]}),
        ("SearchJobs", {"filters": [], "maxResults": 0}),
        ("SearchJobs", {"filters": [], "nextToken": "made up"}),
        ("TagResource", {"tags": {"a": 1}}),
        ("TagResource", {"tags": None}),
        ("UntagResource", {"tagKeys": []}),
    ],
    ids=str,
)
def test_a_wrong_value_of_another_operation_is_refused(
    wire: Wire, job: str, operation: str, wrong: dict[str, Json]
) -> None:
    name = {"GetJob": "jobArn", "CancelJob": "jobArn"}.get(operation, "resourceArn")
    given = wrong if operation == "SearchJobs" else {name: job, **wrong}
    status = service_model.shape("ValidationException").error_status
    assert wire.refused(operation, **given) == ("ValidationException", status)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_caller_without_permission_is_refused(  # noqa: PLR0917 - fixtures
    local_aws: LocalAws,
    job: str,
    request_: dict[str, Json],
    task: str,
    task_request: dict[str, Json],
    operation: str,
) -> None:
    others = sorted(f"braket:{name}" for name in OPERATIONS - {operation})
    stranger = Wire(user_who_may(local_aws, [*others, "iam:PassRole", "s3:ListBucket"]))
    parameters = _parameters(job, request_, task, task_request)
    code, status = stranger.refused(operation, **parameters[operation])
    assert code == "AccessDeniedException"
    assert status == service_model.shape("AccessDeniedException").error_status


def test_a_role_that_may_not_be_passed_is_refused(
    local_aws: LocalAws, request_: dict[str, Json]
) -> None:
    caller = Wire(user_who_may(local_aws, ["braket:CreateJob", "braket:TagResource"]))
    with pytest.raises(ClientError, match="iam:PassRole"):
        caller.call("CreateJob", **request_)


def test_one_token_is_one_task(wire: Wire, task: str, task_request: dict[str, Json]) -> None:
    assert wire.call("CreateQuantumTask", **task_request)["quantumTaskArn"] == task
    other = {**task_request, "shots": 1}
    assert wire.refused("CreateQuantumTask", **other)[0] == "ValidationException"


def test_a_task_is_described_by_its_request(
    wire: Wire, task: str, task_request: dict[str, Json]
) -> None:
    described = wire.call("GetQuantumTask", quantumTaskArn=task)
    for name in ("deviceArn", "deviceParameters", "shots", "outputS3Bucket", "tags"):
        assert described[name] == task_request[name]
    assert described["outputS3Directory"] == f"tasks/{task.rpartition('/')[2]}"
    assert isinstance(described["createdAt"], datetime)


def test_a_task_has_tags(wire: Wire, task: str) -> None:
    wire.call("TagResource", resourceArn=task, tags={"more": "1"})
    tags = wire.call("ListTagsForResource", resourceArn=task)["tags"]
    assert tags == {"team": "chemistry", "more": "1"}
    wire.call("UntagResource", resourceArn=task, tagKeys=["team"])
    assert wire.call("GetQuantumTask", quantumTaskArn=task)["tags"] == {"more": "1"}


def test_tasks_are_found_newest_first_in_pages(
    wire: Wire, task: str, task_request: dict[str, Json]
) -> None:
    made = [task]
    for _ in range(2):
        request = {**task_request, "clientToken": str(uuid.uuid4())}
        made.append(wire.call("CreateQuantumTask", **request)["quantumTaskArn"])
    since = wire.call("GetQuantumTask", quantumTaskArn=task)["createdAt"].isoformat()
    filters = [_by("createdAt", "GTE", since), _by("deviceArn", "EQUAL", SV1)]
    first = wire.call("SearchQuantumTasks", filters=filters, maxResults=2)
    token = first["nextToken"]
    second = wire.call("SearchQuantumTasks", filters=filters, maxResults=2, nextToken=token)
    found = [each["quantumTaskArn"] for page in (first, second) for each in page["quantumTasks"]]
    assert found == made[::-1]
    assert "nextToken" not in second
    for arn in made[1:]:
        _cancel(wire, arn)
    cancelled = [*filters, _by("status", "EQUAL", "CANCELLED", "CANCELLING")]
    found = wire.call("SearchQuantumTasks", filters=cancelled)["quantumTasks"]
    assert [each["quantumTaskArn"] for each in found] == made[:0:-1]


def test_devices_are_found_in_pages(wire: Wire) -> None:
    names: list[str] = []
    page: Json = {"nextToken": None}
    while "nextToken" in page:
        start = {"nextToken": page["nextToken"]} if page["nextToken"] else {}
        page = wire.call("SearchDevices", filters=[], maxResults=1, **start)
        names += [device["deviceName"] for device in page["devices"]]
    assert {"SV1", "DM1", "TN1", "Forte-1"} <= set(names)
    assert len(set(names)) == len(names)
    assert "Garnet" not in names  # it is in another region


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("GetDevice", {"deviceArn": "SV1"}),
        ("SearchDevices", {"filters": [{"name": "color", "values": ["red"]}]}),
        ("SearchQuantumTasks", {"filters": [_by("shots", "EQUAL", "1")]}),
        ("SearchQuantumTasks", {"filters": [_by("status", "LT", "QUEUED")]}),
        ("SearchQuantumTasks", {"filters": [], "nextToken": "made up"}),
    ],
    ids=str,
)
def test_a_wrong_value_for_devices_and_tasks_is_refused(
    wire: Wire, operation: str, wrong: dict[str, Json]
) -> None:
    assert wire.refused(operation, **wrong)[0] == "ValidationException"


@pytest.mark.parametrize(
    "member",
    [
        name
        for name in service_model.shape("CreateQuantumTaskRequest").required
        if name != "clientToken"
    ],
)
def test_a_missing_member_of_a_task_is_refused(
    wire: Wire, task_request: dict[str, Json], member: str
) -> None:
    del task_request[member]
    assert wire.refused("CreateQuantumTask", **task_request)[0] == "ValidationException"
