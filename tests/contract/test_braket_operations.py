"""Each operation of the local Braket service answers as the service model says."""

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
    "ListTagsForResource",
}  # fmt: skip

LONGEST_NAME = model_rules.bounds(model_rules.shape_of("CreateJobRequest", "jobName")).maximum or 0


class Wire:
    """Calls operations by their API names, and keeps the answers as they came."""

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
    """A request that is taken, with a client token of its own."""
    return jobs.request(
        SCRIPT,
        hyperParameters={"a": "1"},
        stoppingCondition={"maxRuntimeInSeconds": 600},
        tags={"team": "chemistry"},
    )


@pytest.fixture
def job(wire: Wire, request_: dict[str, Json]) -> Iterator[str]:
    """A job that runs until the test is over."""
    arn = wire.call("CreateJob", **request_)["jobArn"]
    yield arn
    if wire.call("GetJob", jobArn=arn)["status"] in {"QUEUED", "RUNNING"}:
        wire.call("CancelJob", jobArn=arn)


def _parameters(job: str, request: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    return {
        "CreateJob": {**request, "clientToken": str(uuid.uuid4())},
        "GetJob": {"jobArn": job, "additionalAttributeNames": ["QueueInfo"]},
        "SearchJobs": {"filters": [{"name": "jobArn", "operator": "EQUAL", "values": [job]}]},
        "TagResource": {"resourceArn": job, "tags": {"more": "1"}},
        "ListTagsForResource": {"resourceArn": job},
        "UntagResource": {"resourceArn": job, "tagKeys": ["more"]},
        "CancelJob": {"jobArn": job},
    }


def test_every_operation_answers_what_the_model_says(
    wire: Wire, job: str, request_: dict[str, Json]
) -> None:
    parameters = _parameters(job, request_)
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


def test_an_arn_ends_in_a_uuid_and_times_are_read_as_times(wire: Wire, job: str) -> None:
    assert uuid.UUID(job.rpartition("/")[2])
    described = wire.call("GetJob", jobArn=job)
    assert isinstance(described["createdAt"], datetime)
    assert described["createdAt"].tzinfo is not None


def test_what_was_asked_for_is_described(wire: Wire, job: str, request_: dict[str, Json]) -> None:
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


def test_what_is_over_is_described_as_the_model_says(wire: Wire, jobs: Jobs) -> None:
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


def test_jobs_are_found_by_when_they_were_made(wire: Wire, job: str) -> None:
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


def test_an_unknown_job_is_not_found(wire: Wire, job: str) -> None:
    unknown = f"{job.rpartition('/')[0]}/{uuid.uuid4()}"
    status = service_model.shape("ResourceNotFoundException").error_status
    for operation, given in _parameters(unknown, {}).items():
        if operation not in {"CreateJob", "SearchJobs"}:
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
def test_a_caller_without_permission_is_refused(
    local_aws: LocalAws, job: str, request_: dict[str, Json], operation: str
) -> None:
    others = sorted(f"braket:{name}" for name in OPERATIONS - {operation})
    stranger = Wire(user_who_may(local_aws, [*others, "iam:PassRole"]))
    code, status = stranger.refused(operation, **_parameters(job, request_)[operation])
    assert code == "AccessDeniedException"
    assert status == service_model.shape("AccessDeniedException").error_status


def test_a_role_that_may_not_be_passed_is_refused(
    local_aws: LocalAws, request_: dict[str, Json]
) -> None:
    caller = Wire(user_who_may(local_aws, ["braket:CreateJob", "braket:TagResource"]))
    with pytest.raises(ClientError, match="iam:PassRole"):
        caller.call("CreateJob", **request_)
