"""A job is shown as it goes, and followed to its end."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cdk_braket._lambda.braket_jobs.api import model_rules
from cdk_braket_client import job_log, job_progress

if TYPE_CHECKING:
    from mypy_boto3_braket import BraketClient
    from mypy_boto3_logs import CloudWatchLogsClient

ARN = "arn:aws:braket:us-east-1:123456789012:job/0c8e2a6e-6a5b-4d0a-9a3e-0d2a1f9f3f11"
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PREFIX = f"h2/{ARN.rpartition('/')[2]}"
STREAM = f"{PREFIX}/algo-1-1767323045"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Service:
    """The calls that are expected, in the order of each client, and their answers."""

    braket_client: "BraketClient"
    logs_client: "CloudWatchLogsClient"
    braket: Stubber = field(init=False)
    logs: Stubber = field(init=False)

    def __post_init__(self) -> None:
        self.braket = Stubber(self.braket_client)
        self.logs = Stubber(self.logs_client)

    def describes(self, status: str, *, created: datetime = CREATED, **members: object) -> None:
        job = {
            "status": status,
            "jobArn": ARN,
            "roleArn": "arn:aws:iam::123456789012:role/job",
            "jobName": "h2",
            "outputDataConfig": {"s3Path": "s3://amazon-braket-results/jobs/h2"},
            "algorithmSpecification": {},
            "instanceConfig": {"instanceType": "ml.m5.large", "volumeSizeInGb": 30},
            "createdAt": created,
            **members,
        }
        self.braket.add_response("get_job", job, {"jobArn": ARN})

    def has_streams(self, *names: str) -> None:
        self.logs.add_response(
            "describe_log_streams",
            {"logStreams": [{"logStreamName": name} for name in names]},
            {"logGroupName": "/aws/braket/jobs", "logStreamNamePrefix": PREFIX},
        )

    def has_lines(self, *lines: tuple[int, str], stream: str = STREAM) -> None:
        self.logs.add_response(
            "get_log_events",
            {
                "events": [{"timestamp": time, "message": text} for time, text in lines],
                "nextForwardToken": "f/end",
            },
            {
                "logGroupName": "/aws/braket/jobs",
                "logStreamName": stream,
                "startFromHead": False,
                "limit": 10,
            },
        )

    def follow(self, stream: io.StringIO) -> job_progress.JobEnd:
        return job_progress.follow(
            ARN,
            braket_client=self.braket_client,
            logs_client=self.logs_client,
            stream=stream,
            poll_seconds=0,
        )


@contextmanager
def service() -> Iterator[Service]:
    session = boto3.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
    )
    made = Service(session.client("braket"), session.client("logs"))
    with made.braket, made.logs:
        yield made
        made.braket.assert_no_pending_responses()
        made.logs.assert_no_pending_responses()


def run_of_three() -> Iterator[Service]:
    """A job that queues, runs and ends."""
    with service() as aws:
        aws.describes("QUEUED")
        aws.logs.add_client_error("describe_log_streams", "ResourceNotFoundException")
        aws.describes("RUNNING")
        aws.has_streams(STREAM)
        metric = "Metrics - timestamp=1767323046.1; energy=-1.0464672444931704; iteration_number=3;"
        aws.has_lines((1, "started"), (2, metric))
        aws.describes("COMPLETED", endedAt=CREATED + timedelta(seconds=75))
        aws.has_streams(STREAM)
        end = f"{job_log.LOCAL_CONTAINER} Reporting training SUCCESS"
        aws.has_lines((1, "started"), (3, "Energy: -1.145599 hartree\n"), (4, end))
        yield aws


@pytest.fixture(name="aws_of_three")
def _aws_of_three() -> Iterator[Service]:
    yield from run_of_three()


def test_each_change_gets_a_line_where_there_is_no_terminal(aws_of_three: Service) -> None:
    stream = io.StringIO()

    aws_of_three.follow(stream)

    queued, running, completed = stream.getvalue().splitlines()
    assert queued.startswith("QUEUED ")
    assert running.startswith("RUNNING ")
    assert running.endswith("  energy = -1.04647 (iteration 3)")
    assert completed == "COMPLETED  1:15  Energy: -1.145599 hartree"


def test_a_terminal_gets_one_line_that_changes(
    aws_of_three: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()

    aws_of_three.follow(stream)

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\r\x1b[KCOMPLETED  1:15  Energy: -1.1\n")


def test_a_line_of_the_local_container_is_shown_until_the_script_writes_one() -> None:
    stream = io.StringIO()
    with service() as aws:
        aws.describes("CANCELLED", endedAt=CREATED)
        aws.has_streams(STREAM)
        aws.has_lines((1, f"{job_log.LOCAL_CONTAINER} waiting for another job"))
        aws.follow(stream)
    assert stream.getvalue().endswith(" waiting for another job\n")


def test_nothing_is_written_twice_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with service() as aws:
        for _ in range(3):
            aws.describes("RUNNING")
            aws.has_streams()
        aws.describes("CANCELLED", endedAt=CREATED)
        aws.has_streams()
        aws.follow(stream)

    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["RUNNING", "CANCELLED"]


def test_the_end_has_the_reason_and_the_place_of_the_results() -> None:
    with service() as aws:
        aws.describes(
            "FAILED", endedAt=CREATED + timedelta(seconds=3), failureReason="AlgorithmError: no"
        )
        aws.has_streams()
        end = aws.follow(io.StringIO())

    assert end == job_progress.JobEnd(
        status="FAILED",
        failure_reason="AlgorithmError: no",
        results_s3_uri="s3://amazon-braket-results/jobs/h2/output/model.tar.gz",
        elapsed=timedelta(seconds=3),
    )


def test_every_status_of_the_service_is_either_followed_or_the_end() -> None:
    final = {"COMPLETED", "FAILED", "CANCELLED"}
    statuses = model_rules.enum_values("JobPrimaryStatus")
    assert final < set(statuses)
    for status in statuses:
        with service() as aws:
            aws.describes(status)
            aws.has_streams()
            if status not in final:
                aws.describes("COMPLETED")
                aws.has_streams()
            aws.follow(io.StringIO())


def test_newest_line_of_all_streams_is_shown() -> None:
    stream = io.StringIO()
    with service() as aws:
        aws.describes("COMPLETED", endedAt=CREATED)
        aws.has_streams(f"{PREFIX}/algo-1-1", f"{PREFIX}/algo-2-1")
        aws.has_lines((5, "older"), (9, "first of two"), (9, "newest"), stream=f"{PREFIX}/algo-1-1")
        aws.has_lines((7, "other"), (8, "  \n"), stream=f"{PREFIX}/algo-2-1")
        aws.follow(stream)

    assert stream.getvalue() == "COMPLETED  0:00  newest\n"


def test_logs_that_may_not_be_read_stop_nothing() -> None:
    stream = io.StringIO()
    with service() as aws:
        aws.describes("COMPLETED", endedAt=CREATED)
        aws.logs.add_client_error("describe_log_streams", "AccessDeniedException")
        end = aws.follow(stream)

    assert end.status == "COMPLETED"
    assert "its logs cannot be read: AccessDeniedException" in stream.getvalue()


def test_a_job_that_cannot_be_described_leaves_the_terminal_on_a_new_line() -> None:
    stream = Terminal()
    with service() as aws:
        aws.describes("RUNNING")
        aws.has_streams()
        aws.braket.add_client_error("get_job", "ResourceNotFoundException")
        with pytest.raises(ClientError):
            aws.follow(stream)

    assert stream.getvalue().endswith("\n")


def test_a_clock_behind_the_services_shows_no_negative_time() -> None:
    stream = io.StringIO()
    with service() as aws:
        ahead = datetime.now(UTC) + timedelta(hours=1)
        aws.describes("QUEUED", created=ahead)
        aws.has_streams()
        aws.describes("COMPLETED", created=ahead, endedAt=ahead)
        aws.has_streams()
        aws.follow(stream)

    assert "-" not in stream.getvalue()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a line\n", "a line"),
        ("first\nlast\n", "last"),
        ("\x1b[31mred\x1b[0m\x07", "[31mred[0m"),
        ("Metrics - timestamp=1.5; loss=0.25;", "loss = 0.25"),
        (
            "Metrics - timestamp=1.5; a=1; b=nope; iteration_number=4;",
            "a = 1, b = nope (iteration 4)",
        ),
        ("Metrics - nothing", "Metrics - nothing"),
        ("", ""),
    ],
)
def test_log_lines_are_shortened_for_people(message: str, shown: str) -> None:
    assert job_log.readable(message) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (61.9, "1:01"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_times_read_as_on_a_clock(seconds: float, shown: str) -> None:
    assert job_progress.clock(timedelta(seconds=seconds)) == shown
