"""The real gateway against botocore's Stubber and a real HTTP server."""

import contextlib
import io
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cdk_braket._lambda.braket_jobs.api import model_rules, service_model
from cdk_braket._lambda.braket_jobs.handler import aws_gateway as module
from cdk_braket._lambda.braket_jobs.handler.aws_gateway import AwsGateway
from cdk_braket._lambda.braket_jobs.handler.errors import Kind, ServiceError, explain
from cdk_braket._lambda.braket_jobs.handler.gateway import Job, Page
from cdk_braket._lambda.braket_jobs.handler.properties import Encryption, Location, render
from tests.unit.handler.worlds import request

JOB = "arn:aws:braket:us-east-1:123456789012:job/00000000-0000-0000-0000-000000000001"
PLACE = Location("amazon-braket-inputs", ".cdk-braket/jobs/u/Job.json")
SOURCE = Location("cdk-assets", "abc.tar.gz")
TARGET = Location("amazon-braket-inputs", "scripts/abc/source.tar.gz")
TOKEN = "a" * 64
CANARY = "canary-77ab"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> AwsGateway:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return AwsGateway()


@pytest.fixture
def braket(gateway: AwsGateway) -> Iterator[Stubber]:
    with Stubber(gateway._braket) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def braket_checks(gateway: AwsGateway) -> Iterator[Stubber]:
    with Stubber(gateway._braket_checks) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def s3_checks(gateway: AwsGateway) -> Iterator[Stubber]:
    with Stubber(gateway._s3_checks) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def s3(gateway: AwsGateway) -> Iterator[Stubber]:
    with Stubber(gateway._s3) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def copies(gateway: AwsGateway) -> Iterator[Stubber]:
    with Stubber(gateway._s3_for_copies) as stub:
        yield stub
        stub.assert_no_pending_responses()


# --- Events. ---

_DETAIL = {"jobArn": JOB, "status": "FAILED"}


def _put(gateway: AwsGateway, **entry: str) -> None:
    sent = {
        "Source": "cdk-braket.rule",
        "DetailType": "Braket Job State Change",
        "Detail": json.dumps(_DETAIL),
        "Resources": [JOB],
    }
    with Stubber(gateway._events) as stub:
        answer = {"Entries": [entry], "FailedEntryCount": int("ErrorCode" in entry)}
        stub.add_response("put_events", answer, {"Entries": [sent]})
        gateway.put_event("cdk-braket.rule", "Braket Job State Change", _DETAIL, JOB)
        # Otherwise a gateway that makes no call would pass.
        stub.assert_no_pending_responses()


def test_an_event_is_put_on_the_default_bus(gateway: AwsGateway) -> None:
    _put(gateway, EventId="1")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Kind.TRANSIENT),
        ("InternalFailure", Kind.TRANSIENT),
        ("NotAuthorizedForSourceException", Kind.PERMANENT),
    ],
)
def test_a_refused_event_is_an_error_although_the_call_succeeds(
    gateway: AwsGateway, code: str, kind: Kind
) -> None:
    with pytest.raises(ServiceError) as caught:
        _put(gateway, ErrorCode=code, ErrorMessage="not taken")
    assert (caught.value.code, caught.value.kind) == (code, kind)


# --- What must be there. ---


# --- Executions. ---

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Sweep"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Sweep:1"


def test_executions_are_listed_started_and_stopped(gateway: AwsGateway) -> None:
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    entry = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "name": "1",
        "status": "ABORTED",
        "startDate": started,
    }
    with Stubber(cast("Any", gateway._states)) as stub:
        listed = {"executions": [entry], "nextToken": "more"}
        stub.add_response("list_executions", listed, {"stateMachineArn": MACHINE})
        page = gateway.list_executions(MACHINE)
        more = {"stateMachineArn": MACHINE, "nextToken": "more"}
        stub.add_response("list_executions", {"executions": []}, more)
        assert gateway.list_executions(MACHINE, "more") == Page(())
        answer = {"executionArn": EXECUTION, "startDate": started}
        sent = {"stateMachineArn": MACHINE, "name": "1", "input": "{}"}
        stub.add_response("start_execution", answer, sent)
        assert gateway.start_execution(MACHINE, "1", "{}") == EXECUTION
        stub.add_response("stop_execution", {"stopDate": started}, {"executionArn": EXECUTION})
        gateway.stop_execution(EXECUTION)
        stub.assert_no_pending_responses()
    at = "2026-01-02T03:04:05.000+00:00"
    assert page == Page((Job(EXECUTION, "ABORTED", "1", None, started_at=at),), "more")


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "StateMachineDoesNotExist"])
def test_an_execution_or_a_state_machine_that_does_not_exist_is_not_found(
    gateway: AwsGateway, code: str
) -> None:
    with Stubber(cast("Any", gateway._states)) as stub:
        stub.add_client_error("list_executions", code, http_status_code=400)
        with pytest.raises(ServiceError) as caught:
            gateway.list_executions(MACHINE)
    assert caught.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("there", [True, False])
def test_a_role_is_looked_for_by_its_name(gateway: AwsGateway, there: bool) -> None:
    role = {
        "Path": "/",
        "RoleName": "Mine",
        "RoleId": "AROA" + "A" * 16,
        "Arn": "arn:aws:iam::123456789012:role/Mine",
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
    }
    with Stubber(gateway._iam) as stub:
        if there:
            stub.add_response("get_role", {"Role": role}, {"RoleName": "Mine"})
        else:
            stub.add_client_error("get_role", "NoSuchEntity", http_status_code=404)
        assert gateway.has_role("Mine") is there


def test_the_status_of_a_device_is_read(gateway: AwsGateway, braket_checks: Stubber) -> None:
    arn = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
    device = {
        "deviceArn": arn,
        "deviceName": "Forte 1",
        "providerName": "IonQ",
        "deviceType": "QPU",
        "deviceStatus": "OFFLINE",
        "deviceCapabilities": "{}",
    }
    braket_checks.add_response("get_device", device, {"deviceArn": arn})
    assert gateway.device_status(arn) == "OFFLINE"


def test_an_object_is_there_or_not_or_hidden(gateway: AwsGateway, s3_checks: Stubber) -> None:
    expect_head(s3_checks, SOURCE, SOURCE_HEAD)
    assert gateway.has_object(SOURCE)
    expect_head(s3_checks, SOURCE, None)
    assert not gateway.has_object(SOURCE)
    s3_checks.add_client_error("head_object", "403", "Forbidden", http_status_code=403)
    with pytest.raises(ServiceError, match="s3://cdk-assets"):
        gateway.has_object(SOURCE)


def test_a_bucket_s_tags_are_read_and_may_be_none(gateway: AwsGateway, s3_checks: Stubber) -> None:
    s3 = s3_checks
    tags = {"TagSet": [{"Key": "AmazonBraket", "Value": "true"}]}
    s3.add_response("get_bucket_tagging", tags, {"Bucket": "mine"})
    assert gateway.bucket_tags("mine") == {"AmazonBraket": "true"}
    s3.add_client_error("get_bucket_tagging", "NoSuchTagSet", http_status_code=404)
    assert gateway.bucket_tags("mine") == {}
    s3.add_client_error("get_bucket_tagging", "AccessDenied", http_status_code=403)
    with pytest.raises(ServiceError):
        gateway.bucket_tags("mine")


# --- The function itself. ---


def test_the_function_invokes_itself_without_waiting_for_it(gateway: AwsGateway) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:handler"
    event = {"RequestType": "Create", "CdkBraketWaitsUntil": 1.5}
    with Stubber(gateway._lambda) as stub:
        stub.add_response(
            "invoke",
            {"StatusCode": 202},
            {
                "FunctionName": arn,
                "InvocationType": "Event",
                "Payload": json.dumps(event).encode(),
            },
        )
        gateway.invoke_again(arn, event)
        stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        with pytest.raises(ServiceError) as raised:
            gateway.invoke_again(arn, event)
    assert raised.value.kind is Kind.TRANSIENT


# --- Braket. ---


def test_create_job_sends_the_whole_request(gateway: AwsGateway, braket: Stubber) -> None:
    rendered = {**render(request(), TOKEN), "clientToken": TOKEN, "tags": {"a": "b"}}
    braket.add_response("create_job", {"jobArn": JOB}, rendered)
    assert gateway.create_job(rendered) == JOB


def job_response(**changes: object) -> dict[str, object]:
    sent = render(request(), TOKEN)
    return {
        "status": "RUNNING",
        "jobArn": JOB,
        "roleArn": sent["roleArn"],
        "jobName": sent["jobName"],
        "outputDataConfig": sent["outputDataConfig"],
        "algorithmSpecification": sent["algorithmSpecification"],
        "instanceConfig": sent["instanceConfig"],
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }


def test_get_job_reads_the_members_for_the_lifecycle(gateway: AwsGateway, braket: Stubber) -> None:
    checkpoint = {"s3Uri": "s3://amazon-braket-results/c"}
    response = job_response(tags={"a": "b"}, checkpointConfig=checkpoint, failureReason="no")
    braket.add_response("get_job", response, {"jobArn": JOB})
    assert gateway.get_job(JOB) == Job(
        arn=JOB,
        status="RUNNING",
        name=f"vqe-{TOKEN[:12]}",
        tags={"a": "b"},
        results_path=f"s3://amazon-braket-results/jobs/vqe/{TOKEN[:12]}",
        checkpoint_uri=checkpoint["s3Uri"],
        failure_reason="no",
    )


def test_the_reason_of_a_job_is_read_without_its_hyperparameters(
    gateway: AwsGateway, braket: Stubber
) -> None:
    reason = f"ValueError: {CANARY!r} is too long"
    response = job_response(hyperParameters={"key": CANARY}, failureReason=reason)
    braket.add_response("get_job", response, {"jobArn": JOB})
    assert gateway.get_job(JOB).failure_reason == "ValueError: '***' is too long"


def test_get_job_accepts_responses_without_optional_members(
    gateway: AwsGateway, braket: Stubber
) -> None:
    braket.add_response("get_job", job_response(), {"jobArn": JOB})
    job = gateway.get_job(JOB)
    assert job.tags == {}
    assert job.checkpoint_uri == ""


def summary(number: int, **changes: object) -> dict[str, object]:
    return {
        "status": "QUEUED",
        "jobArn": f"{JOB[:-1]}{number}",
        "jobName": f"job-{number}",
        "device": "local:braket/default",
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }


def test_find_jobs_reads_all_pages_and_distinguishes_missing_tags_from_none(
    gateway: AwsGateway, braket: Stubber
) -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    filters = [{"name": "createdAt", "operator": "GTE", "values": ["2026-01-02T03:04:05Z"]}]
    size = model_rules.bounds(model_rules.shape_of("SearchJobsRequest", "maxResults")).maximum
    first: dict[str, object] = {"filters": filters, "maxResults": size}
    braket.add_response("search_jobs", {"jobs": [summary(1)], "nextToken": "n"}, first)
    second = {**first, "nextToken": "n"}
    braket.add_response("search_jobs", {"jobs": [summary(2, tags={"a": "b"})]}, second)
    page = gateway.find_jobs(since.timestamp())
    last = gateway.find_jobs(since.timestamp(), page.next_token)
    found = [(job.name, job.tags) for job in (*page.items, *last.items)]
    assert found == [("job-1", None), ("job-2", {"a": "b"})]
    assert last.next_token == ""


def test_the_search_uses_an_operator_of_the_service() -> None:
    assert "GTE" in model_rules.enum_values("SearchJobsFilterOperator")


def test_cancel_and_tags(gateway: AwsGateway, braket: Stubber) -> None:
    answer = {"jobArn": JOB, "cancellationStatus": "CANCELLING"}
    braket.add_response("cancel_job", answer, {"jobArn": JOB})
    braket.add_response("tag_resource", {}, {"resourceArn": JOB, "tags": {"a": "b"}})
    braket.add_response("untag_resource", {}, {"resourceArn": JOB, "tagKeys": ["a", "c"]})
    gateway.cancel_job(JOB)
    gateway.tag_job(JOB, {"a": "b"})
    gateway.untag_job(JOB, ("a", "c"))


EXPECTED_KINDS = {
    "AccessDeniedException": Kind.PERMANENT,
    "ConflictException": Kind.CONFLICT,
    "DeviceOfflineException": Kind.PERMANENT,
    "DeviceRetiredException": Kind.PERMANENT,
    "InternalServiceException": Kind.TRANSIENT,
    "ResourceNotFoundException": Kind.NOT_FOUND,
    "ServiceQuotaExceededException": Kind.PERMANENT,
    "ThrottlingException": Kind.TRANSIENT,
    "ValidationException": Kind.PERMANENT,
}


@pytest.mark.parametrize("code", sorted(EXPECTED_KINDS))
def test_each_modelled_error_has_its_kind(gateway: AwsGateway, braket: Stubber, code: str) -> None:
    status = service_model.shape(code).error_status
    assert status is not None
    braket.add_client_error(
        "cancel_job", code, "said", status, response_meta={"RequestId": "request-9"}
    )
    with pytest.raises(ServiceError) as raised:
        gateway.cancel_job(JOB)
    error = raised.value
    assert error.kind is EXPECTED_KINDS[code]
    assert (error.operation, error.code, error.message) == ("CancelJob", code, "said")
    assert error.request_id == "request-9"


def test_the_table_of_kinds_covers_the_errors_of_all_operations_used() -> None:
    used = ["CreateJob", "GetJob", "CancelJob", "SearchJobs", "TagResource", "UntagResource"]
    codes = {code for name in used for code in service_model.operation(name).errors}
    assert codes == set(EXPECTED_KINDS)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="https://braket"), Kind.TRANSIENT),
        (ConnectTimeoutError(endpoint_url="https://braket"), Kind.TRANSIENT),
        (ReadTimeoutError(endpoint_url="https://braket"), Kind.TRANSIENT),
        (ConnectionResetError("reset"), Kind.TRANSIENT),
        (NoCredentialsError(), Kind.PERMANENT),
    ],
)
def test_errors_of_the_client_have_their_kinds(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: Kind
) -> None:
    def fail(**_arguments: object) -> None:
        raise error

    monkeypatch.setattr(gateway._braket, "get_job", fail)
    with pytest.raises(ServiceError) as raised:
        gateway.get_job(JOB)
    assert raised.value.kind is kind


def test_an_error_while_a_client_is_created_is_one_of_its_calls(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise CredentialRetrievalError(provider="container", error_msg="timed out")

    monkeypatch.setattr("botocore.session.Session.create_client", fail)
    for call in (lambda: gateway.get_job(JOB), lambda: gateway.read_record(PLACE)):
        with pytest.raises(ServiceError, match="CredentialRetrievalError") as raised:
            call()
        assert raised.value.kind is Kind.TRANSIENT


def test_the_usual_clients_are_created_in_advance(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.create_clients()
    created = {name for name in vars(gateway) if not name.startswith("_enc")}
    assert created == {"_s3", "_braket", "_checked_buckets"}

    def fail(*_arguments: object, **_options: object) -> None:
        raise CredentialRetrievalError(provider="container", error_msg="timed out")

    monkeypatch.setattr("botocore.session.Session.create_client", fail)
    AwsGateway().create_clients()


def test_the_error_of_a_request_that_boto3_refuses_has_no_values(gateway: AwsGateway) -> None:
    with pytest.raises(ServiceError) as raised:
        gateway.create_job({**request(), "hyperParameters": {"k": [CANARY]}, "clientToken": "t"})
    assert raised.value.kind is Kind.PERMANENT
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def test_our_retries_are_the_only_ones_and_every_call_has_time_outs(gateway: AwsGateway) -> None:
    for client in (gateway._braket, gateway._s3, gateway._s3_for_copies):
        options = vars(client.meta.config)["_user_provided_options"]
        assert options["retries"]["total_max_attempts"] == 1
        assert options["connect_timeout"] == module.CONNECT_SECONDS
        assert options["read_timeout"] in {module.READ_SECONDS, module.COPY_SECONDS}


# --- The record. ---


def test_a_record_is_read_with_its_version(gateway: AwsGateway, s3: Stubber) -> None:
    text = '{"é": 1}'.encode()
    body = StreamingBody(io.BytesIO(text), len(text))
    expected = {"Bucket": PLACE.bucket, "Key": PLACE.key}
    s3.add_response("get_object", {"Body": body, "ETag": '"v1"'}, expected)
    assert gateway.read_record(PLACE) == ('{"é": 1}', '"v1"')


def test_a_missing_record_is_none_a_missing_bucket_is_an_error(
    gateway: AwsGateway, s3: Stubber
) -> None:
    s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    assert gateway.read_record(PLACE) is None
    s3.add_client_error("get_object", "NoSuchBucket", http_status_code=404)
    with pytest.raises(ServiceError) as raised:
        gateway.read_record(PLACE)
    assert raised.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize(
    ("version", "condition"), [(None, {"IfNoneMatch": "*"}), ('"v1"', {"IfMatch": '"v1"'})]
)
def test_a_record_is_written_on_condition(
    gateway: AwsGateway, s3: Stubber, version: str | None, condition: dict[str, str]
) -> None:
    expected = {
        "Bucket": PLACE.bucket,
        "Key": PLACE.key,
        "Body": b"{}",
        "ContentType": "application/json",
        **condition,
    }
    s3.add_response("put_object", {"ETag": '"v2"'}, expected)
    if version is None:
        s3.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    gateway.write_record(PLACE, "{}", version)


def test_that_the_store_honours_conditions_is_checked_once_for_each_bucket(
    gateway: AwsGateway, s3: Stubber
) -> None:
    s3.add_response("put_object", {"ETag": '"v1"'})
    s3.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    gateway.write_record(PLACE, "{}", None)
    s3.add_response("put_object", {"ETag": '"v1"'})
    gateway.write_record(PLACE, "{}", None)


def test_a_store_that_ignores_conditions_is_refused(gateway: AwsGateway, s3: Stubber) -> None:
    for _ in range(2):
        s3.add_response("put_object", {"ETag": '"v1"'})
    with pytest.raises(ServiceError, match="ignores the condition") as raised:
        gateway.write_record(PLACE, "{}", None)
    assert raised.value.kind is Kind.PERMANENT


@pytest.mark.parametrize(
    ("code", "status"),
    [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)],
)
def test_a_record_that_changed_meanwhile_is_a_conflict(
    gateway: AwsGateway, s3: Stubber, code: str, status: int
) -> None:
    s3.add_client_error("put_object", code, http_status_code=status)
    with pytest.raises(ServiceError) as raised:
        gateway.write_record(PLACE, "{}", '"v1"')
    assert raised.value.kind is Kind.CONFLICT


# --- Copies. ---

SOURCE_HEAD = {"ContentLength": 10, "ETag": '"s"', "Metadata": {}}
COPY_HEAD = {"ContentLength": 10, "ETag": '"t"', "Metadata": {module.SOURCE_ETAG: '"s"'}}


def expect_head(s3: Stubber, place: Location, response: dict[str, object] | None) -> None:
    if response is None:
        s3.add_client_error("head_object", "404", "Not Found", 404)
    else:
        expected = {"Bucket": place.bucket, "Key": place.key}
        s3.add_response("head_object", response, expected)


def expect_copy(copies: Stubber, **headers: str) -> None:
    expected = {
        "CopySource": {"Bucket": SOURCE.bucket, "Key": SOURCE.key},
        "CopySourceIfMatch": '"s"',
        "Bucket": TARGET.bucket,
        "Key": TARGET.key,
        "MetadataDirective": "REPLACE",
        "Metadata": {module.SOURCE_ETAG: '"s"'},
        "TaggingDirective": "REPLACE",
        **headers,
    }
    copies.add_response("copy_object", {"CopyObjectResult": {"ETag": '"t"'}}, expected)


def test_an_asset_is_copied(gateway: AwsGateway, s3: Stubber, copies: Stubber) -> None:
    expect_head(s3, SOURCE, SOURCE_HEAD)
    expect_head(s3, TARGET, None)
    expect_copy(copies)
    gateway.copy_asset(SOURCE, TARGET)


def test_an_asset_that_is_there_is_not_copied_again(gateway: AwsGateway, s3: Stubber) -> None:
    expect_head(s3, SOURCE, SOURCE_HEAD)
    expect_head(s3, TARGET, COPY_HEAD)
    gateway.copy_asset(SOURCE, TARGET)


@pytest.mark.parametrize(
    "other", [{**COPY_HEAD, "ContentLength": 9}, {**COPY_HEAD, "Metadata": {}}]
)
def test_another_object_in_its_place_is_overwritten(
    gateway: AwsGateway, s3: Stubber, copies: Stubber, other: dict[str, object]
) -> None:
    expect_head(s3, SOURCE, SOURCE_HEAD)
    expect_head(s3, TARGET, other)
    expect_copy(copies)
    gateway.copy_asset(SOURCE, TARGET)


def test_an_object_too_large_for_one_copy_is_refused(gateway: AwsGateway, s3: Stubber) -> None:
    expect_head(s3, SOURCE, {**SOURCE_HEAD, "ContentLength": module.LARGEST_COPY_BYTES + 1})
    expect_head(s3, TARGET, None)
    with pytest.raises(ServiceError, match="EntityTooLarge"):
        gateway.copy_asset(SOURCE, TARGET)


def test_a_source_that_changes_while_it_is_copied_is_tried_again(
    gateway: AwsGateway, s3: Stubber, copies: Stubber
) -> None:
    expect_head(s3, SOURCE, SOURCE_HEAD)
    expect_head(s3, TARGET, None)
    copies.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(ServiceError) as raised:
        gateway.copy_asset(SOURCE, TARGET)
    assert raised.value.kind is Kind.TRANSIENT


def test_keys_are_listed_over_all_pages(gateway: AwsGateway, s3: Stubber) -> None:
    asked = {"Bucket": "b", "Prefix": "p/"}
    first = {"Contents": [{"Key": "p/1"}], "NextContinuationToken": "n", "IsTruncated": True}
    s3.add_response("list_objects_v2", first, asked)
    s3.add_response(
        "list_objects_v2", {"Contents": [{"Key": "p/2"}]}, {**asked, "ContinuationToken": "n"}
    )
    s3.add_response("list_objects_v2", {}, asked)
    page = gateway.list_keys(Location("b", "p/"))
    last = gateway.list_keys(Location("b", "p/"), page.next_token)
    assert (*page.items, *last.items) == ("p/1", "p/2")
    assert last.next_token == ""
    assert gateway.list_keys(Location("b", "p/")) == Page(())


def test_a_missing_asset_is_named_with_and_without_permission_to_list(
    gateway: AwsGateway, s3: Stubber
) -> None:
    expect_head(s3, SOURCE, None)
    with pytest.raises(ServiceError, match=r"s3://cdk-assets/abc\.tar\.gz") as raised:
        gateway.copy_asset(SOURCE, TARGET)
    assert raised.value.kind is Kind.PERMANENT

    s3.add_client_error("head_object", "403", "Forbidden", http_status_code=403)
    with pytest.raises(ServiceError, match=r"s3://cdk-assets/abc\.tar\.gz") as raised:
        gateway.copy_asset(SOURCE, TARGET)
    assert raised.value.kind is Kind.PERMANENT
    assert "not there, or the handler's role lacks" in str(explain(raised.value, {}, "us-east-1"))


# --- The answer to CloudFormation. ---


class Mailbox(ThreadingHTTPServer):
    received: list[tuple[str, dict[str, str], bytes]]
    status: int


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert isinstance(self.server, Mailbox)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append((self.path, dict(self.headers), body))
            self.send_response(self.server.status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = Mailbox(("127.0.0.1", 0), Handler)
    server.received, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [200, 302, 403, 500])
def test_the_answer_is_put_as_the_presigned_url_was_signed(
    gateway: AwsGateway, mailbox: Mailbox, status: int
) -> None:
    mailbox.status = status
    target = "/arn%3Aaws%3Astack%7CJob?X-Amz-Signature=s%2F&b=c"
    url = f"http://127.0.0.1:{mailbox.server_port}{target}"
    assert gateway.put_answer(url, b'{"a": 1}') == status
    [(path, headers, body)] = mailbox.received
    assert path == target
    assert headers["Content-Type"] == ""
    assert body == b'{"a": 1}'


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/?s=canary-77ab", "https://127.0.0.1:{port}/"]
)
def test_a_missing_response_is_an_error_without_the_url(gateway: AwsGateway, url: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(ServiceError) as raised:
        gateway.put_answer(url.format(port=port), b"{}")
    assert raised.value.kind is Kind.TRANSIENT
    assert CANARY not in str(raised.value)
    assert str(port) not in str(raised.value)


def test_a_connection_that_breaks_is_an_error(gateway: AwsGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def slam() -> None:
            connection, _ = listener.accept()
            connection.close()

        thread = threading.Thread(target=slam)
        thread.start()
        with pytest.raises(ServiceError):
            gateway.put_answer(f"http://127.0.0.1:{port}/", b"{}")
        thread.join()


def test_a_server_that_never_answers_is_given_up(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ServiceError):
            gateway.put_answer(url, b"{}")


# --- Encryption. ---

KMS = Encryption("aws:kms", "arn:aws:kms:us-east-1:123456789012:key/1")
DENY = "with an explicit deny in a resource-based policy"


def _expect_put(s3: Stubber, **headers: str) -> None:
    expected = {
        "Bucket": PLACE.bucket,
        "Key": PLACE.key,
        "Body": b"{}",
        "ContentType": "application/json",
        "IfMatch": '"v1"',
        **headers,
    }
    s3.add_response("put_object", {"ETag": '"v2"'}, expected)


def _deny_put(s3: Stubber, message: str = DENY) -> None:
    s3.add_client_error("put_object", "AccessDenied", message, http_status_code=403)


def test_a_record_is_written_with_the_encryption_of_its_bucket(
    gateway: AwsGateway, s3: Stubber
) -> None:
    _expect_put(s3, ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS.key)
    gateway.write_record(PLACE, "{}", '"v1"', KMS)
    _expect_put(s3, ServerSideEncryption="AES256")
    gateway.write_record(PLACE, "{}", '"v1"', Encryption("AES256"))


def test_a_copy_is_written_with_the_encryption_of_its_bucket(
    gateway: AwsGateway, s3: Stubber, copies: Stubber
) -> None:
    expect_head(s3, SOURCE, SOURCE_HEAD)
    expect_head(s3, TARGET, None)
    expect_copy(copies, ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS.key)
    gateway.copy_asset(SOURCE, TARGET, KMS)


def _default(algorithm: str, key: str) -> dict[str, object]:
    default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def test_a_bucket_that_demands_a_header_gets_that_of_its_default(
    gateway: AwsGateway, s3: Stubber, s3_checks: Stubber
) -> None:
    _deny_put(s3)
    s3_checks.add_response("get_bucket_encryption", _default("aws:kms", KMS.key))
    for _ in range(2):  # it is remembered
        _expect_put(s3, ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS.key)
        gateway.write_record(PLACE, "{}", '"v1"')


def test_a_bucket_that_requires_an_unknown_header_gets_the_usual_ones(
    gateway: AwsGateway, s3: Stubber, s3_checks: Stubber
) -> None:
    _deny_put(s3)
    s3_checks.add_client_error("get_bucket_encryption", "AccessDenied", http_status_code=403)
    _deny_put(s3)
    _expect_put(s3, ServerSideEncryption="AES256")
    gateway.write_record(PLACE, "{}", '"v1"')


def test_a_denial_that_no_header_changes_is_the_first_one(
    gateway: AwsGateway, s3: Stubber, s3_checks: Stubber
) -> None:
    _deny_put(s3, f"{DENY} of the first call")
    s3_checks.add_client_error("get_bucket_encryption", "AccessDenied", http_status_code=403)
    _deny_put(s3)
    _deny_put(s3)
    with pytest.raises(ServiceError, match="of the first call"):
        gateway.write_record(PLACE, "{}", '"v1"')


def test_an_outage_while_a_header_is_tried_is_transient(
    gateway: AwsGateway, s3: Stubber, s3_checks: Stubber
) -> None:
    _deny_put(s3)
    s3_checks.add_client_error("get_bucket_encryption", "AccessDenied", http_status_code=403)
    s3.add_client_error("put_object", "SlowDown", http_status_code=503)
    with pytest.raises(ServiceError) as raised:
        gateway.write_record(PLACE, "{}", '"v1"')
    assert raised.value.kind is Kind.TRANSIENT


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("KMS.ThrottlingException", 400, Kind.TRANSIENT),
        ("TemporaryRedirect", 307, Kind.TRANSIENT),
        ("RequestTimeout", 400, Kind.TRANSIENT),
        ("408", 408, Kind.TRANSIENT),
        ("TooMany", 429, Kind.TRANSIENT),
        ("Odd", 500, Kind.TRANSIENT),
        ("OperationAborted", 409, Kind.CONFLICT),
        ("412", 412, Kind.CONFLICT),
        ("NoSuchBucket", 404, Kind.NOT_FOUND),
        ("Odd", 499, Kind.PERMANENT),
    ],
)
def test_a_status_or_a_code_decides_whether_a_call_is_repeated(
    gateway: AwsGateway, s3: Stubber, code: str, status: int, kind: Kind
) -> None:
    s3.add_client_error("list_objects_v2", code, http_status_code=status)
    with pytest.raises(ServiceError) as raised:
        gateway.list_keys(PLACE)
    assert raised.value.kind is kind


@pytest.mark.parametrize(
    ("encryption", "message"), [(KMS, DENY), (None, "because no identity-based policy allows it")]
)
def test_a_denial_that_is_not_about_a_header_tries_no_other(
    gateway: AwsGateway, s3: Stubber, encryption: Encryption | None, message: str
) -> None:
    _deny_put(s3, message)
    with pytest.raises(ServiceError):
        gateway.write_record(PLACE, "{}", '"v1"', encryption)


# --- Where answers may be sent. ---


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://cfn-response.s3.amazonaws.com/x", True),
        ("http://cfn-response.s3.amazonaws.com/x", False),
        ("http://127.0.0.1:4566/x", True),
        ("http://localhost:4566/x", False),
        ("http://169.254.169.254/x", False),
    ],
)
def test_http_is_for_the_host_of_a_configured_endpoint(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch, url: str, accepted: bool
) -> None:
    assert gateway.accepts_answers(url) is url.startswith("https")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert gateway.accepts_answers(url) is accepted


def test_an_answer_that_drips_is_given_up(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time for the socket, and the whole never does."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"H")
                while not stop.wait(0.1):
                    connection.sendall(b"T")

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(ServiceError):
            gateway.put_answer(f"http://127.0.0.1:{port}/", b"{}")
        stop.set()
        thread.join()


# --- What is transient. ---


@pytest.mark.parametrize(
    "error",
    [
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        FlexibleChecksumError(error_msg="differs"),
        ResponseParserError("no XML"),
    ],
)
def test_an_answer_that_did_not_arrive_whole_is_transient(
    gateway: AwsGateway, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(**_arguments: object) -> None:
        raise error

    monkeypatch.setattr(gateway._s3, "get_object", fail)
    with pytest.raises(ServiceError) as raised:
        gateway.read_record(PLACE)
    assert raised.value.kind is Kind.TRANSIENT


def test_optional_checks_give_up_in_seconds(gateway: AwsGateway) -> None:
    for client in (gateway._iam, gateway._braket_checks, gateway._s3_checks):
        options = vars(client.meta.config)["_user_provided_options"]
        assert options["connect_timeout"] + options["read_timeout"] <= 10
